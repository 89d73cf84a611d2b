"""The hub over a real adapter: the paper broker on the simulated exchange."""

import asyncio
from datetime import date

import numpy as np

from tests.brokers.contract.paper.venue import open_venue
from tests.data.bar_making import same
from tests.trading.feeds.tick_making import MINUTE, ONE_MINUTE, bars_of
from trademantra.data.resample import SessionSpan, bars_from_prices
from trademantra.trading.feeds.events import FeedBack, FeedLost
from trademantra.trading.feeds.hours import TradingHours
from trademantra.trading.feeds.hub_settings import HubSettings, TickSource
from trademantra.trading.feeds.tick_hub import TickHub
from trademantra.trading.feeds.ticks import Origin


def test_ticks_of_the_paper_broker_become_bars_and_a_cut_stream_is_noticed(tmp_path):
    async def scenario():
        async with open_venue(tmp_path) as venue:
            await venue.adapter.complete_login({})
            clock = venue._clock
            start = clock.now_ns()
            hours = TradingHours((SessionSpan(date(2026, 11, 20), start, start + 60 * MINUTE),))
            hub = TickHub([TickSource("paper", venue.adapter)], clock, lambda _: hours, HubSettings())
            bars, events, heard = [], [], asyncio.Event()
            hub.on_bar(bars.append)
            hub.on_event(events.append)
            hub.on_ticks(lambda _: heard.set())
            await hub.turn()
            reading = asyncio.create_task(hub._listen(0))
            await asyncio.sleep(0)
            await hub.subscribe("a", [venue.share], timeframes=[ONE_MINUTE])
            await heard.wait()  # the picture that comes with the subscription
            moments, prices, traded = [start], [100.0], [1000.0]  # what stood when the scenario began
            for step in range(130):
                heard.clear()
                price = f"{100 + step % 17 * 0.05:.2f}"
                await venue.move(venue.share, price, 10)
                await heard.wait()
                moments.append(clock.now_ns())
                prices.append(float(price))
                traded.append(10.0)
                await hub.turn()
            fresh = hub.last(venue.share)
            async with venue.stream_down():
                await hub.turn()
                stale = hub.last(venue.share)
                await venue.move(venue.share, "123.00", 10)
                await venue.move(venue.share, "123.45", 10)
                await hub.turn()
                await hub.settled()
                asked = hub.last(venue.share)
            heard.clear()
            await venue.move(venue.share, "101.00", 10)
            await heard.wait()
            reading.cancel()
            await hub.close()
            return venue.share, (moments, prices, traded), hours, bars, events, fresh, stale, asked

    share, market, hours, bars, events, fresh, stale, asked = asyncio.run(scenario())
    moments, prices, traded = (np.array(column) for column in market)
    wanted = bars_from_prices(moments, prices, ONE_MINUTE, hours.spans, volume=traded)
    built = bars_of(bars, share, ONE_MINUTE)
    assert len(built) == 2
    assert same(built, wanted.slice(0, 2))
    assert [type(each) for each in events] == [FeedLost, FeedBack]
    assert not fresh.is_stale
    assert stale.is_stale
    assert (float(asked.value), asked.origin, asked.is_stale) == (123.45, Origin.POLL, False)
