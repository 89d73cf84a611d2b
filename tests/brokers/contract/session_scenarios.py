"""Login, logout and expiry."""

from collections.abc import Awaitable, Callable

import pytest

from tests.brokers.contract.story import Story, accepted, logged_in, order
from tests.brokers.contract.venue import Venue
from trademantra.brokers.errors import BrokerError, SessionExpiredError
from trademantra.brokers.events import SessionChanged, SessionState
from trademantra.brokers.market import StreamMode
from trademantra.brokers.orders import OrderChange
from trademantra.core.time import datetime_of


def calls(venue: Venue) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every call that needs a login."""
    adapter = venue.adapter
    return {
        "instruments": adapter.instruments,
        "quotes": lambda: adapter.quotes([venue.share]),
        "place": lambda: adapter.place(order(venue.share)),
        "modify": lambda: adapter.modify("1", OrderChange()),
        "cancel": lambda: adapter.cancel("1"),
        "orders": adapter.orders,
        "orders_by_tag": lambda: adapter.orders_by_tag("any"),
        "trades": adapter.trades,
        "positions": adapter.positions,
        "holdings": adapter.holdings,
        "funds": adapter.funds,
        "subscribe": lambda: adapter.subscribe([venue.share], StreamMode.LTP),
    }


async def before_login_nothing_goes(venue: Venue) -> None:
    assert venue.adapter.session is SessionState.LOGGED_OUT
    assert venue.adapter.session_ends_ns is None
    for name, call in calls(venue).items():
        try:
            await call()
        except SessionExpiredError:
            continue
        pytest.fail(f"{name} went without a login")
    assert not await venue.orders_there()
    await venue.adapter.close()


async def a_login_opens_the_session_until_its_known_end(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        assert adapter.session is SessionState.ACTIVE
        await story.until(lambda s: SessionState.ACTIVE in [e.state for e in s.of(SessionChanged)])
        dies, ends_ns = adapter.manifest.token_dies, adapter.session_ends_ns
        assert (dies is None) == (ends_ns is None)
        if dies is not None and ends_ns is not None:
            assert datetime_of(ends_ns).time() == dies


async def a_login_that_brings_nothing_is_refused(venue: Venue) -> None:
    if not venue.adapter.login_url():
        pytest.skip(f"{venue.adapter.manifest.name}: nothing is asked at a login")
    for answer in ({}, {"status": "error"}, {"request_token": "wrong0token"}):
        with pytest.raises(BrokerError):
            await venue.adapter.complete_login(answer)
        assert venue.adapter.session is not SessionState.ACTIVE
    await venue.adapter.complete_login(await venue.login_answer())
    assert venue.adapter.session is SessionState.ACTIVE
    await venue.adapter.close()


async def a_login_answer_serves_once(venue: Venue) -> None:
    if not venue.adapter.login_url():
        pytest.skip(f"{venue.adapter.manifest.name}: nothing is asked at a login")
    answer = await venue.login_answer()
    await venue.adapter.complete_login(answer)
    await venue.adapter.logout()
    with pytest.raises(BrokerError):
        await venue.adapter.complete_login(answer)
    assert venue.adapter.session is not SessionState.ACTIVE
    await venue.adapter.close()


async def after_logout_nothing_goes(venue: Venue) -> None:
    async with logged_in(venue):
        await venue.adapter.logout()
        assert venue.adapter.session is SessionState.LOGGED_OUT
        with pytest.raises(SessionExpiredError):
            await venue.adapter.place(order(venue.share))
        assert not await venue.orders_there()


async def an_expired_session_stops_orders_and_is_told_once(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        resting = accepted(await adapter.place(order(venue.share, price="90.00")))
        await venue.expire_session()
        for _ in range(3):
            with pytest.raises(SessionExpiredError):
                await adapter.place(order(venue.share))
            with pytest.raises(SessionExpiredError):
                await adapter.orders()
        assert adapter.session is SessionState.EXPIRED
        assert adapter.session_ends_ns is None
        await story.until(lambda s: bool(_expiries(s)))
        assert [there.order_id for there in await venue.orders_there()] == [resting]

        await adapter.complete_login(await venue.login_answer())
        assert [one.broker_order_id for one in await adapter.orders()] == [resting]
        accepted(await adapter.cancel(resting))
        assert len(_expiries(story)) == 1


def _expiries(story: Story) -> list[SessionChanged]:
    return [event for event in story.of(SessionChanged) if event.state is SessionState.EXPIRED]


async def what_happened_while_logged_out_is_told_after_the_login(venue: Venue) -> None:
    adapter = venue.adapter
    async with logged_in(venue) as story:
        await adapter.subscribe([venue.share], StreamMode.LTP)
        resting = accepted(await adapter.place(order(venue.share, quantity=10, price="95.00")))
        await venue.expire_session()
        await venue.move(venue.share, "94.00")
        with pytest.raises(SessionExpiredError):
            await adapter.orders()
        await adapter.complete_login(await venue.login_answer())
        await story.filled(resting, 10)


SCENARIOS = (
    before_login_nothing_goes,
    a_login_opens_the_session_until_its_known_end,
    a_login_that_brings_nothing_is_refused,
    a_login_answer_serves_once,
    after_logout_nothing_goes,
    an_expired_session_stops_orders_and_is_told_once,
    what_happened_while_logged_out_is_told_after_the_login,
)
