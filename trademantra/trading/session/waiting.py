"""What was decided before the exchange takes orders: kept until the open, and the last word counts."""

from collections.abc import Mapping, Sequence

from trademantra.engine.live.wants import Enter, Leave, Want


class WaitingWants:
    """Wants by run.  One instrument has at most one entry in it: a later decision takes the place of an earlier one."""

    def __init__(self) -> None:
        self._wants: dict[str, list[Want]] = {}

    def __bool__(self) -> bool:
        return any(self._wants.values())

    def add(self, decided: Mapping[str, Sequence[Want]]) -> None:
        for run_id, wants in decided.items():
            kept = self._wants.setdefault(run_id, [])
            for want in wants:
                _add(kept, want)

    def take(self) -> dict[str, list[Want]]:
        """All of it; nothing waits any more."""
        taken, self._wants = {run_id: wants for run_id, wants in self._wants.items() if wants}, {}
        return taken


def _add(kept: list[Want], want: Want) -> None:
    if isinstance(want, Leave):
        kept.append(want)
        return
    entries = [each for each in kept if isinstance(each, Enter) and each.symbol == want.symbol]
    for each in entries:
        kept.remove(each)
    if isinstance(want, Enter) or (not entries and want not in kept):
        kept.append(want)
