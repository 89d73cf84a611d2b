"""A desk that hears two brokers: the next one while the first is away, and the first again when it is well."""

import asyncio
import json
import urllib.request
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.trading.house.scene import (
    HOLDS,
    Scene,
    a_box,
    kite_account,
    log_in,
    paper_account,
    running,
    sandbox,
    session,
    strategy_file,
)
from trademantra.core.errors import InvalidValueError
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.clock import SystemClock
from trademantra.kit.database import Database
from trademantra.trading.accounts.sandbox_clock import read_sandbox_clock
from trademantra.trading.accounts.settings import ZerodhaAccountSettings
from trademantra.trading.feeds.hub_settings import HubSettings
from trademantra.trading.feeds.sources import SwitchSettings
from trademantra.trading.house.house import open_house
from trademantra.trading.house.parts import HouseParts, Wanted
from trademantra.trading.house.words import feed_words

SPEED = 20.0


def ask(root, path, body):
    request = urllib.request.Request(
        f"{root}{path}", json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


async def fault(root, **words):
    return await asyncio.to_thread(ask, root, "/sandbox/faults", words)


def together(*roots):
    """Two brokers tell one time."""
    for root in roots:
        ask(root, "/sandbox/clock", {"paused": True})
    for root in roots:
        ask(root, "/sandbox/clock", {"advance_to": "2026-11-20T09:16"})
    for root in roots:
        ask(root, "/sandbox/clock", {"paused": False})


def quick(return_after=20):
    """Real seconds are few, and the sandboxes' clocks run apart by their starts."""
    second = NANOSECONDS_PER_SECOND
    return HubSettings(
        switch=SwitchSettings(silent_after_ns=60 * second, behind_ns=20 * second, switch_after_ns=5 * second,
                              return_after_ns=return_after * second)
    )  # fmt: skip


@asynccontextmanager
async def two_brokers(folder, wanted, **more):
    with sandbox(SPEED) as one, sandbox(SPEED, "otherkey") as other:
        together(one, other)
        elsewhere = ZerodhaAccountSettings(api_key="otherkey", root=other)
        accounts = [
            kite_account(one, "main"), kite_account(other, "second", elsewhere), paper_account(source=wanted)
        ]  # fmt: skip
        file = strategy_file(folder, "holds", HOLDS)
        sessions = [session(file, "practice", ["SYNBANK1", "SYNIT1"])]
        async with running(folder, one, accounts, sessions, served=(), feeds=quick(), **more) as scene:
            yield scene, one, other


def test_the_next_source_is_heard_while_the_first_is_away_and_the_first_again_after_it(tmp_path):
    async def story():
        async with two_brokers(tmp_path, ("main", "second")) as (scene, one, _):
            hub = scene.house.markets["main+second"].hub
            await scene.until(lambda: hub.source == "main" and not hub.is_down, "the first source")
            cut = await fault(one, kind="stale_feed")
            await scene.until(lambda: hub.source == "second" and not hub.is_down, "the second source")
            shown = feed_words(hub.status())
            assert shown.startswith("second, 2 instruments")
            assert "instead of main" in shown
            await scene.until(lambda: len(scene.held("practice")) == 2, "entries on the second source")
            await asyncio.to_thread(
                urllib.request.urlopen,
                urllib.request.Request(f"{one}/sandbox/faults?id={cut['id']}", method="DELETE"),
            )
            await scene.until(lambda: hub.source == "main" and not hub.is_down, "the first source again")
            assert "feed: second is heard instead of main" in scene.said
            assert "feed: main is heard instead of second" in scene.said
            assert "instead" not in feed_words(hub.status())

    asyncio.run(story())


def test_a_source_that_nobody_is_logged_in_to_keeps_no_desk_from_starting_and_is_heard_after_the_login(
    tmp_path,
):
    async def story():
        with sandbox(SPEED) as one, sandbox(SPEED, "otherkey") as other:
            together(one, other)
            main = kite_account(one, "main", data_sources=("own", "second"))
            second = kite_account(other, "second", ZerodhaAccountSettings(api_key="otherkey", root=other))
            late = paper_account(source=("second", "main"))
            clock, box, said = read_sandbox_clock(one, SystemClock()), a_box(tmp_path), []
            database = await Database.open(f"sqlite:///{tmp_path / 'desk.db'}")
            await log_in(box, main, clock)
            parts = HouseParts(
                home=tmp_path, database=database, box=box, clock=clock, wall=SystemClock(), random=Random(5),
                say=said.append, record=False, feeds=quick(),
            )  # fmt: skip
            accounts = {each.account_id: each for each in (main, second, late)}
            with pytest.raises(InvalidValueError, match="account second is not logged in"):
                async with open_house(parts, Wanted(accounts, [], ["second"])):
                    pass
            file = strategy_file(tmp_path, "holds", HOLDS)
            spec = session(file, "practice", ["SYNBANK1"])
            async with open_house(parts, Wanted(accounts, [spec], ["main"])) as house:
                scene = Scene(house, database, said, asyncio.ensure_future(house.run()))
                assert any("second is not logged in; practice hears another source" in each for each in said)
                assert set(house.markets) == {"main+second", "second+main"}
                hub = house.markets["second+main"].hub
                await scene.until(
                    lambda: hub.source == "main" and not hub.is_down, "the source that is logged in"
                )
                await scene.until(lambda: scene.held("practice"), "an entry")
                await log_in(box, second, clock)
                await scene.until(lambda: hub.source == "second" and not hub.is_down, "the preferred one")
                assert house.markets["main+second"].hub.source == "main"
                house.stop()
                await scene.task
            await database.close()

    asyncio.run(story())
