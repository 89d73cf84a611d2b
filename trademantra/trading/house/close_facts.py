"""Daily closes for the limits on correlation: of the last months, read at the start and once each new day."""

import asyncio
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from trademantra.core.bar import Timeframe
from trademantra.core.errors import TradeMantraError
from trademantra.core.instrument import Instrument
from trademantra.core.time import IST, datetime_of, ist_date
from trademantra.engine.bars import Bars
from trademantra.trading.house.fact_parts import FactParts, Watched

LOOK_BACK = timedelta(days=100)
"""About 65 trading days, so three months of returns."""
OLDEST = timedelta(days=5)
"""After so many days without a new reading they are not known any more; a long weekend is shorter."""
_DAY = Timeframe(1, "d")


@dataclass(slots=True)
class CloseFacts:
    """Of one desk."""

    parts: FactParts
    _read_on: dict[str, date] = field(default_factory=dict)

    async def read(self, watched: Watched) -> int:
        """What was not read today yet; answers when to look again, in ns from now."""
        today = ist_date(self.parts.clock.now_ns())
        failed: list[str] = []
        reason = ""
        for instrument in watched.closes:
            if self._read_on.get(instrument.key) == today:
                continue
            try:
                await self._read(instrument, watched, today)
            except (TradeMantraError, OSError) as error:
                failed.append(instrument.key)
                reason = str(error)
            await asyncio.sleep(0)  # a source that answers from memory keeps nobody waiting
        what = f"daily candles of {watched.name}"
        if failed:
            more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
            self.parts.notes.lost(
                what,
                f"{', '.join(failed[:3])}{more} cannot be read: {reason}; entries under a correlation limit wait for them",
            )
        else:
            self.parts.notes.back(what)
        return self.parts.times.closes_ns

    def look(self) -> None:
        """Forget what is of too long ago."""
        today = ist_date(self.parts.clock.now_ns())
        for key in [key for key, day in self._read_on.items() if today - day > OLDEST]:
            del self._read_on[key]
            self.parts.state.daily_closes(key, {})

    async def _read(self, instrument: Instrument, watched: Watched, today: date) -> None:
        midnight = datetime.combine(today, time(), IST)
        bars = await watched.source.history(
            instrument, _DAY, midnight - LOOK_BACK, midnight - timedelta(seconds=1)
        )
        self.parts.state.daily_closes(instrument.key, _closes(bars, today))
        self._read_on[instrument.key] = today


def _closes(bars: Bars, today: date) -> dict[date, float]:
    """By day of India; the candle of today, which is not over, and prices that are none are left out."""
    days = [datetime_of(int(ts)).date() for ts in bars.ts]
    return {
        day: close for day, close in zip(days, bars.close.tolist(), strict=True) if day < today and close > 0
    }
