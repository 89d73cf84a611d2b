"""The master against a naive replay that keeps every file whole and looks the answer up."""

import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.instruments.dumps import Option, symbol_of, write_options
from trademantra.core.errors import UnknownInstrumentError
from trademantra.data.instruments.index import InstrumentIndex
from trademantra.data.instruments.master import import_files

FIRST = date(2026, 3, 2)
EXPIRIES = (date(2026, 3, 5), date(2026, 3, 10), date(2026, 12, 29))
TOKENS = (256, 512, 768, 1024)


@dataclass(frozen=True)
class Dump:
    broker: str
    as_of: date
    options: tuple[Option, ...]


@st.composite
def dumps(draw: st.DrawFn) -> tuple[Dump, ...]:
    """Files in the order of their days: contracts come, go, change their lot, and take each other's tokens."""
    contract = st.tuples(
        st.sampled_from(("NIFTY", "SENSEX50")),
        st.sampled_from(EXPIRIES),
        st.sampled_from((82, 24500)),
        st.sampled_from(("CE", "PE")),
    )
    day, found = FIRST, []
    for _ in range(draw(st.integers(1, 6))):
        day += timedelta(days=draw(st.integers(0, 3)))
        contracts = draw(st.lists(contract, min_size=1, max_size=4, unique=True))
        tokens = draw(st.permutations(TOKENS))
        options = tuple(
            Option(
                token,
                underlying,
                expiry,
                Decimal(strike) + Decimal("0.5"),
                right,
                draw(st.sampled_from((65, 75))),
            )
            for token, (underlying, expiry, strike, right) in zip(tokens, contracts, strict=False)
        )
        found.append(Dump(draw(st.sampled_from(("kite", "angelone"))), day, options))
    return tuple(found)


def listed(history: Sequence[Dump], broker: str, on: date | None) -> tuple[Option, ...]:
    """What the broker's last file up to a day has, without what expired before it."""
    known = [dump for dump in history if dump.broker == broker and (on is None or dump.as_of <= on)]
    if not known:
        return ()
    return tuple(option for option in known[-1].options if on is None or option.expiry >= on)


@settings(max_examples=40, deadline=None)
@given(history=dumps())
def test_every_question_is_answered_as_by_replaying_the_files(history: tuple[Dump, ...]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        master = folder / "instruments.sqlite3"
        for dump in history:
            import_files(
                master,
                [write_options(folder, dump.broker, dump.options)],
                broker=dump.broker,
                as_of=dump.as_of,
            )
        index = InstrumentIndex(master)
        days = [None, *(FIRST + timedelta(days=n) for n in range(-1, 20))]
        for broker in ("kite", "angelone"):
            for on in days:
                expected = {option.token: option for option in listed(history, broker, on)}
                for token in TOKENS:
                    option = expected.get(token)
                    try:
                        found = index.by_token(broker, token, on=on)
                    except UnknownInstrumentError:
                        assert option is None
                        continue
                    assert option is not None
                    assert (found.key, found.lot_size) == (option.key, option.lot)
                    assert index.by_symbol(symbol_of(option, broker), broker=broker, on=on).key == option.key
                    assert index.of_broker(index.by_key(option.key, on=on), broker, on=on) == found
                both = listed(history, "kite", on) + listed(history, "angelone", on)
                for (underlying, expiry), group in groupby(
                    sorted(both, key=lambda one: (one.underlying, one.expiry)),
                    key=lambda one: (one.underlying, one.expiry),
                ):
                    chain = index.chain(underlying, expiry, on=on)
                    assert {one.key for one in chain.instruments} == {one.key for one in group}
        nothing_is_lost(master, history)


def nothing_is_lost(master: Path, history: Sequence[Dump]) -> None:
    connection = sqlite3.connect(master)
    stored = set(
        connection.execute(
            "SELECT l.broker, l.token, l.symbol, c.identity FROM listing l JOIN contract c ON c.id = l.contract"
        )
    )
    doubled = connection.execute(
        "SELECT a.id FROM listing a JOIN listing b ON a.id < b.id AND a.broker = b.broker AND a.venue = b.venue "
        "AND (a.token = b.token OR a.symbol = b.symbol) AND a.valid_from < coalesce(b.valid_to, 999999) "
        "AND b.valid_from < coalesce(a.valid_to, 999999) AND a.valid_from < coalesce(a.valid_to, 999999) "
        "AND b.valid_from < coalesce(b.valid_to, 999999)"
    ).fetchall()
    connection.close()
    assert stored == {
        (dump.broker, str(option.token), symbol_of(option, dump.broker), option.key)
        for dump in history
        for option in dump.options
    }
    assert doubled == []


@settings(max_examples=15, deadline=None)
@given(history=dumps())
def test_the_same_file_again_changes_nothing(history: tuple[Dump, ...]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        master = folder / "instruments.sqlite3"
        for dump in history:
            file = write_options(folder, dump.broker, dump.options)
            import_files(master, [file], broker=dump.broker, as_of=dump.as_of)
            before = contents(master)
            report = import_files(master, [file], broker=dump.broker, as_of=dump.as_of)
            assert (report.changes.opened, report.changes.closed, report.changes.new_contracts) == (0, 0, 0)
            assert contents(master) == before


def contents(master: Path) -> list[str]:
    connection = sqlite3.connect(master)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()
