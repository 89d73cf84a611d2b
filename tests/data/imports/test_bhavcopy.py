"""NSE's files, with their real columns and invented rows."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, time
from pathlib import Path

import pytest

from trademantra.core.errors import BadInputError
from trademantra.core.time import ist_ns
from trademantra.data.imports.model import ImportReport
from trademantra.data.series import Series
from trademantra.data.store import BarStore

OLD_CASH = "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,"
FULL_CASH = (
    "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, LAST_PRICE, CLOSE_PRICE, AVG_PRICE, "
    "TTL_TRD_QNTY, TURNOVER_LACS, NO_OF_TRADES, DELIV_QTY, DELIV_PER"
)
UDIFF = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,"
    "FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,"
    "TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)
OLD_FO = (
    "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,VAL_INLAKH,OPEN_INT,"
    "CHG_IN_OI,TIMESTAMP,"
)

Load = Callable[..., ImportReport]
Write = Callable[[str, str | bytes], Path]


def bar(store: BarStore, series: str) -> tuple[float, ...]:
    """The one stored bar of a series, with its time."""
    bars = store.read(Series.parse(series))
    assert len(bars) == 1
    return (
        int(bars.ts[0]),
        *(float(getattr(bars, name)[0]) for name in ("open", "high", "low", "close", "volume")),
    )


def midnight(year: int, month: int, day: int) -> int:
    return ist_ns(date(year, month, day), time())


def udiff_cash(symbol: str, series: str, prices: str, volume: int, *, src: str = "NSE") -> str:
    return (
        f"2024-07-08,2024-07-08,CM,{src},STK,11,INE000A01011,{symbol},{series},,,,,{symbol} LTD,{prices},100,99,,100,"
        f",,{volume},1000.0,10,F1,1,,,,,"
    )


def udiff_fo(kind: str, symbol: str, strike: str, right: str, prices: str, lots: int, lot: int) -> str:
    return (
        f"2026-01-05,2026-01-05,FO,NSE,{kind},1,,{symbol},,2026-01-27,2026-01-27,{strike},{right},X,{prices},"
        f"99,25000,100,6500,0,{lots},1000.0,10,F1,{lot},,,,,"
    )


def test_old_cash_file_in_its_zip(load: Load, store: BarStore, write: Write) -> None:
    text = f"{OLD_CASH}\nALPHA,EQ,100.5,110,99.05,105,104,100,123456,1.0,05-JUL-2024,10,INE000A01011,\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("cm05JUL2024bhav.csv", text)
    report = load(write("cm05JUL2024bhav.csv.zip", packed.getvalue()))
    assert bar(store, "NSE:ALPHA:1d") == (midnight(2024, 7, 5), 100.5, 110, 99.05, 105, 123456)
    assert report.files[0].format == "NSE cash bhavcopy (old)"
    assert not store.describe(Series.parse("NSE:ALPHA:1d")).adjusted


def test_full_cash_file_has_blanks_after_commas_and_dashes(load: Load, store: BarStore, write: Write) -> None:
    load(
        write(
            "sec_bhavdata_full_06072026.csv",
            f"{FULL_CASH}\nALPHA, EQ, 06-Jul-2026, 100, 101, 103, 99, 102, 102.5, 101, 5000, 5.1, 7, 400, 8.0\n"
            "BETA, BE, 06-Jul-2026, 10.00, 10.10, 10.50, 9.90, 10.20, 10.25, 10.15, 60, 0.51, 12,  -,  -\n"
            "7GS2031, GS, 06-Jul-2026, 100, 101, 101, 101, 101, 101, 101, 5, 1, 1, 5, 100\n",
        )
    )
    assert bar(store, "NSE:ALPHA:1d")[1:] == (101, 103, 99, 102.5, 5000)
    assert bar(store, "NSE:BETA:1d")[1:] == (10.1, 10.5, 9.9, 10.25, 60)
    assert len(store.series()) == 2


def test_series_are_chosen_and_named(load: Load, store: BarStore, write: Write) -> None:
    rows = [udiff_cash("ALPHA", each, "100,105,99,104", 10) for each in ("EQ", "SM", "GB")]
    path = write("udiff.csv", "\n".join([UDIFF, *rows, ""]))
    report = load(path, series=("EQ", "SM"))
    assert {str(entry.series) for entry in store.series()} == {"NSE:ALPHA:1d", "NSE:ALPHA-SM:1d"}
    assert report.files[0].left_out == {"are of series GB": 1}
    load(path, series=("ALL",))
    assert len(store.series()) == 3


def test_a_share_in_two_series_on_one_day_is_its_eq_row(load: Load, store: BarStore, write: Write) -> None:
    rows = [udiff_cash("ALPHA", "BE", "90,95,89,94", 1), udiff_cash("ALPHA", "EQ", "100,105,99,104", 10)]
    load(write("udiff.csv", "\n".join([UDIFF, *rows])))
    assert bar(store, "NSE:ALPHA:1d")[1:] == (100, 105, 99, 104, 10)


def test_old_and_udiff_files_make_one_series(load: Load, store: BarStore, write: Write) -> None:
    old = write("old.csv", f"{OLD_CASH}\nALPHA,EQ,90,95,89,94,94,90,7,1.0,05-JUL-2024,10,INE000A01011,\n")
    new = write("new.csv", f"{UDIFF}\n{udiff_cash('ALPHA', 'EQ', '100,105,99,104', 10)}\n")
    load(new, old)
    assert store.read(Series.parse("NSE:ALPHA:1d")).close.tolist() == [94, 104]


def test_bse_cash_is_of_bse(load: Load, store: BarStore, write: Write) -> None:
    load(write("bse.csv", f"{UDIFF}\n{udiff_cash('ALPHA', 'A', '100,105,99,104', 10, src='BSE')}\n"))
    assert bar(store, "BSE:ALPHA:1d")[4] == 104
    with pytest.raises(BadInputError, match="of BSE and not of NSE"):
        load(write("bse.csv", f"{UDIFF}\n{udiff_cash('B', 'A', '1,2,1,2', 1, src='BSE')}\n"), exchange="NSE")


def test_contracts_of_a_udiff_file_count_units(load: Load, store: BarStore, write: Write) -> None:
    rows = [
        udiff_fo("IDF", "NIFTY", "", "", "25000,25100,24900,25050,25040", 100, 65),
        udiff_fo("IDO", "NIFTY", "25000.00", "CE", "100,130,90,120,119", 7, 65),
        udiff_fo("STO", "ALPHA", "82.50", "PE", "1,1,1,1,1", 2, 500),
        udiff_fo("IDO", "NIFTY", "30000.00", "CE", "0,0,0,3.5,0", 0, 65),
    ]
    report = load(write("fo.csv", "\n".join([UDIFF, *rows])))
    assert bar(store, "NSE:NIFTY:2026-01-27:FUT:1d")[1:] == (25000, 25100, 24900, 25050, 6500)
    assert bar(store, "NSE:NIFTY:2026-01-27:25000:CE:1d")[5] == 7 * 65
    assert bar(store, "NSE:ALPHA:2026-01-27:82.5:PE:1d")[5] == 1000
    assert report.files[0].left_out == {"had no trade on the day": 1}
    assert len(store.series()) == 3


def test_a_computed_close_gives_way_to_the_last_price(load: Load, store: BarStore, write: Write) -> None:
    row = udiff_fo("STF", "ALPHA", "", "", "1060,1065,1055,1036.6,1060", 3, 100)
    report = load(write("fo.csv", f"{UDIFF}\n{row}\n"))
    assert bar(store, "NSE:ALPHA:2026-01-27:FUT:1d")[4] == 1060
    assert list(report.files[0].changed.values()) == [1]


def test_other_udiff_segments_are_refused(load: Load, write: Write) -> None:
    row = udiff_fo("CUF", "USDINR", "", "", "90,91,89,90,90", 3, 1000).replace(",FO,", ",CD,")
    with pytest.raises(BadInputError, match="segment CD"):
        load(write("cd.csv", f"{UDIFF}\n{row}\n"))


def old_fo(
    kind: str,
    symbol: str,
    strike: float,
    right: str,
    low: float,
    high: float,
    contracts: int,
    lot: int,
    interest: int,
) -> str:
    """A row whose turnover is that of trades in the middle of the day's range."""
    notional = contracts * lot * ((strike if kind.startswith("OPT") else 0) + (low + high) / 2) / 1e5
    return (
        f"{kind},{symbol},30-Jan-2020,{strike:g},{right},{low},{high},{low},{high},{high},{contracts},{notional:.2f},"
        f"{interest},0,02-JAN-2020,"
    )


def test_old_contracts_prove_their_lot(load: Load, store: BarStore, write: Write) -> None:
    rows = [
        old_fo("FUTIDX", "NIFTY", 0, "XX", 12000, 12100, 1000, 75, 75 * 900),
        old_fo("OPTIDX", "NIFTY", 12000, "CE", 90, 110, 40, 75, 75 * 13),
        old_fo("OPTSTK", "ALPHA", 82.5, "PA", 1.0, 1.2, 3, 4000, 4000 * 7),
    ]
    load(write("fo02JAN2020bhav.csv", "\n".join([OLD_FO, *rows])))
    assert bar(store, "NSE:NIFTY:2020-01-30:FUT:1d")[5] == 75_000
    assert bar(store, "NSE:NIFTY:2020-01-30:12000:CE:1d")[5] == 3_000
    assert bar(store, "NSE:ALPHA:2020-01-30:82.5:PE:1d")[5] == 12_000


def test_a_lot_that_is_not_proven_is_asked_for(load: Load, store: BarStore, write: Write) -> None:
    path = write("fo.csv", f"{OLD_FO}\n{old_fo('FUTSTK', 'ALPHA', 0, 'XX', 50, 100, 10, 100, 0)}\n")
    with pytest.raises(BadInputError, match="--lot-size ALPHA=UNITS") as caught:
        load(path)
    assert caught.value.line == 2
    assert caught.value.column == "CONTRACTS"
    load(path, lot_sizes={"ALPHA": 100})
    assert bar(store, "NSE:ALPHA:2020-01-30:FUT:1d")[5] == 1000


def test_only_takes_underlyings(load: Load, store: BarStore, write: Write) -> None:
    rows = [
        udiff_fo("IDF", "NIFTY", "", "", "25000,25100,24900,25050,25040", 100, 65),
        udiff_fo("STF", "ALPHA", "", "", "rubbish,2,1,1,1", 3, 100),
    ]
    report = load(write("fo.csv", "\n".join([UDIFF, *rows])), only=("NIFTY",))
    assert [each.series.symbol for each in report.series] == ["NIFTY:2026-01-27:FUT"]


def test_index_file(load: Load, store: BarStore, write: Write) -> None:
    head = (
        "Index Name,Index Date,Open Index Value,High Index Value,Low Index Value,Closing Index Value,Points Change,"
        "Change(%),Volume,Turnover (Rs. Cr.),P/E,P/B,Div Yield"
    )
    load(
        write(
            "ind_close_all_06072026.csv",
            f"{head}\nNifty 50,06-07-2026,25000.1,25100.2,24900.3,25050.4,1,0.1,300000,25000,22,3,1\n"
            "Nifty GS 10Yr,06-07-2026,-,-,-,2500.5,1,0.1,-,-,-,-,-\n",
        )
    )
    assert bar(store, "NSE:NIFTY 50:1d") == (midnight(2026, 7, 6), 25000.1, 25100.2, 24900.3, 25050.4, 300000)
    assert len(store.series()) == 1


def test_a_bad_row_of_a_bhavcopy_names_its_column(load: Load, store: BarStore, write: Write) -> None:
    good, bad = udiff_cash("ALPHA", "EQ", "100,105,99,104", 10), udiff_cash("BETA", "EQ", "100,98,99,104", 10)
    with pytest.raises(BadInputError) as caught:
        load(write("udiff.csv", f"{UDIFF}\n{good}\n\n{bad}\n"))
    assert (caught.value.line, caught.value.column) == (4, "HghPric")
    assert store.series() == ()
