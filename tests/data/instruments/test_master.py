"""Imports that must be refused, crashes, and brokers that agree on what they list."""

import os
import sqlite3
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.data.instruments.dumps import Option, kite_file, kite_line, write_options
from tests.data.instruments.test_history import contents
from tests.data.instruments.test_readers import UPSTOX_HEADER
from trademantra.core.errors import (
    AmbiguousInstrumentError,
    BadInputError,
    DataConflictError,
    InvalidValueError,
    NotFoundError,
    UnknownInstrumentError,
)
from trademantra.core.instrument import Exchange, InstrumentKind
from trademantra.data.instruments import importing
from trademantra.data.instruments.index import InstrumentIndex
from trademantra.data.instruments.master import import_files, summaries, write_rejects

DAY = date(2026, 3, 2)
CALL = Option(12468482, "NIFTY", date(2026, 3, 10), Decimal(24500), "CE")
RELIANCE = '738561,2885,RELIANCE,"RELIANCE INDUSTRIES",0,,0,0.1,1,EQ,NSE,NSE'
UPSTOX_RELIANCE = "NSE_EQ|INE002A01018,2885,RELIANCE,RELIANCE INDUSTRIES LTD,1,,,0.1,1,EQUITY,,NSE_EQ\n"


@pytest.fixture
def master(tmp_path: Path) -> Path:
    return tmp_path / "home" / "instruments.sqlite3"


def kite(master: Path, folder: Path, lines: list[str], as_of: date = DAY) -> InstrumentIndex:
    import_files(master, [kite_file(folder, lines)], broker="kite", as_of=as_of)
    return InstrumentIndex(master)


def upstox(master: Path, folder: Path, rows: str, as_of: date = DAY) -> InstrumentIndex:
    file = folder / "upstox.csv"
    file.write_text(UPSTOX_HEADER + rows)
    import_files(master, [file], broker="upstox", as_of=as_of)
    return InstrumentIndex(master)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            kite_line(CALL).replace("12468482", "12468738").replace("24500,", "24600,"),
            "symbol 'NIFTY2631024500CE'",
        ),
        (kite_line(CALL).replace("CE", "PE"), "token '12468482'"),
        (
            kite_line(CALL)
            .replace("12468482", "12468738")
            .replace("NIFTY2631024500CE", "OTHER2631024500CE")
            .replace("OTHER2631024500CE,NIFTY", "NIFTY26MAR24500CE,NIFTY"),
            "one contract of 'NIFTY'",
        ),
    ],
)
def test_two_contracts_under_one_name_are_refused_with_both_lines(
    tmp_path: Path, master: Path, second: str, message: str
) -> None:
    file = kite_file(tmp_path, [kite_line(CALL), RELIANCE, second])
    with pytest.raises(BadInputError, match=message) as caught:
        import_files(master, [file], broker="kite", as_of=DAY)
    assert caught.value.line == 2
    assert "line 4" in str(caught.value)
    assert not master.exists()
    report = import_files(master, [file], broker="kite", as_of=DAY, skip_bad=True)
    assert [reject.line for reject in report.rejects] == [2, 4]
    write_rejects(report.rejects, tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").read_text().splitlines()[0] == "file,line,column,reason"
    assert InstrumentIndex(master).by_symbol("RELIANCE").key == "NSE:RELIANCE"


def test_two_shares_under_one_symbol_are_refused(tmp_path: Path, master: Path) -> None:
    with pytest.raises(BadInputError, match=r"line 2.*symbol 'RELIANCE'.*line 3"):
        upstox(
            master,
            tmp_path,
            UPSTOX_RELIANCE + UPSTOX_RELIANCE.replace("INE002A01018", "INE999A01018").replace("2885", "7"),
        )


def test_the_same_row_in_two_files_counts_once(tmp_path: Path, master: Path) -> None:
    files = [
        kite_file(tmp_path, [kite_line(CALL)], "a.csv"),
        kite_file(tmp_path, [RELIANCE, kite_line(CALL)], "b.csv"),
    ]
    assert import_files(master, files, broker="kite", as_of=DAY).changes.rows == 2
    other = kite_file(tmp_path, [kite_line(CALL).replace(",65,", ",75,")], "c.csv")
    with pytest.raises(BadInputError, match=r"a\.csv.*line 2 .* of .*c\.csv"):
        import_files(master, [files[0], other], broker="kite", as_of=DAY)


def test_an_older_file_is_refused_and_a_file_of_another_segment_is_not(tmp_path: Path, master: Path) -> None:
    kite(master, tmp_path, [kite_line(CALL)], date(2026, 3, 5))
    before = contents(master)
    with pytest.raises(DataConflictError, match="2026-03-05 with NFO"):
        kite(master, tmp_path, [RELIANCE, kite_line(CALL)], date(2026, 3, 4))
    assert contents(master) == before
    index = kite(master, tmp_path, [RELIANCE], date(2026, 3, 4))
    assert index.by_token("kite", 12468482).key == CALL.key
    assert {(one.venue, one.open, one.newest.day) for one in summaries(master)} == {
        ("NFO", 1, 5),
        ("NSE", 1, 4),
    }


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, master: Path) -> None:
    options = [Option(256 * n, "NIFTY", date(2026, 3, 10), Decimal(n), "CE") for n in range(1, 1201)]
    import_files(master, [write_options(tmp_path, "kite", options)], broker="kite", as_of=DAY)
    half = write_options(tmp_path, "kite", options[:500])
    with pytest.raises(DataConflictError, match="of 1200 live kite listings of NFO this file has only 500"):
        import_files(master, [half], broker="kite", as_of=date(2026, 3, 3))
    assert (
        import_files(master, [half], broker="kite", as_of=date(2026, 3, 3), allow_shrink=True).changes.closed
        == 700
    )


def test_expired_contracts_are_no_reason_to_refuse(tmp_path: Path, master: Path) -> None:
    options = [Option(256 * n, "NIFTY", date(2026, 3, 10), Decimal(n), "CE") for n in range(1, 1201)]
    import_files(master, [write_options(tmp_path, "kite", options)], broker="kite", as_of=DAY)
    later = write_options(tmp_path, "kite", [Option(256, "NIFTY", date(2026, 3, 17), Decimal(1), "CE")])
    import_files(master, [later], broker="kite", as_of=date(2026, 3, 11))
    assert InstrumentIndex(master).by_token("kite", 256).expiry == date(2026, 3, 17)


def test_an_error_in_the_middle_leaves_the_old_state(
    tmp_path: Path, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kite(master, tmp_path, [kite_line(CALL)])
    before = contents(master)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(importing, "_log", fail)
        with pytest.raises(OSError, match="full"):
            kite(master, tmp_path, [RELIANCE, kite_line(CALL).replace(",65,", ",75,")], date(2026, 3, 3))
    assert contents(master) == before


def test_a_killed_import_leaves_the_old_state(tmp_path: Path, master: Path) -> None:
    kite(master, tmp_path, [kite_line(CALL)])
    before = contents(master)
    file = kite_file(tmp_path, [RELIANCE, kite_line(CALL).replace(",65,", ",75,")])
    script = (
        "import os, sys\nfrom datetime import date\nfrom pathlib import Path\n"
        "from trademantra.data.instruments import importing, master\n"
        "importing._log = lambda *_: os._exit(9)\n"
        "master.import_files(Path(sys.argv[1]), [Path(sys.argv[2])], broker='kite', as_of=date(2026, 3, 3))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, master, file],
        check=False,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert ended.returncode == 9
    assert contents(master) == before
    assert kite(master, tmp_path, [RELIANCE], date(2026, 3, 3)).by_symbol("RELIANCE").key == "NSE:RELIANCE"


def test_a_token_used_again_after_expiry_answers_by_day(tmp_path: Path, master: Path) -> None:
    later = Option(CALL.token, "NIFTY", date(2026, 3, 17), Decimal(24500), "CE")
    kite(master, tmp_path, [kite_line(CALL)])
    index = kite(master, tmp_path, [kite_line(later)], date(2026, 3, 12))
    assert index.by_token("kite", CALL.token).key == later.key
    assert index.by_token("kite", CALL.token, on=date(2026, 3, 10)).key == CALL.key
    with pytest.raises(UnknownInstrumentError, match="2026-03-11"):  # expired the day before, not yet re-used
        index.by_token("kite", CALL.token, on=date(2026, 3, 11))
    with pytest.raises(
        UnknownInstrumentError, match="it was NIFTY2631024500CE from 2026-03-02 until 2026-03-10"
    ):
        index.by_key(CALL.key, on=date(2026, 3, 17))


def test_brokers_merge_on_fields_isin_and_symbol(tmp_path: Path, master: Path) -> None:
    kite(
        master,
        tmp_path,
        [
            kite_line(CALL),
            RELIANCE,
            "6530561,25510,MOTHERSON-D1,,0,,0,0.01,1,EQ,NSE,NSE",
        ],
    )
    rows = (
        UPSTOX_RELIANCE
        + "NSE_EQ|INE775A08105,25510,MOTHERSON,SAMVARDHANA,0,,,0.05,1,EQUITY,,NSE_EQ\n"
        + "NSE_EQ|INE775A01035,4204,MOTHERSON,SAMVARDHANA,0,,,0.01,1,EQUITY,,NSE_EQ\n"
        + "BSE_EQ|INE002A01018,500325,RELIANCE,RELIANCE INDUSTRIES LTD.,1,,,0.05,1,EQUITY,,BSE_EQ\n"
        + "NSE_FO|48705,48705,NIFTY2631024500CE,NIFTY,1,2026-03-10,24500,0.05,65,OPTIDX,CE,NSE_FO\n"
        + "NSE_FO|9,9,RELIANCE26MARFUT,RELIANCE INDUSTRIES LTD,1,2026-03-30,0,0.1,500,FUTSTK,FF,NSE_FO\n"
    )
    index = upstox(master, tmp_path, rows)
    assert {one.broker for one in index.listings(index.by_key(CALL.key))} == {"kite", "upstox"}
    nse, bse = index.by_isin("INE002A01018")
    assert (nse.exchange, bse.exchange) == (Exchange.NSE, Exchange.BSE)
    assert {(one.broker, one.token) for one in index.listings(nse)} == {
        ("kite", "738561"),
        ("upstox", "NSE_EQ|INE002A01018"),
    }
    assert (nse.series, nse.isin) == ("EQ", "INE002A01018")  # one from Kite, the other from Upstox
    assert nse.has_derivatives is bse.has_derivatives is True
    assert index.by_symbol("MOTHERSON").has_derivatives is False
    # Kite first knew the debenture by its symbol; the exchange's number joins it to the ISIN on Kite's next file.
    index = kite(
        master,
        tmp_path,
        [kite_line(CALL), RELIANCE, "6530561,25510,MOTHERSON-D1,,0,,0,0.01,1,EQ,NSE,NSE"],
        date(2026, 3, 3),
    )
    debenture = index.by_token("kite", 6530561)
    assert (debenture.isin, debenture.kind) == ("INE775A08105", InstrumentKind.BOND)


def test_a_renamed_share_keeps_its_history_and_a_new_isin_begins_one(tmp_path: Path, master: Path) -> None:
    upstox(master, tmp_path, UPSTOX_RELIANCE)
    upstox(master, tmp_path, UPSTOX_RELIANCE.replace(",RELIANCE,", ",RIL,"), date(2026, 3, 5))
    index = upstox(
        master,
        tmp_path,
        UPSTOX_RELIANCE.replace(",RELIANCE,", ",RIL,").replace("INE002A01018", "INE002A01026"),
        date(2026, 3, 9),
    )
    assert [one.symbol for one in index.by_isin("INE002A01018", on=DAY)] == ["RELIANCE"]
    assert [one.symbol for one in index.by_isin("INE002A01018", on=date(2026, 3, 6))] == ["RIL"]
    with pytest.raises(UnknownInstrumentError, match="it was RIL from 2026-03-05 until 2026-03-09"):
        index.by_isin("INE002A01018")
    assert index.by_symbol("RIL", exchange=Exchange.NSE).isin == "INE002A01026"


def test_a_bond_does_not_take_the_isin_of_a_share_with_its_symbol(tmp_path: Path, master: Path) -> None:
    kite(master, tmp_path, ["240000004,937500,ABC,,0,,0,0.01,1,EQ,BSE,BSE"])
    index = upstox(master, tmp_path, "BSE_EQ|INE002A01018,500325,ABC,A B C LTD,1,,,0.05,1,EQUITY,,BSE_EQ\n")
    assert index.by_token("kite", 240000004).isin is None
    assert index.by_token("upstox", "BSE_EQ|INE002A01018").kind is InstrumentKind.SHARE


def test_symbols_of_brokers_that_were_never_imported(tmp_path: Path, master: Path) -> None:
    monthly = "500,1,NIFTY26MAR24500CE,NIFTY,0,2026-03-30,24500,0.05,65,CE,NFO-OPT,NFO"
    index = kite(
        master,
        tmp_path,
        [
            kite_line(CALL),
            monthly,
            RELIANCE,
            "756,2,NIFTY26MARFUT,NIFTY,0,2026-03-30,0,0.1,65,FUT,NFO-FUT,NFO",
        ],
    )
    assert index.by_symbol("NIFTY10MAR2624500CE", broker="angelone").key == CALL.key
    assert index.by_symbol("NIFTY 24500 CE 10 MAR 26", broker="upstox").key == CALL.key
    assert index.by_symbol("NIFTY 10 MAR 24500 CALL", broker="dhan", on=DAY).key == CALL.key
    assert index.by_symbol("NIFTY26MAR24500CE", broker="upstox").key == "NSE:NIFTY:2026-03-30:24500:CE"
    assert index.by_symbol("NIFTY-Mar2026-FUT", broker="dhan").key == "NSE:NIFTY:2026-03-30:FUT"
    assert index.by_symbol("RELIANCE-EQ", broker="angelone").key == "NSE:RELIANCE"
    with pytest.raises(AmbiguousInstrumentError, match="2026-03-10, 2026-03-30"):
        index.by_symbol("NIFTY-Mar2026-24500-CE", broker="dhan")
    for rubbish in ("", "NIFTY", "NIFTY26MAR99999CE", "'; DROP TABLE listing", "\N{SNOWMAN}" * 100):
        with pytest.raises(UnknownInstrumentError):
            index.by_symbol(rubbish)


def test_a_lot_of_a_broker_that_counts_lots_is_told_by_another(tmp_path: Path, master: Path) -> None:
    index = kite(
        master, tmp_path, ["55572743,217081,CRUDEOIL26MARFUT,CRUDEOIL,0,2026-03-19,0,1,1,FUT,MCX-FUT,MCX"]
    )
    assert index.by_token("kite", 55572743).lot_size == 1
    row = "MCX_FO|217081,217081,CRUDEOIL26MARFUT,CRUDE OIL,1,2026-03-19,0,100.0,100,FUTCOM,FF,MCX_FO\n"
    index = upstox(master, tmp_path, row, date(2026, 3, 4))
    assert index.by_token("kite", 55572743, on=date(2026, 3, 3)).lot_size == 1  # nobody had told it then
    crude = index.by_token("kite", 55572743)
    assert (crude.lot_size, crude.quantity_unit.value) == (100, "lots")
    assert index.by_key(crude.key).quantity_unit.value == "units"
    assert index.of_broker(index.by_key(crude.key), "kite") == crude


def test_chains_are_sorted_paired_and_named_by_exchange(tmp_path: Path, master: Path) -> None:
    lines = [
        kite_line(Option(256 * n, "GOLD", date(2026, 3, 10), strike, right))
        for n, (strike, right) in enumerate(
            [(Decimal(100), "PE"), (Decimal("99.5"), "CE"), (Decimal(100), "CE")], 1
        )
    ]
    index = kite(master, tmp_path, [*lines, "2816,11,GOLD26MARFUT,GOLD,0,2026-03-10,0,1,1,FUT,MCX-FUT,MCX"])
    with pytest.raises(AmbiguousInstrumentError, match="MCX and NSE"):
        index.chain("GOLD", date(2026, 3, 10))
    chain = index.chain("GOLD", date(2026, 3, 10), exchange=Exchange.NSE)
    assert chain.future is None
    assert [(one.strike, one.call is not None, one.put is not None) for one in chain.strikes] == [
        (Decimal("99.5"), True, False),
        (Decimal(100), True, True),
    ]
    assert [
        one.kind for one in index.chain("GOLD", date(2026, 3, 10), exchange=Exchange.MCX).instruments
    ] == [InstrumentKind.FUTURE]
    with pytest.raises(UnknownInstrumentError, match="no contract that expires on 2026-03-11"):
        index.chain("GOLD", date(2026, 3, 11), exchange=Exchange.MCX)
    with pytest.raises(UnknownInstrumentError, match="no futures or options on NIFTY"):
        index.expiries("NIFTY")


def test_questions_that_make_no_sense(tmp_path: Path, master: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no instrument master"):
        InstrumentIndex(master)
    with pytest.raises(NotFoundError, match="there is no file"):
        import_files(master, [tmp_path / "none.csv"], broker="kite", as_of=DAY)
    with pytest.raises(InvalidValueError, match="no reader for broker 'acme'"):
        import_files(master, [tmp_path / "none.csv"], broker="acme", as_of=DAY)
    index = kite(master, tmp_path, [RELIANCE])
    for key in (
        "RELIANCE",
        "NSE:NIFTY:tomorrow:FUT",
        "NSE:NIFTY:2026-03-10:ten:CE",
        "NSE:NIFTY:2026-03-10:10:XX",
    ):
        with pytest.raises(InvalidValueError):
            index.by_key(key)
    with pytest.raises(UnknownInstrumentError):
        index.by_token("acme", 1)
    with pytest.raises(UnknownInstrumentError):
        index.by_isin("INE000000000")


def test_a_file_that_is_no_master_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.sqlite3").write_bytes(b"this is not a database, but it is longer than a header" * 10)
    with pytest.raises(BadInputError, match="not an instrument master"):
        InstrumentIndex(tmp_path / "m.sqlite3")
    newer = tmp_path / "n.sqlite3"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadInputError, match="layout 99"):
        InstrumentIndex(newer)
