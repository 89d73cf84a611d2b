"""The shipped tables: every row can be read, says where it comes from and contradicts no other."""

import csv
import tomllib
from datetime import date, timedelta
from importlib.resources import files
from itertools import pairwise

import pytest

from trademantra.core.instrument import Exchange
from trademantra.markets.sessions.overrides import NO_OVERRIDES
from trademantra.markets.sessions.rows import Calendar
from trademantra.markets.sessions.tables import (
    block_windows,
    closing_auction_shares,
    commodity_groups,
    facts,
    timetables,
)

DATA = files("trademantra.markets.sessions") / "data"
CSV_FILES = sorted(path.name for path in DATA.iterdir() if path.name.endswith(".csv"))
TOML_FILES = ["special_sessions.toml", "timetables.toml"]


@pytest.mark.parametrize("name", CSV_FILES)
def test_every_csv_row_has_source_and_confidence(name: str) -> None:
    rows = list(csv.DictReader((DATA / name).read_text(encoding="utf-8").splitlines()))
    assert rows
    for line, row in enumerate(rows, 2):
        assert None not in row, f"{name}:{line} has too many fields"
        assert row["source"], f"{name}:{line}"
        assert row["confidence"] in ("high", "med", "low", "disputed"), f"{name}:{line}"


@pytest.mark.parametrize("name", TOML_FILES)
def test_every_toml_row_has_source_and_confidence(name: str) -> None:
    for table, rows in tomllib.loads((DATA / name).read_text(encoding="utf-8")).items():
        for row in rows:
            assert row["source"], (name, table, row)
            assert row["confidence"] in ("high", "med", "low", "disputed"), (name, table, row)


def test_everything_parses() -> None:
    known = facts(NO_OVERRIDES)
    assert set(known.years) == set(Calendar)
    assert len(known.specials) > 60
    assert known.square_off
    assert set(commodity_groups().values()) == {"non_agri", "cotton_oil", "agri"}
    assert sum(closing_auction_shares().values()) == 50
    assert len(block_windows()) == 2


@pytest.mark.parametrize("name", sorted(timetables()))
def test_timetable_rows_follow_each_other_without_gap(name: str) -> None:
    rows = timetables()[name]
    for earlier, later in pairwise(rows):
        assert earlier.last is not None
        assert later.first == earlier.last + timedelta(days=1)
    assert rows[-1].last is None or name == "cash_closing_auction"


def test_holidays_are_weekdays_and_stand_once() -> None:
    rows = list(csv.DictReader((DATA / "holidays.csv").read_text(encoding="utf-8").splitlines()))
    keys = [(row["calendar"], row["date"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert all(date.fromisoformat(row["date"]).weekday() < 5 for row in rows)


def test_nse_and_bse_hold_special_sessions_together() -> None:
    places = facts(NO_OVERRIDES).specials
    for day, exchange, group in places:
        if exchange in (Exchange.NSE, Exchange.BSE):
            other = Exchange.BSE if exchange is Exchange.NSE else Exchange.NSE
            assert (day, other, group) in places
