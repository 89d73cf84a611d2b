"""Each broker's file format: rows written by hand in the published layouts, numbers checked by hand."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.data.instruments.dumps import kite_file
from trademantra.core.errors import AmbiguousInstrumentError, BadInputError, NotFoundError
from trademantra.core.instrument import (
    Exchange,
    Instrument,
    InstrumentKind,
    OptionRight,
    QuantityUnit,
    Segment,
)
from trademantra.data.instruments.index import InstrumentIndex
from trademantra.data.instruments.master import import_files

AS_OF = date(2026, 8, 18)
DHAN_COMPACT = """\
SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,SEM_TRADING_SYMBOL,SEM_LOT_UNITS,\
SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,\
SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME
NSE,I,13,INDEX,0,NIFTY,1.0,Nifty 50,0001-01-01,,XX,0.0500,,INDEX,X,NIFTY
NSE,E,3045,EQUITY,0,SBIN,1.0,State Bank,,,,10.0000,NA,ES,EQ,STATE BANK OF INDIA
NSE,D,40809,OPTIDX,0,NIFTY-Nov2026-24500-CE,65.0,NIFTY 17 NOV 24500 CALL,2026-11-17 14:30:00,24500.00000,CE,5.0000,W,OP,NA,NIFTY
NSE,D,40810,OPTIDX,0,NIFTY-Nov2026-24500-CE,65.0,NIFTY 23 NOV 24500 CALL,2026-11-23 14:30:00,24500.00000,CE,5.0000,M,OP,NA,NIFTY
NSE,D,68407,FUTSTK,0,BAJAJ-AUTO-Sep2026-FUT,75.0,BAJAJ-AUTO SEP FUT,2026-09-29 14:30:00,-0.01000,XX,10.0000,M,FUT,NA,
MCX,M,565899,FUTCOM,0,CRUDEOIL-19Oct2026-FUT,1.0,CRUDEOIL OCT FUT,2026-10-19 23:30:00,0.00000,XX,100.0000,M,FUTCOM,2,CRUDEOIL
"""


def imported(tmp_path: Path, file: Path, broker: str, as_of: date = AS_OF) -> InstrumentIndex:
    import_files(tmp_path / "m.sqlite3", [file], broker=broker, as_of=as_of)
    return InstrumentIndex(tmp_path / "m.sqlite3")


def angel_file(tmp_path: Path, *rows: dict[str, str]) -> Path:
    common = {
        "expiry": "",
        "strike": "-1.000000",
        "lotsize": "1",
        "instrumenttype": "",
        "tick_size": "5.000000",
    }
    file = tmp_path / "angel.json"
    file.write_text(json.dumps([common | row for row in rows]))
    return file


def test_kite_contracts_shares_indices_and_commodities(tmp_path: Path) -> None:
    file = kite_file(
        tmp_path,
        [
            '256265,1001,NIFTY 50,"NIFTY 50",0,,0,0,0,EQ,INDICES,NSE',
            '738561,2885,RELIANCE,"RELIANCE INDUSTRIES",0,,0,0.1,1,EQ,NSE,NSE',
            '61441,240,AAKASH-BE,"AAKASH EXPLORATION",0,,0,0.01,1,EQ,NSE,NSE',
            '193980417,757736,700AP37-SG,"SDL AP 7.00% 2037",0,,0,0.01,100,EQ,NSE,NSE',
            '1,0,GRRAILINAV,"GROWWAMC - GRRAILINAV",0,,0,0.01,1,EQ,NSE,NSE',
            '12468226,48704,NIFTY26OCTFUT,"NIFTY",0,2026-10-27,0,0.1,65,FUT,NFO-FUT,NFO',
            '12468482,48705,NIFTY26N1724500CE,"NIFTY",0,2026-11-17,24500,0.05,65,CE,NFO-OPT,NFO',
            '55572743,217081,CRUDEOIL26OCTFUT,"CRUDEOIL",0,2026-10-19,0,1,1,FUT,MCX-FUT,MCX',
            '500,2,USDINR26OCTFUT,"USDINR",0,2026-10-28,0,0.0025,1,FUT,CDS-FUT,CDS',
            '900,3,HANG SENG,"HANG SENG",0,,0,0,0,EQ,INDICES,GLOBAL',
        ],
    )
    index = imported(tmp_path, file, "kite")
    assert index.by_token("kite", 12468482) == Instrument(
        exchange=Exchange.NSE,
        segment=Segment.EQUITY_OPTIONS,
        kind=InstrumentKind.OPTION,
        symbol="NIFTY17NOV2624500CE",
        underlying="NIFTY",
        expiry=date(2026, 11, 17),
        strike=Decimal(24500),
        right=OptionRight.CALL,
        lot_size=Decimal(65),
        tick_size=Decimal("0.05"),
    )
    nifty = index.by_symbol("NIFTY 50", broker="kite")
    assert (nifty.symbol, nifty.kind, nifty.segment) == ("NIFTY", InstrumentKind.INDEX, Segment.INDEX)
    reliance = index.by_symbol("RELIANCE")
    assert (reliance.series, reliance.kind, reliance.has_derivatives) == ("EQ", InstrumentKind.SHARE, False)
    aakash = index.by_symbol("AAKASH-BE", broker="kite")
    assert (aakash.symbol, aakash.series) == ("AAKASH", "BE")
    assert index.by_symbol("700AP37-SG").kind is InstrumentKind.BOND
    assert index.by_symbol("GRRAILINAV").kind is InstrumentKind.INDEX
    crude = index.by_token("kite", "55572743")
    assert (crude.segment, crude.quantity_unit) == (Segment.COMMODITY_FUTURES, QuantityUnit.LOTS)
    assert index.by_symbol("USDINR26OCTFUT").tick_size == Decimal("0.0025")


def test_angel_strikes_and_ticks_are_paise(tmp_path: Path) -> None:
    file = angel_file(
        tmp_path,
        {
            "token": "99926000",
            "symbol": "Nifty 50",
            "name": "NIFTY",
            "instrumenttype": "AMXIDX",
            "exch_seg": "NSE",
        },
        {"token": "26000", "symbol": "NIFTY", "name": "NIFTY", "exch_seg": "NSE"},
        {"token": "3045", "symbol": "SBIN-EQ", "name": "SBIN", "exch_seg": "NSE", "tick_size": "10.000000"},
        {
            "token": "3045",
            "symbol": "USDINR25AUG2683.75CE",
            "name": "USDINR",
            "exch_seg": "CDS",
            "instrumenttype": "OPTCUR",
            "expiry": "25AUG2026",
            "strike": "8375.000000",
            "lotsize": "1000",
            "tick_size": "0.250000",
        },
    )
    index = imported(tmp_path, file, "angelone")
    with pytest.raises(AmbiguousInstrumentError, match="venues CDS, NSE"):
        index.by_token("angelone", "3045")
    call = index.by_token("angelone", "3045", venue="CDS")
    assert (call.strike, call.tick_size, call.lot_size) == (
        Decimal("83.75"),
        Decimal("0.0025"),
        Decimal(1000),
    )
    sbin = index.by_symbol("SBIN-EQ", broker="angelone")
    assert (sbin.symbol, sbin.series, sbin.tick_size) == ("SBIN", "EQ", Decimal("0.1"))
    assert index.by_token("angelone", "99926000").key == "NSE:NIFTY"


def test_dhan_compact_and_detailed_say_the_same(tmp_path: Path) -> None:
    compact = tmp_path / "compact.csv"
    compact.write_text(DHAN_COMPACT)
    index = imported(tmp_path, compact, "dhan")
    weekly, monthly = index.by_token("dhan", 40809), index.by_token("dhan", 40810)
    assert (weekly.expiry, monthly.expiry) == (date(2026, 11, 17), date(2026, 11, 23))
    assert (weekly.tick_size, weekly.lot_size) == (Decimal("0.05"), Decimal(65))
    assert index.by_symbol("NIFTY 23 NOV 24500 CALL", broker="dhan") == monthly
    with pytest.raises(AmbiguousInstrumentError, match="2026-11-17, 2026-11-23"):
        index.by_symbol("NIFTY-Nov2026-24500-CE", broker="dhan")
    assert index.by_token("dhan", 68407).underlying == "BAJAJ-AUTO"
    crude = index.by_token("dhan", 565899)
    assert (crude.tick_size, crude.quantity_unit) == (Decimal(1), QuantityUnit.LOTS)

    detailed = tmp_path / "detailed.csv"
    detailed.write_text(
        "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
        "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG,SM_FREEZE_QTY\n"
        "NSE,D,40809,NA,OPTIDX,26000,NIFTY,NIFTY-Nov2026-24500-CE,NIFTY 17 NOV 24500 CALL,OP,NA,65.0,2026-11-17,"
        "24500.00000,CE,5.0000,W,1800\n"
        'NSE,E,3045,INE062A01020,EQUITY,,SBIN,"STATE BANK OF INDIA, LTD",State Bank,ES,EQ,1.0,,,,10.0000,NA,0\n'
    )
    (tmp_path / "m.sqlite3").unlink()
    index = imported(tmp_path, detailed, "dhan")
    again = index.by_token("dhan", 40809)
    assert again.freeze_quantity == 1800
    assert (again.key, again.lot_size, again.tick_size) == (weekly.key, weekly.lot_size, weekly.tick_size)
    (sbin,) = index.by_isin("INE062A01020")
    assert (sbin.symbol, sbin.series, sbin.freeze_quantity) == ("SBIN", "EQ", None)


def test_upstox_json_counts_ticks_in_paise_and_expiries_in_milliseconds(tmp_path: Path) -> None:
    rows = [
        {
            "segment": "NSE_EQ",
            "name": "RELIANCE INDUSTRIES LTD",
            "exchange": "NSE",
            "isin": "INE002A01018",
            "instrument_type": "EQ",
            "instrument_key": "NSE_EQ|INE002A01018",
            "lot_size": 1,
            "freeze_quantity": 100000.0,
            "exchange_token": "2885",
            "tick_size": 10.0,
            "trading_symbol": "RELIANCE",
        },
        {
            "segment": "NSE_FO",
            "name": "NIFTY",
            "expiry": 1794940199000,  # 2026-11-17 23:59:59 in India, still the 17th in London
            "instrument_type": "CE",
            "underlying_symbol": "NIFTY",
            "instrument_key": "NSE_FO|40809",
            "lot_size": 65,
            "freeze_quantity": 1800,
            "exchange_token": "40809",
            "tick_size": 5.0,
            "trading_symbol": "NIFTY 24500 CE 17 NOV 26",
            "strike_price": 24500.0,
        },
        {
            "segment": "MCX_FO",
            "name": "CRUDE OIL",
            "expiry": 1792434599000,
            "instrument_type": "FUT",
            "underlying_symbol": "CRUDEOIL",
            "instrument_key": "MCX_FO|1",
            "lot_size": 10,
            "exchange_token": "1",
            "tick_size": 100.0,
            "trading_symbol": "CRUDEOILM FUT 19 OCT 26",
        },
    ]
    file = tmp_path / "complete.json.gz"
    file.write_bytes(gzip.compress(json.dumps(rows).encode(), mtime=0))
    index = imported(tmp_path, file, "upstox")
    call = index.by_token("upstox", "NSE_FO|40809")
    assert (call.key, call.tick_size) == ("NSE:NIFTY:2026-11-17:24500:CE", Decimal("0.05"))
    assert call.freeze_quantity == 1800
    (reliance,) = index.by_isin("INE002A01018")
    assert (reliance.tick_size, reliance.series, reliance.has_derivatives) == (Decimal("0.1"), "EQ", False)
    assert index.by_token("upstox", "MCX_FO|1").key == "MCX:CRUDEOILM:2026-10-19:FUT"


UPSTOX_HEADER = (
    "instrument_key,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "option_type,exchange\n"
)


def test_upstox_csv_ticks_differ_by_market_and_symbols_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "complete.csv"
    file.write_text(
        UPSTOX_HEADER + "NSE_EQ|INE121A01024,685,CHOLAFIN,CHOLAMANDALAM,1,,,0.1,1,EQUITY,,NSE_EQ\n"
        "NSE_EQ|INE121A08PJ0,19257,CHOLAFIN,CHOLAMANDALAM,0,,,0.05,1,EQUITY,,NSE_EQ\n"
        "BSE_EQ|INF769K01JY6,1,METAL,MIRAE METAL ETF,0,,,0.01,1,EQUITY,,BSE_EQ\n"
        "BSE_INDEX|METAL,14,METAL,BSE METAL,0,,,,,INDEX,INDEX,BSE_INDEX\n"
        "NSE_FO|82317,82317,360ONE26FEB2300CE,360 ONE WAM LIMITED,1,2026-02-24,2300.0,0.05,375,OPTSTK,CE,NSE_FO\n"
        "BSE_FO|9,9,SENSEX5026409890CE,SENSEX50,1,2026-04-09,890.0,0.05,75,OPTIDX,CE,BSE_FO\n"
        "NCD_FO|4193,4193,EURINR26402106.25PE,EURINR,1,2026-04-02,106.25,0.25,1,OPTCUR,PE,NCD_FO\n"
        "MCX_FO|467386,467386,NATGASMINI26FEBFUT,NATURALGAS,1,2026-02-24,0.0,10.0,250,FUTCOM,FF,MCX_FO\n"
        "NSE_COM|1,1,GOLD,GOLD,0,,0.0,100.0,1,,COM,NSE_COM\n"
        "NSE_EQ|INE000T01011,9,011NSETEST,NSE TEST,0,,,0.01,1,EQUITY,,NSE_EQ\n"
    )
    report = import_files(tmp_path / "m.sqlite3", [file], broker="upstox", as_of=date(2026, 2, 20))
    assert dict(report.remarks) == {
        "commodities' spot rows left out": 1,
        "exchange test and dummy rows left out": 1,
    }
    index = InstrumentIndex(tmp_path / "m.sqlite3")
    assert index.by_symbol("CHOLAFIN").isin == "INE121A01024"
    assert index.by_symbol("CHOLAFIN-INE121A08PJ0").kind is InstrumentKind.BOND
    assert [one.key for one in index.by_isin("INF769K01JY6")] == ["BSE:METAL"]
    assert index.by_token("upstox", "BSE_INDEX|METAL").key == "BSE:METAL INDEX"
    assert index.by_token("upstox", "NSE_FO|82317").underlying == "360ONE"
    assert index.by_token("upstox", "BSE_FO|9").underlying == "SENSEX50"
    euro = index.by_token("upstox", "NCD_FO|4193")
    assert (euro.strike, euro.tick_size, euro.quantity_unit) == (
        Decimal("106.25"),
        Decimal("0.0025"),
        QuantityUnit.LOTS,
    )
    gas = index.by_token("upstox", "MCX_FO|467386")
    assert (gas.underlying, gas.tick_size, gas.lot_size) == ("NATGASMINI", Decimal("0.1"), Decimal(250))
    assert gas.quantity_unit is QuantityUnit.UNITS


def test_parquet_and_csv_of_one_table_give_one_master(tmp_path: Path) -> None:
    rows = ["12468482,48705,NIFTY26N1724500CE,NIFTY,0,2026-11-17,24500.5,0.05,65,CE,NFO-OPT,NFO"]
    text = kite_file(tmp_path, rows)
    table = pl.read_csv(text, try_parse_dates=True)
    table.write_parquet(tmp_path / "kite.parquet")
    assert table.schema["expiry"] == pl.Date
    ones = [
        imported(tmp_path / name, file, "kite").by_token("kite", 12468482)
        for name, file in (("a", text), ("b", tmp_path / "kite.parquet"))
    ]
    assert ones[0] == ones[1]
    assert ones[0].strike == Decimal("24500.5")


GOOD = "12468482,48705,NIFTY26N1724500CE,NIFTY,0,2026-11-17,24500,0.05,65,CE,NFO-OPT,NFO"


@pytest.mark.parametrize(
    ("bad", "column", "reason"),
    [
        (GOOD.replace(",65,", ",,"), "lot_size", "lot must be above zero"),
        (GOOD.replace(",65,", ",-65,"), "lot_size", "lot must be above zero"),
        (GOOD.replace(",0.05,", ",five,"), "tick_size", "not a number"),
        (GOOD.replace("2026-11-17", "17/11/2026"), "expiry", "YYYY-MM-DD"),
        (GOOD.replace(",24500,", ",0,"), "strike", "above zero"),
        (GOOD.replace(",CE,", ",XX,"), "instrument_type", "unknown"),
        (GOOD.replace("NFO-OPT,NFO", "NFO-OPT,MOON"), "exchange", "unknown"),
        (GOOD.replace("12468482", "abc"), "instrument_token", "whole number"),
        (GOOD.replace("NIFTY26N1724500CE", ""), "tradingsymbol", "symbol"),
        (GOOD + ",more", None, "13 fields, the header has 12"),
        (GOOD.rsplit(",", 1)[0], "exchange", "unknown"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    tmp_path: Path, bad: str, column: str | None, reason: str
) -> None:
    file = kite_file(
        tmp_path, ["12468738,48706,NIFTY26N1724600CE,NIFTY,0,2026-11-17,24600,0.05,65,CE,NFO-OPT,NFO", bad]
    )
    with pytest.raises(BadInputError, match=reason) as caught:
        imported(tmp_path, file, "kite")
    assert (caught.value.line, caught.value.column) == (3, column)
    with pytest.raises(NotFoundError):
        InstrumentIndex(tmp_path / "m.sqlite3")
    report = import_files(tmp_path / "m.sqlite3", [file], broker="kite", as_of=AS_OF, skip_bad=True)
    assert [(reject.line, reject.column or None) for reject in report.rejects] == [(3, column)]
    assert report.changes.rows == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "empty"),
        ("x.csv", b"a,b\n1,2\n", "column is missing"),
        ("x.json", b"[{", "not a readable json"),
        ("x.json", b"[]", "no instrument"),
        ("x.csv.gz", b"not gzip", "column is missing|not a readable"),
        ("x.parquet", b"PAR1", "not a readable parquet"),
        ("x.xlsx", b"", "kind is unknown"),
    ],
)
def test_rubbish_is_refused_by_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    broker = "angelone" if "json" in name else "kite"
    with pytest.raises(BadInputError, match=message) as caught:
        imported(tmp_path, file, broker)
    assert name in str(caught.value)
