"""Whole instrument files of real days.  They have no licence: read from beside the project, never kept here."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from trademantra.core.errors import AmbiguousInstrumentError
from trademantra.core.instrument import Exchange, InstrumentKind
from trademantra.data.instruments.index import InstrumentIndex
from trademantra.data.instruments.master import ImportReport, import_files
from trademantra.data.instruments.readers import kite, upstox

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "instruments"
UPSTOX, KITE_NSE, KITE_FO = (
    FOLDER / f"{name}.parquet"
    for name in ("upstox_complete_2026_03", "kite_nse_2026_03", "kite_nfo_bfo_2026_08_18")
)
pytestmark = pytest.mark.skipif(not UPSTOX.exists(), reason=f"no real instrument files in {FOLDER}")
# Its nearest contracts expire on 2026-02-20, so the file of "2026-03" is no later than that.
UPSTOX_DAY, KITE_DAY = date(2026, 2, 20), date(2026, 8, 18)


@pytest.fixture(scope="module")
def reports() -> dict[str, ImportReport]:
    return {}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, reports: dict[str, ImportReport]) -> InstrumentIndex:
    master = tmp_path_factory.mktemp("real") / "instruments.sqlite3"
    reports["upstox"] = import_files(master, [UPSTOX], broker="upstox", as_of=UPSTOX_DAY)
    reports["kite"] = import_files(master, [KITE_NSE, KITE_FO], broker="kite", as_of=KITE_DAY)
    return InstrumentIndex(master)


def test_every_row_is_read(index: InstrumentIndex, reports: dict[str, ImportReport]) -> None:
    assert reports["upstox"].changes.rows == pl.scan_parquet(UPSTOX).select(pl.len()).collect().item() - 24
    assert dict(reports["upstox"].remarks) == {
        "commodities' spot rows left out": 24,
        "malformed ISINs taken as unknown": 1,
    }
    assert reports["kite"].changes.rows == 9_420 + 39_941
    assert not reports["upstox"].rejects
    assert not reports["kite"].rejects


def test_one_contract_of_two_brokers_is_one(reports: dict[str, ImportReport], index: InstrumentIndex) -> None:
    """What both files list is one contract; what they do not share has dates or strikes that one of them lacks."""
    theirs, ours = upstox.read(UPSTOX).rows, kite.read(KITE_FO).rows
    fields = ["exchange", "underlying", "expiry", "strike", "right"]
    both = ours.join(theirs.filter(pl.col("expiry").is_not_null()), on=fields, how="inner", nulls_equal=True)
    assert both.height == 516
    for token, token_of_upstox in both.select("token", "token_right").iter_rows():
        contract = index.by_token("kite", token)
        assert {one.token for one in index.listings(contract)} == {token, token_of_upstox}
    # The rest of Kite's were not listed half a year before: most expiries are new, on the others the strikes are.
    rest = ours.join(theirs, on=fields, how="anti", nulls_equal=True)
    old = theirs.filter(pl.col("expiry").is_not_null()).select("exchange", "underlying", "expiry").unique()
    assert both.height + rest.height == ours.height
    assert rest.join(old, on=["exchange", "underlying", "expiry"], how="semi").height < rest.height / 10


def test_shares_meet_although_kite_has_no_isin(index: InstrumentIndex) -> None:
    rows = kite.read(KITE_NSE).rows.filter(pl.col("segment") == "equity")
    shares = rows.filter(pl.col("kind") == "share")["token"].to_list()
    met = sum(index.by_token("kite", token).isin is not None for token in shares)
    assert met / len(shares) > 0.96
    infosys = index.by_token("kite", 408065)
    assert infosys.isin == "INE009A01021"
    assert infosys.has_derivatives is True
    assert [one.exchange for one in index.by_isin("INE009A01021")] == [Exchange.NSE, Exchange.BSE]
    # Series EQ and BE have their own numbers, a company one symbol: the dumps are some days apart.
    assert index.by_symbol("SAMBHAAV", exchange=Exchange.NSE).isin is not None


def test_a_whole_chain_in_one_call(index: InstrumentIndex) -> None:
    expiry = date(2026, 8, 25)
    chain = index.chain("NIFTY", expiry, broker="kite")
    assert chain.future is not None
    assert chain.future.lot_size == 65
    strikes = [one.strike for one in chain.strikes]
    assert strikes == sorted(strikes)
    assert all(one.call is not None and one.put is not None for one in chain.strikes)
    assert {leg.tick_size for one in chain.strikes for leg in (one.call, one.put) if leg} == {Decimal("0.05")}
    assert expiry in index.expiries("NIFTY", broker="kite")


def test_any_brokers_symbol_finds_a_contract_of_kites_file(index: InstrumentIndex) -> None:
    expected = "NSE:NIFTY:2026-08-25:24500:CE"
    for broker, symbol in (
        ("kite", "NIFTY26AUG24500CE"),
        ("angelone", "NIFTY25AUG2624500CE"),
        ("upstox", "NIFTY 24500 CE 25 AUG 26"),
    ):
        assert index.by_symbol(symbol, broker=broker).key == expected
    assert index.by_symbol("NIFTY 25 AUG 24500 CALL", broker="dhan", on=KITE_DAY).key == expected
    with pytest.raises(AmbiguousInstrumentError):
        index.by_symbol("NIFTY-Aug2026-24500-CE", broker="dhan")
    assert index.by_symbol("NIFTY 50", broker="kite").kind is InstrumentKind.INDEX
    assert index.by_symbol("NIFTY 50", broker="kite") == index.by_token("kite", 256265)
