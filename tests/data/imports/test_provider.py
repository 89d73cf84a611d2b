"""The port for history over a network, with the smallest provider that fits it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.data.imports.provider import HistoryLimits, HistoryProvider, HistoryRequest
from trademantra.engine.bars import Bars

MINUTE = Timeframe(1, "m")
SHARE = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol="ALPHA")


class TwoBars:
    """Gives one batch of the bars that lie in the range."""

    name = "two bars"
    limits = HistoryLimits({MINUTE: timedelta(days=60)}, adjusts_for_splits=True)

    async def bars(self, request: HistoryRequest) -> AsyncIterator[Bars]:
        prices = [1.0, 2.0]
        yield Bars.of([0, 60], prices, prices, prices, prices, prices).between(
            request.start_ns, request.stop_ns
        )


def test_a_provider_answers_in_batches() -> None:
    provider: HistoryProvider = TwoBars()

    async def collected() -> list[int]:
        request = HistoryRequest(SHARE, MINUTE, 1, 61)
        return [int(ts) async for batch in provider.bars(request) for ts in batch.ts]

    assert asyncio.run(collected()) == [60]


def test_an_empty_range_is_no_request() -> None:
    with pytest.raises(InvalidValueError, match="NSE:ALPHA"):
        HistoryRequest(SHARE, MINUTE, 5, 5)
