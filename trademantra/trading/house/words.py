"""What a desk tells its owner, in words."""

from collections.abc import Sequence

from trademantra.core.plural import counted
from trademantra.core.time import NANOSECONDS_PER_SECOND, datetime_of
from trademantra.trading.control.requests import DeskRequest
from trademantra.trading.feeds.events import (
    BarsMissing,
    ClockBehind,
    FeedBack,
    FeedEvent,
    FeedLost,
    RecordingStopped,
    SourceSwitched,
    SourceTrouble,
)
from trademantra.trading.feeds.hub_settings import FeedStatus, SourceStatus
from trademantra.trading.house.held import held_in
from trademantra.trading.house.market import Market
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.strategies import StrategySession
from trademantra.trading.readiness.gate import DayStage


def told_of_account(
    room: AccountRoom,
    stage: DayStage,
    market: Market | None,
    sessions: Sequence[StrategySession],
    owner: str,
) -> dict[str, object]:
    """What `tm desk status` shows of one account; `sessions` are its own, `owner` this process."""
    feed = None if market is None else market.hub.status()
    return {
        "stage": stage.value,
        "session": room.adapter.session.value,
        "broker": None if room.desk.is_reading_well else "does not answer",
        "feed": None if feed is None else feed_words(feed),
        "held": [each.facts() for each in held_in(room, sessions)] or None,
        "working_orders": len(room.desk.book.working()),
        "strategies": [
            f"{each.spec.strategy_id} ({each.spec.session_id})" + (" stopped" if each.stopped else "")
            for each in sessions
        ],
        "sessions": [each.spec.session_id for each in sessions if set(each.run_ids) - each.stopped],
        "behind": (market.waiting or None) if market is not None else None,
        "owner": owner,
    }


def feed_words(feed: FeedStatus) -> str:
    """For `tm desk status`."""
    instead = (
        ""
        if feed.preferred is None
        else f"; instead of {feed.preferred.name}, which {_state_of(feed.preferred)}"
    )
    if feed.is_down:
        return f"{feed.source} is down{instead}"
    age = "no price yet" if feed.age_ns is None else f"{feed.age_ns / NANOSECONDS_PER_SECOND:.1f} s old"
    stale = f", {feed.stale} stale" if feed.stale else ""
    return f"{feed.source}, {counted(feed.instruments, 'instrument')}, {age}{stale}{instead}"


def told_of_request(left: DeskRequest) -> str:
    """One that a desk which is gone had taken and not answered."""
    return (
        f"{left.account_id}: {left.kind.value.replace('_', ' ')} {left.request_id}, asked at "
        f"{datetime_of(left.asked_ns):%m-%d %H:%M:%S}, was not answered when the last desk ended: it may be done or not. "
        "Orders of it that the journal holds are told below and never sent twice; who asks again under the same --id is answered "
        "what came of it"
    )


def _state_of(source: SourceStatus) -> str:
    if source.works:
        return "works again and must prove it"
    silent = f"is down, heard {source.age_ns / NANOSECONDS_PER_SECOND:.0f} s ago"
    return f"{silent}, and does not take {source.refused} instruments" if source.refused else silent


def told_of_feed(event: FeedEvent, *, is_sandbox: bool = False) -> str:
    """For the owner.  `is_sandbox`: times are those of one, and say so."""
    whose = " (sandbox)" if is_sandbox else ""
    match event:
        case FeedLost(source, is_start=True):
            return f"feed of {source}: waiting for its first prices"
        case FeedLost(source, since_ns):
            return f"feed of {source}: nothing is heard since {datetime_of(since_ns):%H:%M:%S}{whose}"
        case FeedBack(source, start_ns, _):
            return f"feed of {source}: prices come; bars since {datetime_of(start_ns):%H:%M:%S}{whose} are fetched"
        case SourceSwitched(old, new, _):
            return f"feed: {new} is heard instead of {old}"
        case SourceTrouble(source, reason):
            return f"feed of {source}: {reason}"
        case BarsMissing(instrument, timeframe, start_ns, _, reason):
            return f"feed: bars of {instrument.key} ({timeframe}) from {datetime_of(start_ns):%H:%M}{whose} are missing: {reason}"
        case ClockBehind(source, refused, heard):
            return (
                f"feed of {source}: {refused} of the last {heard} prices are ahead of this machine's clock and make no bars: "
                "set the clock (timedatectl set-ntp true), then start the desk again"
            )
        case RecordingStopped(reason):
            return f"feed: {reason}"
