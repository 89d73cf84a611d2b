"""Instruments, quotes, the stream and history."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from tests.brokers.contract.story import Story, logged_in, needs_feature
from tests.brokers.contract.venue import Venue
from trademantra.brokers.events import StreamChanged, StreamState
from trademantra.brokers.manifest import Feature
from trademantra.brokers.market import Quote, StreamMode
from trademantra.core.bar import Timeframe
from trademantra.core.instrument import Instrument
from trademantra.core.time import NANOSECONDS_PER_MINUTE, datetime_of


async def quote_where(stream: AsyncIterator[Sequence[Quote]], instrument: Instrument, price: str) -> Quote:
    """Read batches until one brings that price."""
    async for batch in stream:
        assert len({quote.instrument for quote in batch}) == len(batch), "an instrument twice in one batch"
        for quote in batch:
            if quote.instrument == instrument and quote.last_price == Decimal(price):
                return quote
    raise AssertionError("the stream ended")


async def tick(
    venue: Venue, stream: AsyncIterator[Sequence[Quote]], instrument: Instrument, price: str
) -> Quote:
    """Move the market and read until the stream shows it; a subscription that is still under way gets more moves."""
    reading = asyncio.create_task(quote_where(stream, instrument, price))
    await asyncio.sleep(0)  # the reader waits first
    while True:
        await venue.move(instrument, price)
        done, _ = await asyncio.wait([reading], timeout=0.25)
        if done:
            return reading.result()


async def instruments_come_with_their_grid(venue: Venue) -> None:
    async with logged_in(venue):
        listed = {one.key: one for one in await venue.adapter.instruments()}
        for wanted in (venue.share, venue.contract):
            found = listed[wanted.key]
            assert (found.tick_size, found.lot_size) == (wanted.tick_size, wanted.lot_size)
            assert (found.segment, found.kind, found.expiry) == (
                wanted.segment,
                wanted.kind,
                wanted.expiry,
            )


async def quotes_bring_the_last_price_and_miss_what_is_unknown(venue: Venue) -> None:
    async with logged_in(venue):
        await venue.move(venue.share, "101.05")
        await venue.move(venue.contract, "1002.00")
        nowhere = replace(venue.share, symbol="NOSUCHSHARE")
        quotes = await venue.adapter.quotes([venue.share, venue.contract, nowhere])
        assert {one.key: quote.last_price for one, quote in quotes.items()} == {
            venue.share.key: Decimal("101.05"),
            venue.contract.key: Decimal("1002.00"),
        }
        share = quotes[venue.share]
        assert share.instrument == venue.share
        assert share.high == Decimal("101.05")
        if Feature.DEPTH in venue.adapter.manifest.features:
            assert share.bids[0].price <= share.last_price <= share.asks[0].price
            assert all(level.price % venue.share.tick_size == 0 for level in share.bids + share.asks)


async def the_stream_brings_what_each_mode_promises(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue):
        for mode in StreamMode:
            await adapter.subscribe([venue.share], mode)
            stream = adapter.quotes_stream()
            price = {"ltp": "101.00", "quote": "102.00", "full": "103.00"}[mode]
            await _tick_until_seen(venue, stream, price, mode)
        assert adapter.stream is StreamState.CONNECTED
        age = adapter.tick_age_ns(venue.share)
        assert age is not None
        assert age >= 0
        assert adapter.tick_age_ns(venue.contract) is None


async def _tick_until_seen(
    venue: Venue, stream: AsyncIterator[Sequence[Quote]], price: str, mode: StreamMode
) -> None:
    """A change of mode may meet ticks of the old one that are under way: then the next tick counts."""
    while True:
        quote = await tick(venue, stream, venue.share, price)
        shown = (quote.volume is not None, bool(quote.bids))
        if shown == (mode is not StreamMode.LTP, mode is StreamMode.FULL):
            return


async def a_slow_reader_gets_the_newest_of_each_instrument(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue):
        await adapter.subscribe([venue.share, venue.contract], StreamMode.QUOTE)
        slow, quick = adapter.quotes_stream(), adapter.quotes_stream()
        await tick(venue, slow, venue.share, "100.50")
        for number in range(30):
            await venue.move(venue.share, f"{101 + number}.00")
            await tick(venue, quick, venue.contract, f"{1001 + number}.00")
        batch = await anext(slow)
        newest = {quote.instrument: quote.last_price for quote in batch}
        assert len(newest) == len(batch)
        assert newest == {venue.share: Decimal("130.00"), venue.contract: Decimal("1030.00")}


async def what_is_unsubscribed_ticks_no_more(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue):
        await adapter.subscribe([venue.share, venue.contract], StreamMode.LTP)
        stream = adapter.quotes_stream()
        await tick(venue, stream, venue.share, "100.50")
        await adapter.unsubscribe([venue.share])
        await tick(venue, stream, venue.contract, "1001.00")  # the other side has read the message
        seen = asyncio.create_task(_instruments_until(stream, venue.contract, "1002.00"))
        await asyncio.sleep(0)
        await venue.move(venue.share, "100.95")
        await venue.move(venue.contract, "1002.00")
        assert await seen == {venue.contract}


async def _instruments_until(
    stream: AsyncIterator[Sequence[Quote]], instrument: Instrument, price: str
) -> set[Instrument]:
    seen = set()
    async for batch in stream:
        seen |= {quote.instrument for quote in batch}
        if any(quote.instrument == instrument and quote.last_price == Decimal(price) for quote in batch):
            break
    return seen


async def a_stream_that_breaks_comes_back_with_its_instruments_and_modes(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await adapter.subscribe([venue.share], StreamMode.LTP)
        await adapter.subscribe([venue.contract], StreamMode.FULL)
        await story.until(lambda s: _states(s)[-1:] == [StreamState.CONNECTED])
        async with venue.stream_down():
            await story.until(lambda s: StreamState.DISCONNECTED in _states(s))
            assert adapter.stream is not StreamState.CONNECTED
            await venue.move(venue.share, "104.00")
        await story.until(lambda s: _states(s)[-1:] == [StreamState.CONNECTED])
        stream = adapter.quotes_stream()
        assert (await tick(venue, stream, venue.share, "105.00")).volume is None
        assert (await tick(venue, stream, venue.contract, "1005.00")).bids


def _states(story: Story) -> list[StreamState]:
    return [event.state for event in story.of(StreamChanged)]


async def history_is_what_was_asked_for(venue: Venue) -> None:
    needs_feature(venue, Feature.HISTORY)
    there = venue.bars_there()
    minute = Timeframe.parse("1m")
    async with logged_in(venue):
        adapter = venue.adapter
        first, last = datetime_of(int(there.ts[3])), datetime_of(int(there.ts[40]))
        bars = await adapter.history(venue.share, minute, first, last)
        for name in ("ts", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(bars, name), getattr(there.slice(3, 41), name)), name
        early = datetime_of(int(there.ts[0]) - 60 * NANOSECONDS_PER_MINUTE)
        assert len(await adapter.history(venue.share, minute, early, early)) == 0


async def closing_ends_every_reader(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await adapter.subscribe([venue.share], StreamMode.LTP)
        stream = adapter.quotes_stream()
        await tick(venue, stream, venue.share, "100.10")
        await adapter.close()
        async for _ in stream:
            pass
    assert story.ended


SCENARIOS = (
    instruments_come_with_their_grid,
    quotes_bring_the_last_price_and_miss_what_is_unknown,
    the_stream_brings_what_each_mode_promises,
    a_slow_reader_gets_the_newest_of_each_instrument,
    what_is_unsubscribed_ticks_no_more,
    a_stream_that_breaks_comes_back_with_its_instruments_and_modes,
    history_is_what_was_asked_for,
    closing_ends_every_reader,
)
