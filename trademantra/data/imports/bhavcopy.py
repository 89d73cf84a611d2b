"""NSE's end-of-day files, old and UDiFF, cash and F&O, and its index file, known by their columns.

UDiFF files replace the old ones from 2024-07-08 (specs/india-markets.md, "EOD files"; NSE circular 62424); columns as
in the archives at https://nsearchives.nseindia.com.  In F&O files traded volume counts contracts while open
interest counts units (checked: turnover / (contracts × lot) is strike plus premium); bars hold units, so contracts
are multiplied by the lot.
"""

from collections.abc import Callable, Mapping
from functools import partial

import polars as pl

from trademantra.core.bar import Timeframe
from trademantra.core.errors import BadInputError
from trademantra.core.time import IST
from trademantra.data.imports.lots import proven_lots
from trademantra.data.imports.model import (
    LINE,
    LOT,
    PRICES,
    STAMP,
    SYMBOL,
    VOLUME,
    ImportOptions,
    Layout,
    Prepared,
)
from trademantra.data.imports.rows import numbers
from trademantra.data.imports.stamps import StampFormat, StampKind
from trademantra.data.imports.tables import Table

_DAY = Timeframe(1, "d")
_NAMED_DATES = StampFormat(StampKind.DATE, ("%d-%B-%Y", "%d-%B-%y", "%Y-%m-%d"), "dd-mon-yyyy")
_ISO_DATES = StampFormat(StampKind.DATE, ("%Y-%m-%d", "%d-%B-%Y"), "yyyy-mm-dd")
_INDEX_DATES = StampFormat(StampKind.DATE, ("%d-%m-%Y", "%d-%B-%Y"), "dd-mm-yyyy")
# One share moves between these; its history is one series.  Other series are instruments of their own.
_ONE_SHARE = ("EQ", "BE", "BZ")
_NO_TRADE = "had no trade on the day"
_CALLS, _PUTS = ("CE", "CA"), ("PE", "PA")  # CA and PA: American options, until 2010


def recognised(table: Table, options: ImportOptions) -> Layout | None:
    """The layout of a table that is one of NSE's end-of-day files; None for any other.

    Errors: `BadInputError` for a UDiFF file of a segment that is not read.
    """
    if not table.has_header:
        return None
    theirs = {name.upper(): name for name in table.columns}
    for needed, build in _KNOWN:
        if needed <= theirs.keys():
            return build(table, theirs, options)
    return None


def _old_cash(_: Table, theirs: Mapping[str, str], options: ImportOptions) -> Layout:
    columns = {
        STAMP: "TIMESTAMP", "open": "OPEN", "high": "HIGH", "low": "LOW", "close": "CLOSE", VOLUME: "TOTTRDQTY",
        SYMBOL: "SYMBOL",
    }  # fmt: skip
    return _cash("NSE cash bhavcopy (old)", columns, "SERIES", _NAMED_DATES, theirs, options)


def _full_cash(_: Table, theirs: Mapping[str, str], options: ImportOptions) -> Layout:
    columns = {
        STAMP: "DATE1", "open": "OPEN_PRICE", "high": "HIGH_PRICE", "low": "LOW_PRICE", "close": "CLOSE_PRICE",
        VOLUME: "TTL_TRD_QNTY", SYMBOL: "SYMBOL",
    }  # fmt: skip
    return _cash("NSE cash bhavcopy (with delivery)", columns, "SERIES", _NAMED_DATES, theirs, options)


_UDIFF = {
    STAMP: "TRADDT", "open": "OPNPRIC", "high": "HGHPRIC", "low": "LWPRIC", "close": "CLSPRIC", VOLUME: "TTLTRADGVOL",
    SYMBOL: "TCKRSYMB",
}  # fmt: skip


def _udiff(table: Table, theirs: Mapping[str, str], options: ImportOptions) -> Layout:
    def first(column: str) -> str:
        values = table.sample[theirs[column]] if column in theirs else pl.Series([""])
        return str(values[0]).strip().upper() if len(values) else ""

    exchange, segment = first("SRC") or "NSE", first("SGMT") or "CM"
    if segment == "CM" and exchange in ("NSE", "BSE"):
        return _cash(
            f"{exchange} cash bhavcopy (UDiFF)", _UDIFF, "SCTYSRS", _ISO_DATES, theirs, options, exchange
        )
    lacking = {"FININSTRMTP", "XPRYDT", "STRKPRIC", "OPTNTP", "NEWBRDLOTQTY", "LASTPRIC"} - theirs.keys()
    if (exchange, segment) != ("NSE", "FO") or lacking:
        raise BadInputError(
            table.source.name,
            f"a UDiFF file of {exchange} segment {segment}"
            + (f" without columns {', '.join(sorted(lacking))}" if lacking and segment == "FO" else "")
            + " is not read",
            hint="NSE and BSE cash (CM) and NSE F&O (FO) are; others can be mapped by hand in a file of your own",
        )
    extra = ("FININSTRMTP", "XPRYDT", "STRKPRIC", "OPTNTP", "NEWBRDLOTQTY", "LASTPRIC")
    names = {name: theirs[name] for name in (*_UDIFF.values(), *extra)}
    return _layout(
        "NSE F&O bhavcopy (UDiFF)", _UDIFF, theirs, _ISO_DATES, extra, partial(_udiff_contracts, names=names)
    )


def _old_derivatives(_: Table, theirs: Mapping[str, str], options: ImportOptions) -> Layout:
    columns = {
        STAMP: "TIMESTAMP", "open": "OPEN", "high": "HIGH", "low": "LOW", "close": "CLOSE", VOLUME: "CONTRACTS",
        SYMBOL: "SYMBOL",
    }  # fmt: skip
    right = "OPTION_TYP" if "OPTION_TYP" in theirs else "OPTIONTYPE"
    extra = ("INSTRUMENT", "EXPIRY_DT", "STRIKE_PR", right, "VAL_INLAKH", "OPEN_INT", "CHG_IN_OI")
    names = {name: theirs[name] for name in (*columns.values(), *extra)}
    names["RIGHT"] = names.pop(right)
    prepare = partial(_old_contracts, names=names, lot_sizes=options.lot_sizes)
    return _layout("NSE F&O bhavcopy (old)", columns, theirs, _NAMED_DATES, extra, prepare)


def _index_file(_: Table, theirs: Mapping[str, str], options: ImportOptions) -> Layout:
    columns = {
        STAMP: "INDEX DATE", "open": "OPEN INDEX VALUE", "high": "HIGH INDEX VALUE", "low": "LOW INDEX VALUE",
        "close": "CLOSING INDEX VALUE", VOLUME: "VOLUME", SYMBOL: "INDEX NAME",
    }  # fmt: skip
    ours = {field: theirs[name] for field, name in columns.items()}
    return _layout("NSE index closing file", columns, theirs, _INDEX_DATES, (), partial(_indices, names=ours))


_KNOWN: tuple[tuple[frozenset[str], Callable[[Table, Mapping[str, str], ImportOptions], Layout]], ...] = (
    (frozenset({"TRADDT", "TCKRSYMB", "OPNPRIC", "HGHPRIC", "LWPRIC", "CLSPRIC", "TTLTRADGVOL"}), _udiff),
    (frozenset({"SYMBOL", "SERIES", "DATE1", "OPEN_PRICE", "CLOSE_PRICE", "TTL_TRD_QNTY"}), _full_cash),
    (frozenset({"SYMBOL", "SERIES", "OPEN", "CLOSE", "PREVCLOSE", "TOTTRDQTY", "TIMESTAMP"}), _old_cash),
    (
        frozenset({"INSTRUMENT", "SYMBOL", "EXPIRY_DT", "STRIKE_PR", "CONTRACTS", "VAL_INLAKH", "OPEN_INT", "CHG_IN_OI",
                   "TIMESTAMP"}),
        _old_derivatives,
    ),
    (frozenset({"INDEX NAME", "INDEX DATE", "OPEN INDEX VALUE", "CLOSING INDEX VALUE", "VOLUME"}), _index_file),
)  # fmt: skip


def _layout(
    name: str,
    columns: Mapping[str, str],
    theirs: Mapping[str, str],
    stamps: StampFormat,
    extra: tuple[str, ...],
    prepare: Callable[[pl.DataFrame], Prepared],
    exchange: str = "NSE",
) -> Layout:
    found = {field: (theirs[column],) for field, column in columns.items()}
    return Layout(
        format=name,
        source=name,
        columns=found,
        stamps=stamps,
        exchange=exchange,
        timeframe=_DAY,
        zone=IST,
        reads=tuple(
            dict.fromkeys([*(column for (column,) in found.values()), *(theirs[each] for each in extra)])
        ),
        prepare=prepare,
    )


def _cash(
    name: str,
    columns: Mapping[str, str],
    series_column: str,
    stamps: StampFormat,
    theirs: Mapping[str, str],
    options: ImportOptions,
    exchange: str = "NSE",
) -> Layout:
    names = {field: theirs[column] for field, column in columns.items()}
    extra = tuple(column for column in (series_column, "SRC") if column in theirs)
    series = options.series if exchange == "NSE" else ()
    prepare = partial(
        _shares,
        names=names,
        series_column=theirs.get(series_column),
        source_column=theirs.get("SRC"),
        exchange=exchange,
        wanted=series,
    )
    return _layout(name, columns, theirs, stamps, extra, prepare, exchange)


def _shares(
    frame: pl.DataFrame,
    *,
    names: Mapping[str, str],
    series_column: str | None,
    source_column: str | None,
    exchange: str,
    wanted: tuple[str, ...],
) -> Prepared:
    """Cash rows: the wanted series under the share's symbol, each other series under a symbol of its own."""
    left_out: dict[str, int] = {}
    rejects: list[tuple[int, str, str]] = []
    if source_column is not None:
        foreign = frame.filter(pl.col(source_column).str.to_uppercase() != exchange)
        rejects = [(line, source_column, f"not of {exchange} like the first row") for line in foreign[LINE]]
        frame = frame.filter(pl.col(source_column).str.to_uppercase() == exchange)
    plain = pl.DataFrame([frame[LINE], *(frame[theirs].alias(ours) for ours, theirs in names.items())])
    if series_column is not None and wanted:
        series = frame[series_column].str.to_uppercase()
        keep = pl.Series([True]).new_from_index(0, len(series)) if "ALL" in wanted else series.is_in(wanted)
        others = series.filter(~keep).value_counts(sort=True)
        for other, count in others.iter_rows():
            left_out[f"are of series {other or '(none)'}"] = count
        own = pl.when(series.is_in(_ONE_SHARE)).then(pl.lit("")).otherwise(pl.lit("-") + series)
        rank = series.replace_strict(
            {name: i for i, name in enumerate(_ONE_SHARE)}, default=0, return_dtype=pl.Int8
        )
        plain = plain.with_columns(pl.col(SYMBOL) + own, rank.alias("rank"))
        plain = plain.filter(keep)
        best = plain.filter(pl.col("rank") == pl.col("rank").min().over(SYMBOL, STAMP))
        if doubled := plain.height - best.height:
            left_out["are of a second series of a share on its day"] = doubled
        plain = best.drop("rank")
    return _without_untraded(plain, left_out, tuple(rejects))


def _udiff_contracts(frame: pl.DataFrame, *, names: Mapping[str, str]) -> Prepared:
    """F&O rows of a UDiFF file.  A close that nobody traded at is replaced by the last traded price.

    NSE computes the close of a contract without trades in the last half hour (specs: seen on 18 of 266,111 traded
    rows of 2026-01 and 02, all stock futures), and it can lie outside the day's low and high.
    """
    option = frame[names["FININSTRMTP"]].str.to_uppercase().str.ends_with("O")
    symbol = _contract_symbols(
        frame[names["TCKRSYMB"]],
        frame[names["XPRYDT"]],
        frame[names["STRKPRIC"]],
        frame[names["OPTNTP"]],
        option,
    )
    plain = pl.DataFrame(
        [frame[LINE], *(frame[names[theirs]].alias(ours) for ours, theirs in _UDIFF.items())]
    ).with_columns(symbol.alias(SYMBOL), numbers(frame[names["NEWBRDLOTQTY"]]).alias(LOT))
    low, high, close, last = (
        numbers(frame[names[name]]) for name in ("LWPRIC", "HGHPRIC", "CLSPRIC", "LASTPRIC")
    )
    computed = ((close < low) | (close > high)) & (last >= low) & (last <= high) & (low > 0)
    computed = computed.fill_null(value=False)
    plain = plain.with_columns(
        plain["close"].zip_with(~computed, frame[names["LASTPRIC"]]).alias("close"),
    )
    changed = {
        "had a computed close outside low and high: the last traded price was taken": int(computed.sum())
    }
    prepared = _without_untraded(plain, {}, ())
    kept = prepared.frame
    unknown = kept.filter(~(pl.col(LOT) > 0).fill_null(value=False))
    rejects = tuple(
        (line, names["NEWBRDLOTQTY"], "there is no lot size to turn contracts into units")
        for line in unknown[LINE]
    )
    kept = kept.filter((pl.col(LOT) > 0).fill_null(value=False))
    return Prepared(kept, prepared.left_out, {what: n for what, n in changed.items() if n}, rejects)


def _old_contracts(
    frame: pl.DataFrame, *, names: Mapping[str, str], lot_sizes: Mapping[str, int]
) -> Prepared:
    """F&O rows of an old file; lots as stated, or as the file proves them."""
    option = frame[names["INSTRUMENT"]].str.to_uppercase().str.starts_with("OPT")
    underlying = frame[names["SYMBOL"]].str.to_uppercase()
    expiry = _iso_dates(frame[names["EXPIRY_DT"]])
    symbol = _contract_symbols(underlying, expiry, frame[names["STRIKE_PR"]], frame[names["RIGHT"]], option)
    strike = numbers(frame[names["STRIKE_PR"]])
    found = proven_lots(
        pl.DataFrame(
            {
                "underlying": underlying,
                "expiry": expiry,
                "day": frame[names["TIMESTAMP"]],
                "strike": strike.zip_with(option, pl.Series([0.0])),
                "high": numbers(frame[names["HIGH"]]),
                "low": numbers(frame[names["LOW"]]),
                "contracts": numbers(frame[names["CONTRACTS"]]),
                "turnover": numbers(frame[names["VAL_INLAKH"]]),
                "open_interest": numbers(frame[names["OPEN_INT"]]),
                "change": numbers(frame[names["CHG_IN_OI"]]),
            }
        ),
        lot_sizes,
    )
    fields = {STAMP: "TIMESTAMP", VOLUME: "CONTRACTS", **{name: name.upper() for name in PRICES}}
    plain = pl.DataFrame(
        [
            frame[LINE],
            *(frame[names[theirs]].alias(ours) for ours, theirs in fields.items()),
            symbol.alias(SYMBOL),
            found.lots.alias(LOT),
            underlying.alias("underlying"),
        ]
    )
    prepared = _without_untraded(plain, {}, ())
    kept = prepared.frame
    rejects = tuple(
        (
            line,
            names["CONTRACTS"],
            (
                f"the lot size of {name} is not proven by the file ({found.unknown.get(name, 'there is no trade')}): "
                f"state it with --lot-size {name}=UNITS"
            ),
        )
        for line, name in kept.filter(pl.col(LOT).is_null()).select(LINE, "underlying").iter_rows()
    )
    kept = kept.filter(pl.col(LOT).is_not_null()).drop("underlying")
    return Prepared(kept, prepared.left_out, {}, rejects)


def _indices(frame: pl.DataFrame, *, names: Mapping[str, str]) -> Prepared:
    plain = pl.DataFrame([frame[LINE], *(frame[theirs].alias(ours) for ours, theirs in names.items())])
    dashes = plain["open"].is_in(("-", ""))
    left_out = {"have no open, high and low": int(dashes.sum())} if dashes.any() else {}
    return Prepared(plain.filter(~dashes), left_out)


def _without_untraded(
    plain: pl.DataFrame, left_out: dict[str, int], rejects: tuple[tuple[int, str, str], ...]
) -> Prepared:
    """Leave out rows that carry only a closing price: nothing traded, no open, high and low."""
    nothing = [numbers(plain[name]).fill_null(-1.0) == 0.0 for name in ("open", "high", "low", VOLUME)]
    untraded = nothing[0] & nothing[1] & nothing[2] & nothing[3]
    if untraded.any():
        left_out[_NO_TRADE] = int(untraded.sum())
    return Prepared(plain.filter(~untraded), left_out, {}, rejects)


def _contract_symbols(
    underlying: pl.Series, expiry: pl.Series, strike: pl.Series, right: pl.Series, option: pl.Series
) -> pl.Series:
    """The symbol of `Instrument.key`: `NIFTY:2026-11-24:FUT`, `NIFTY:2026-11-24:24500:CE`; empty where it is unknown."""
    plain_strike = strike.str.replace(r"(\.\d*?)0+$", "$1").str.replace(r"\.$", "")
    letters = right.str.to_uppercase()
    side = pl.when(letters.is_in(_CALLS)).then(pl.lit("CE")).when(letters.is_in(_PUTS)).then(pl.lit("PE"))
    stem = underlying.str.to_uppercase() + ":" + _iso_dates(expiry)
    contract = pl.when(option).then(stem + ":" + plain_strike + ":" + side).otherwise(stem + ":FUT")
    return pl.select(contract.fill_null("")).to_series()


def _iso_dates(text: pl.Series) -> pl.Series:
    """Dates as YYYY-MM-DD, null where they are none."""
    day = text.str.strptime(pl.Date, "%Y-%m-%d", strict=False)
    for form in ("%d-%B-%y", "%d-%B-%Y"):
        day = day.zip_with(day.is_not_null(), text.str.strptime(pl.Date, form, strict=False))
    return day.dt.strftime("%Y-%m-%d")
