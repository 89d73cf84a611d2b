"""What a run says of jumps in its prices."""

from zoneinfo import ZoneInfo

from trademantra.core.time import datetime_of
from trademantra.data.quality import QualityLimits, jumps
from trademantra.data.series import Series
from trademantra.engine.bars import Bars

_MOST_SHOWN = 3
_MEANING = "a split or bonus that is not on file looks like this, and profit or loss across it is not real"


def jump_notes(series: Series, bars: Bars, zone: ZoneInfo) -> tuple[str, ...]:
    """A note of jumps that look like splits nobody adjusted: profit and loss across those are not real.

    The limit is that of `tm data check` (15 %, specs/india-markets.md section 7).
    """
    limits = QualityLimits()
    found = jumps(bars, zone, limits)
    if not found:
        return ()
    shown = "; ".join(
        f"{datetime_of(each.last_ns, zone).date()} ({each.detail.removesuffix(', no event on file')})"
        for each in found[:_MOST_SHOWN]
    )
    more = f", and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    what = f"{series} jumps by more than {limits.jump_percent:g} % from one bar to the next: {shown}{more}"
    return (f"warning: {what}; {_MEANING}",)
