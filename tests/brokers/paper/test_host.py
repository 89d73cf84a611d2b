"""Nobody hears what is not durable, and a host that failed stops."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from tests.brokers.paper.placing import ACCOUNTS, SHARE, START_NS, TOKEN, build, state_of, step_or_refusal
from trademantra.brokers.orders import OrderRequest
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.host import ExchangeHost, ExchangeStoppedError
from trademantra.brokers.paper.journal import RESERVE_BYTES, Journal, JournalError
from trademantra.brokers.paper.terms import ExchangeEvent, OrderChanged, PriceEvent, RefusedRequestError
from trademantra.core.errors import BadInputError
from trademantra.core.order import OrderType, Product, Side
from trademantra.core.time import NANOSECONDS_PER_DAY

ACCOUNT = ACCOUNTS[0]


def request(tag: str = "one", price: str = "90.00") -> OrderRequest:
    return OrderRequest(
        instrument=SHARE,
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        product=Product.MIS,
        price=Decimal(price),
        tag=tag,
    )


def place(tag: str = "one", price: str = "90.00") -> Callable[[Exchange], str]:
    return lambda exchange: exchange.place(ACCOUNT, request(tag, price)).order_id


def price_event(price: float = 100.0, at_ns: int = START_NS + 1) -> PriceEvent:
    return PriceEvent(TOKEN, at_ns, price, price, price, price, 1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exchange.journal"


def lines_on_disk(path: Path, copy: Path) -> int:
    """Lines that a power cut now would leave: those in a copy of the files."""
    copy.write_bytes(path.read_bytes())
    log = path.with_name(f"{path.name}-wal")
    copy.with_name(f"{copy.name}-wal").write_bytes(log.read_bytes())
    with Journal.open(copy) as journal:
        found = len(journal.recover().lines)
    copy.unlink()
    return found


def test_answers_and_events_come_after_the_disk_has_them_and_in_order(path: Path, tmp_path: Path) -> None:
    heard: list[str] = []

    async def main() -> None:
        host = ExchangeHost(build, Journal.open(path))
        await host.feed([price_event()])
        await host.commit()
        before = lines_on_disk(path, tmp_path / "copy")

        def hear(event: ExchangeEvent) -> None:
            assert isinstance(event, OrderChanged)
            assert lines_on_disk(path, tmp_path / "copy") > before
            heard.append(f"{event.order.request.tag} {event.order.stage}")

        host.subscribe(hear)
        placing = [asyncio.create_task(host.run(place(tag))) for tag in ("a", "b")]
        await asyncio.sleep(0)  # the commands are done, nothing is on the disk for certain
        assert len(host.exchange.orders(ACCOUNT)) == 2
        assert heard == []
        host.when_durable(lambda: heard.append("called"))
        await asyncio.gather(*placing)
        host.close()

    asyncio.run(main())
    stages = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "OPEN"]
    assert heard == [*(f"{tag} {stage}" for tag in ("a", "b") for stage in stages), "called"]


def test_a_reader_does_not_see_what_may_still_be_lost(path: Path, tmp_path: Path) -> None:
    async def main() -> None:
        host = ExchangeHost(build, Journal.open(path))
        await host.feed([price_event()])
        placing = asyncio.create_task(host.run(place()))
        await asyncio.sleep(0)
        [shown] = await host.run(lambda exchange: exchange.orders(ACCOUNT))
        assert placing.done() or lines_on_disk(path, tmp_path / "copy") > 0
        assert shown.request.tag == "one"
        await placing
        host.close()

    asyncio.run(main())


def test_a_refusal_is_passed_on_and_stops_nothing(path: Path) -> None:
    async def main() -> None:
        host = ExchangeHost(build, Journal.open(path))
        with pytest.raises(RefusedRequestError):
            await host.run(lambda exchange: exchange.cancel(ACCOUNT, "999"))
        await host.feed([price_event()])
        assert await host.run(place())
        assert host.stopped is None
        host.close()
        with pytest.raises(ExchangeStoppedError, match="closed"):
            await host.run(place("late"))

    asyncio.run(main())


def test_a_full_disk_stops_the_exchange_and_what_was_acknowledged_is_there(path: Path) -> None:
    acknowledged: list[str] = []

    async def main() -> None:
        host = ExchangeHost(build, Journal.open(path, largest_bytes=150_000))
        heard: list[str] = []
        host.subscribe(
            lambda event: heard.append(event.order.order_id) if isinstance(event, OrderChanged) else None
        )
        await host.feed([price_event()])
        failed = ""
        while not failed:
            try:
                acknowledged.append(await host.run(place(f"n{len(acknowledged)}"), new_order=True))
            except JournalError as error:
                failed = str(error)
        assert "disk is full" in failed
        assert set(heard) == set(acknowledged)
        for call in (place("late"), lambda exchange: exchange.orders(ACCOUNT)):
            with pytest.raises(ExchangeStoppedError, match=r"disk is full.*make room"):
                await host.run(call)
        with pytest.raises(ExchangeStoppedError):
            await host.feed([price_event(at_ns=START_NS + 2)])
        host.close()

    asyncio.run(main())
    with Journal.open(path) as journal:
        again = ExchangeHost(build, journal)
        assert [order.order_id for order in again.exchange.orders(ACCOUNT)] == acknowledged
        assert acknowledged


def test_a_nearly_full_disk_takes_cancels_but_no_new_orders(path: Path) -> None:
    free = [RESERVE_BYTES]

    async def main() -> None:
        host = ExchangeHost(build, Journal.open(path, free_bytes=lambda: free[0]))
        await host.feed([price_event()])
        order_id = await host.run(place(), new_order=True)
        free[0] = RESERVE_BYTES // 2
        await host.run(place("last"), new_order=True)  # the space is looked at after each write
        with pytest.raises(JournalError, match="no new orders"):
            await host.run(place("refused"), new_order=True)
        await host.run(lambda exchange: exchange.cancel(ACCOUNT, order_id))
        assert len(host.exchange.orders(ACCOUNT)) == 2
        host.close()

    asyncio.run(main())


def test_a_command_that_breaks_off_leaves_no_half_in_the_journal(path: Path) -> None:
    def broken(exchange: Exchange) -> None:
        exchange.place(ACCOUNT, request("half"))
        raise ZeroDivisionError

    async def main() -> None:
        host = ExchangeHost(build, Journal.open(path))
        await host.feed([price_event()])
        kept = await host.run(place("kept"))
        with pytest.raises(ZeroDivisionError):
            await host.run(broken)
        with pytest.raises(ExchangeStoppedError, match=r"broke off half way \(start the exchange again\)"):
            await host.run(place("late"))
        host.close()
        again = ExchangeHost(build, Journal.open(path))
        assert [order.order_id for order in again.exchange.orders(ACCOUNT)] == [kept]
        again.close()

    asyncio.run(main())


def test_a_caller_who_gives_up_undoes_nothing(path: Path) -> None:
    async def main() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        host = ExchangeHost(build, Journal.open(path))
        await host.feed([price_event()])
        giving_up = asyncio.create_task(host.run(place("givenup")))
        await asyncio.sleep(0)
        giving_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_up
        await host.run(place("next"))
        host.close()
        assert faults == []
        again = ExchangeHost(build, Journal.open(path))
        assert len(again.exchange.orders(ACCOUNT)) == 2
        again.close()

    asyncio.run(main())


def test_a_new_day_and_a_restart_shorten_the_journal_and_keep_the_state(path: Path) -> None:
    async def main() -> bytes:
        host = ExchangeHost(build, Journal.open(path))
        for number in range(60):
            await host.run(partial(step_or_refusal, number=number))
        await host.feed([price_event(101.0, START_NS + NANOSECONDS_PER_DAY * 3)])
        await host.run(place("monday"))
        state = state_of(host.exchange)
        host.close()
        return state

    state = asyncio.run(main())
    with Journal.open(path) as journal:
        recovered = journal.recover()
        assert recovered.snapshot is not None
        assert len(recovered.lines) < 30
        assert state_of(ExchangeHost(build, journal).exchange) == state
    with Journal.open(path) as journal:
        assert journal.recover().lines == ()
        assert state_of(ExchangeHost(build, journal).exchange) == state


def test_lines_of_another_program_are_named(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.append([b'{"v":99}']).result()
    with Journal.open(path) as journal, pytest.raises(BadInputError, match="version 99"):
        ExchangeHost(build, journal)


def test_without_a_journal_everything_comes_at_once() -> None:
    async def main() -> None:
        host = ExchangeHost(build)
        moved: list[set[int]] = []
        stop = host.subscribe_market(lambda tokens: moved.append(set(tokens)))
        await host.feed([price_event()])
        stop()
        await host.feed([price_event(at_ns=START_NS + 2)])
        assert moved == [{TOKEN}]
        assert await host.run(place())

    asyncio.run(main())


def test_a_loop_that_ends_early_leaves_no_noise_and_the_lines(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hosts: list[ExchangeHost] = []

    async def main() -> None:
        hosts.append(ExchangeHost(build, Journal.open(path)))
        await hosts[0].feed([price_event()])  # prices alone are not waited for

    asyncio.run(main())
    hosts[0].close()
    assert caplog.text == ""
    with Journal.open(path) as journal:
        assert journal.recover().lines
