"""The time that an algorithm by hand works in: whether the exchange trades so long, and how volume comes meanwhile."""

from datetime import timedelta

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE, datetime_of, ist_date
from trademantra.markets.sessions import session_on
from trademantra.trading.algos.schedule import volume_curve
from trademantra.trading.house.price_reads import PriceReads
from trademantra.trading.manual.plans import parts_of
from trademantra.trading.manual.wishes import AlgoWish

_CURVE_DAYS = 10
_MINUTE = Timeframe(1, "m")


def check_hours(instrument: Instrument, algo: AlgoWish, now_ns: int) -> None:
    """Errors: `InvalidValueError` for an algorithm that would go on after the close."""
    try:
        session = session_on(ist_date(now_ns), instrument)
    except MissingFactError:
        return
    left_ns = (session.close_ns if session is not None else 0) - now_ns
    if left_ns <= 0 or algo.length_ns > left_ns:
        minutes = left_ns // NANOSECONDS_PER_MINUTE
        left = f"{minutes} minutes are left today" if left_ns > 0 else "it is closed"
        raise InvalidValueError(f"{algo.kind} needs an exchange that trades so long: {left}")


async def curve(source: PriceReads, instrument: Instrument, algo: AlgoWish, now_ns: int) -> tuple[float, ...]:
    """How volume usually comes in the time to come.  Errors: `BrokerError`, `MissingFactError`."""
    end = datetime_of(now_ns)
    bars = await source.history(instrument, _MINUTE, end - timedelta(days=_CURVE_DAYS), end)
    return volume_curve(bars, now_ns, now_ns + algo.length_ns, parts_of(algo))
