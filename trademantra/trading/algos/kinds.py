"""All algorithms by the name that is stored.  A new one is added here and nowhere else."""

from types import MappingProxyType

from trademantra.core.errors import BadInputError, InvalidValueError
from trademantra.trading.algos.bracket import BracketSpec, GuardSpec
from trademantra.trading.algos.chase import ChaseSpec
from trademantra.trading.algos.iceberg import IcebergSpec
from trademantra.trading.algos.legs import LegsSpec
from trademantra.trading.algos.participation import ParticipationSpec
from trademantra.trading.algos.schedule import ScheduleSpec
from trademantra.trading.algos.spec_json import from_json
from trademantra.trading.algos.view import AlgoSpec

KINDS: MappingProxyType[str, type[AlgoSpec]] = MappingProxyType(
    {
        "bracket": BracketSpec,
        "guard": GuardSpec,
        "iceberg": IcebergSpec,
        "schedule": ScheduleSpec,
        "participation": ParticipationSpec,
        "chase": ChaseSpec,
        "legs": LegsSpec,
    }
)
_NAMES = MappingProxyType({kind: name for name, kind in KINDS.items()})


def kind_of(spec: AlgoSpec) -> str:
    """The stored name of a spec's type.  Errors: `InvalidValueError` for one that is not an algorithm here."""
    name = _NAMES.get(type(spec))
    if name is None:
        raise InvalidValueError(f"{type(spec).__name__} is no algorithm", hint=f"known: {', '.join(KINDS)}")
    return name


def read_spec(kind: str, text: str, algo_id: str) -> AlgoSpec:
    """Errors: `BadInputError`."""
    found = KINDS.get(kind)
    if found is None:
        raise BadInputError(
            f"algorithm {algo_id}", f"kind {kind!r} is not known here", hint="update the product"
        )
    return from_json(found, text, f"algorithm {algo_id}")
