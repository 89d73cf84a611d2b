"""Round trips of every grammar, the examples of specs/india-markets.md 2.6, and the traps."""

from calendar import monthrange
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trademantra.core.errors import (
    AmbiguousInstrumentError,
    InvalidValueError,
    UnknownInstrumentError,
)
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, OptionRight, Segment
from trademantra.markets.symbols.grammars import Grammar, parse, parse_security, write, write_name
from trademantra.markets.symbols.names import ContractName, SecurityName, name_of, with_expiry

TRICKY = (
    "NIFTY", "BANKNIFTY", "NIFTYNXT50", "SENSEX", "SENSEX50", "M&M", "M&MFIN", "BAJAJ-AUTO", "360ONE", "GVT&D",
    "NAM-INDIA", "MCDOWELL-N", "JAN", "DEC", "26MAR", "CE", "FUT", "BHARATFUT", "679GS2034", "USDINR", "20MICRONS",
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(TRICKY),
    st.from_regex(r"[A-Z]([A-Z0-9&-]{0,8}[A-Z])?", fullmatch=True),
)
EXPIRIES = st.dates(date(2016, 1, 1), date(2039, 12, 31))
STRIKES = st.one_of(
    st.integers(1, 250_000).map(Decimal),
    st.decimals("0.25", "4000", places=2).map(lambda strike: strike.normalize()),
)


def contract(
    underlying: str, expiry: date, strike: Decimal | None = None, right: OptionRight = OptionRight.CALL
) -> Instrument:
    option = strike is not None
    return Instrument(
        exchange=Exchange.BSE if underlying.startswith("SENSEX") else Exchange.NSE,
        segment=Segment.EQUITY_OPTIONS if option else Segment.EQUITY_FUTURES,
        kind=InstrumentKind.OPTION if option else InstrumentKind.FUTURE,
        symbol="?",
        underlying=underlying,
        expiry=expiry,
        strike=strike,
        right=right if option else None,
    )


OPTIONS = st.builds(contract, NAMES, EXPIRIES, STRIKES, st.sampled_from(OptionRight))
CONTRACTS = st.one_of(OPTIONS, st.builds(contract, NAMES, EXPIRIES))
WITH_DAY = (Grammar.ANGEL_ONE, Grammar.UPSTOX, Grammar.FIVE_PAISA)
COMPACT = (Grammar.KITE, Grammar.UPSTOX_COMPACT, Grammar.FYERS)


def same_fields(name: ContractName, instrument: Instrument) -> bool:
    full = name_of(instrument)
    return (name.underlying, name.kind, name.year, name.month, name.strike, name.right) == (
        full.underlying,
        full.kind,
        full.year,
        full.month,
        full.strike,
        full.right,
    )


@settings(max_examples=300)
@given(CONTRACTS)
def test_grammars_with_the_whole_date_come_back_whole(instrument: Instrument) -> None:
    for grammar in WITH_DAY:
        name = parse(grammar, write(grammar, instrument))
        assert same_fields(name, instrument)
        assert name.expiry == instrument.expiry


@settings(max_examples=300)
@given(CONTRACTS)
def test_monthly_compact_symbols_come_back(instrument: Instrument) -> None:
    for grammar in COMPACT:
        name = parse(grammar, write(grammar, instrument, is_monthly=True))
        assert same_fields(name, instrument)
        assert name.expiry is None
        assert name.is_monthly
        assert instrument.expiry is not None
        assert with_expiry(name, [instrument.expiry]).expiry == instrument.expiry


@settings(max_examples=500)
@given(CONTRACTS)
def test_weekly_compact_symbols_come_back(instrument: Instrument) -> None:
    """With a day on which the contract was listed nothing else can be read, whatever the underlying ends with."""
    assert instrument.expiry is not None
    assume(instrument.underlying != "679GS2034")  # a bond: monthly options only, and its name ends in digits
    day = instrument.expiry.replace(day=1)
    for grammar in COMPACT:
        name = parse(grammar, write(grammar, instrument, is_monthly=False), on=day)
        assert same_fields(name, instrument)
        assert name.expiry == instrument.expiry
        assert name.is_monthly is False


@settings(max_examples=300)
@given(CONTRACTS)
def test_dhan_trading_symbols_come_back_without_the_day(instrument: Instrument) -> None:
    name = parse("dhan", write("dhan", instrument))
    assert same_fields(name, instrument)
    assert name.expiry is None
    assert name.is_monthly is None


@settings(max_examples=300)
@given(CONTRACTS, st.integers(0, 300))
def test_dhan_custom_symbols_come_back_with_the_day_they_were_read(instrument: Instrument, days: int) -> None:
    assert instrument.expiry is not None
    on = date.fromordinal(max(instrument.expiry.toordinal() - days, date(2015, 1, 1).toordinal()))
    name = parse("dhan", write("dhan_custom", instrument), on=on)
    assert same_fields(name, instrument)
    assert name.expiry in (None, instrument.expiry)


@settings(max_examples=300)
@given(st.text(max_size=80), st.sampled_from(Grammar))
def test_any_text_is_read_or_refused(text: str, grammar: Grammar) -> None:
    for on in (None, date(2026, 1, 1)):
        try:
            name = parse(grammar, text, on=on)
        except InvalidValueError:
            continue
        assert name.underlying
        assert name.underlying in text


@settings(max_examples=300)
@given(st.from_regex(r"[A-Z&]{1,6}[0-9]{5,12}(\.5)?(CE|PE)", fullmatch=True))
def test_what_is_read_from_digits_is_written_back_the_same(text: str) -> None:
    try:
        name = parse("kite", text)
    except InvalidValueError:
        return
    if name.strike is not None and "." not in text:
        assert write_name("kite", name) == text


# specs/india-markets.md 2.6
WEEKLY = contract("NIFTY", date(2026, 11, 17), Decimal(24500))
MONTHLY = contract("NIFTY", date(2026, 11, 23), Decimal(24500))
FUTURE = contract("NIFTY", date(2026, 11, 23))


@pytest.mark.parametrize(
    ("grammar", "weekly", "monthly", "future"),
    [
        ("kite", "NIFTY26N1724500CE", "NIFTY26NOV24500CE", "NIFTY26NOVFUT"),
        ("fyers", "NSE:NIFTY26N1724500CE", "NSE:NIFTY26NOV24500CE", "NSE:NIFTY26NOVFUT"),
        ("angel_one", "NIFTY17NOV2624500CE", "NIFTY23NOV2624500CE", "NIFTY23NOV26FUT"),
        ("upstox", "NIFTY 24500 CE 17 NOV 26", "NIFTY 24500 CE 23 NOV 26", "NIFTY FUT 23 NOV 26"),
        ("upstox_compact", "NIFTY26N1724500CE", "NIFTY26NOV24500CE", "NIFTY26NOVFUT"),
        ("dhan", "NIFTY-Nov2026-24500-CE", "NIFTY-Nov2026-24500-CE", "NIFTY-Nov2026-FUT"),
        ("dhan_custom", "NIFTY 17 NOV 24500 CALL", "NIFTY 23 NOV 24500 CALL", "NIFTY NOV FUT"),
        ("five_paisa", "NIFTY 17 Nov 2026 CE 24500.00", "NIFTY 23 Nov 2026 CE 24500.00", "NIFTY 23 Nov 2026"),
    ],
)
def test_examples_of_the_fact_sheet(grammar: str, weekly: str, monthly: str, future: str) -> None:
    on = date(2026, 11, 10)
    for instrument, text, is_monthly in (
        (WEEKLY, weekly, False),
        (MONTHLY, monthly, True),
        (FUTURE, future, True),
    ):
        assert write(grammar, instrument, is_monthly=is_monthly) == text
        assert same_fields(parse(grammar, text, on=on), instrument)


@pytest.mark.parametrize(
    ("text", "underlying", "expiry", "strike"),
    [
        ("NIFTY2610624500CE", "NIFTY", "2026-01-06", "24500"),
        ("NIFTY26O0624500PE", "NIFTY", "2026-10-06", "24500"),
        ("NIFTY26D0124500CE", "NIFTY", "2026-12-01", "24500"),
        ("SENSEX26N1983000CE", "SENSEX", "2026-11-19", "83000"),
        ("SENSEX502611626000CE", "SENSEX50", "2026-01-16", "26000"),  # not SENSEX in 2050
        ("NIFTYNXT502610660000CE", "NIFTYNXT50", "2026-01-06", "60000"),
        ("GBPINR26306127PE", "GBPINR", "2026-03-06", "127"),  # not GBPINR26 on 2030-06-12
        ("USDINR2643093.25CE", "USDINR", "2026-04-30", "93.25"),
        ("EURINR26220104.75CE", "EURINR", "2026-02-20", "104.75"),
        ("NFO:NIFTY2610624500CE", "NIFTY", "2026-01-06", "24500"),
        ("M&M2610682.5CE", "M&M", "2026-01-06", "82.5"),
        ("360ONE261061200CE", "360ONE", "2026-01-06", "1200"),
        ("BAJAJ-AUTO261069000CE", "BAJAJ-AUTO", "2026-01-06", "9000"),
    ],
)
def test_weekly_traps(text: str, underlying: str, expiry: str, strike: str) -> None:
    name = parse("kite", text)
    assert (name.underlying, name.expiry, name.strike) == (
        underlying,
        date.fromisoformat(expiry),
        Decimal(strike),
    )


def test_the_day_a_symbol_was_in_use_bounds_its_year() -> None:
    assert parse("kite", "NIFTY2610624500CE", on=date(2026, 1, 6)).expiry == date(2026, 1, 6)
    for on in (date(2026, 1, 7), date(2019, 1, 1)):
        with pytest.raises(InvalidValueError, match="NIFTY2610624500CE"):
            parse("kite", "NIFTY2610624500CE", on=on)
    with pytest.raises(InvalidValueError, match="no listed expiry"):
        parse("kite", "NIFTY26NOVFUT", on=date(2026, 12, 1))


@pytest.mark.parametrize(
    "text",
    [
        "", "SBIN", "NIFTY", "NIFTY 50", "NIFTY26NOV", "NIFTY26NOVCE", "NIFTY26NOV024500CE", "NIFTY26XXX24500CE",
        "NIFTY26N3124500CE", "NIFTY2622924500CE", "NIFTY245000CE", "NIFTY26124CE", "26NOV24500CE", "NIFTY26NOV24500XX",
        "nifty26nov24500ce", "NIFTY26NOV-24500CE", "NIFTY26NOV24500CE ", "NIFTY26NOV24500.CE", "011NSETEST", "182D140526",
        "NIFTY26NOV٢٤٥٠٠CE", "XYZ:NIFTY26NOVFUT", "A" * 100_000 + "26NOVFUT",
    ],
)  # fmt: skip
def test_rubbish_is_refused_by_kite(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse("kite", text)


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        ("angel_one", "NIFTY31NOV2624500CE"),
        ("angel_one", "CRUDEOIL25NOV5750CE"),  # year first: Angel's older commodity options
        ("angel_one", "NIFTY26N1724500CE"),
        ("upstox", "NIFTY 24500 CE 31 NOV 26"),
        ("upstox", "NIFTY 24500 17 NOV 26"),
        ("dhan", "NIFTY-NOV2026-24500-CE"),
        ("dhan", "NIFTY 17 NOV 24500 CALL"),  # no year, and no day given
        ("five_paisa", "NIFTY 17 Nov 2026 CE 0.00"),
        ("five_paisa", "NIFTY 31 Nov 2026"),
    ],
)
def test_rubbish_is_refused_by_others(grammar: str, text: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse(grammar, text)
    assert text in str(caught.value)
    assert "examples" in str(caught.value)


def test_an_unknown_grammar_lists_the_known_ones() -> None:
    with pytest.raises(InvalidValueError, match="angel_one"):
        parse("zerodha", "NIFTY26NOVFUT")


def test_an_exchange_is_taken_from_prefix_or_caller_and_must_agree() -> None:
    assert parse("kite", "NIFTY26NOVFUT").exchange is None
    assert parse("kite", "NIFTY26NOVFUT", exchange=Exchange.NSE).exchange is Exchange.NSE
    assert parse("upstox", "BSE_FO:SENSEX26N1983000CE").exchange is Exchange.BSE
    with pytest.raises(InvalidValueError, match="not of NSE"):
        parse("fyers", "BSE:SENSEX26NOVFUT", exchange=Exchange.NSE)


def test_compact_symbols_need_to_know_weekly_from_monthly() -> None:
    with pytest.raises(InvalidValueError, match="is_monthly"):
        write("kite", WEEKLY)


def test_with_expiry() -> None:
    monthly = parse("kite", "NIFTY26NOVFUT")
    listed = [date(2026, 11, 3), date(2026, 11, 23), date(2026, 12, 29)]
    assert with_expiry(monthly, listed).expiry == date(2026, 11, 23)
    weekly = parse("kite", "NIFTY26N1724500CE")
    assert with_expiry(weekly, []) is weekly
    with pytest.raises(UnknownInstrumentError):
        with_expiry(monthly, [date(2026, 12, 29)])
    dhan = parse("dhan", "NIFTY-Nov2026-24500-CE")
    with pytest.raises(AmbiguousInstrumentError, match="2026-11-03, 2026-11-23"):
        with_expiry(dhan, listed)
    assert with_expiry(dhan, [date(2026, 11, 23), date(2026, 11, 23)]).expiry == date(2026, 11, 23)


def share(symbol: str, exchange: Exchange, series: str | None = None) -> Instrument:
    return Instrument(
        exchange=exchange, segment=Segment.EQUITY, kind=InstrumentKind.SHARE, symbol=symbol, series=series
    )


@pytest.mark.parametrize(
    ("grammar", "exchange", "symbol", "series", "text"),
    [
        ("kite", Exchange.NSE, "SBIN", "EQ", "SBIN"),
        ("kite", Exchange.NSE, "RELINFRA", "BE", "RELINFRA-BE"),
        ("kite", Exchange.NSE, "HCG-RE", "BE", "HCG-RE-BE"),
        ("kite", Exchange.NSE, "STALL-RE", "EQ", "STALL-RE"),
        ("kite", Exchange.NSE, "BAJAJ-AUTO", "EQ", "BAJAJ-AUTO"),
        ("kite", Exchange.BSE, "KIRANSY-B", None, "KIRANSY-B"),
        ("kite", Exchange.BSE, "RAMAPPR-B1", None, "RAMAPPR-B1"),
        ("angel_one", Exchange.NSE, "SBIN", "EQ", "SBIN-EQ"),
        ("angel_one", Exchange.NSE, "BAJAJ-AUTO", "EQ", "BAJAJ-AUTO-EQ"),
        ("angel_one", Exchange.BSE, "SBIN", None, "SBIN"),
        ("upstox", Exchange.NSE, "SBIN", None, "SBIN"),
        ("dhan", Exchange.BSE, "M&M", None, "M&M"),
        ("five_paisa", Exchange.NSE, "SBIN", None, "SBIN"),
        ("fyers", Exchange.NSE, "SBIN", "EQ", "NSE:SBIN-EQ"),
        ("fyers", Exchange.BSE, "SBIN", "A", "BSE:SBIN-A"),
    ],
)
def test_securities(grammar: str, exchange: Exchange, symbol: str, series: str | None, text: str) -> None:
    assert parse_security(grammar, text, exchange=exchange) == SecurityName(
        symbol=symbol, series=series, exchange=exchange
    )
    assert write(grammar, share(symbol, exchange, series)) == text


def test_securities_that_a_grammar_cannot_name() -> None:
    for call in (
        lambda: parse_security("angel_one", "SBIN", exchange=Exchange.NSE),
        lambda: parse_security("fyers", "NSE:SBIN"),
        lambda: parse_security("kite", ""),
        lambda: write("fyers", share("SBIN", Exchange.BSE)),
    ):
        with pytest.raises(InvalidValueError):
            call()
    nifty = Instrument(
        exchange=Exchange.NSE, segment=Segment.INDEX, kind=InstrumentKind.INDEX, symbol="NIFTY 50"
    )
    with pytest.raises(InvalidValueError, match="NIFTY 50"):
        write("kite", nifty)


def test_dhan_custom_futures_take_the_next_such_month() -> None:
    assert parse("dhan", "NIFTY NOV FUT", on=date(2026, 11, 30)).year == 2026
    assert parse("dhan", "NIFTY JAN FUT", on=date(2026, 11, 30)).year == 2027
    leap = parse("dhan", "NIFTY 29 FEB 24500 CALL", on=date(2026, 11, 30))
    assert leap.expiry == date(2028, 2, 29)
    with pytest.raises(InvalidValueError, match="no 31 NOV"):
        parse("dhan", "NIFTY 31 NOV 24500 CALL", on=date(2026, 11, 30))


def test_every_day_of_a_year_has_its_own_weekly_symbol() -> None:
    days = [date(2026, m, d) for m in range(1, 13) for d in range(1, monthrange(2026, m)[1] + 1)]
    symbols = [write("kite", contract("NIFTY", day, Decimal(24500)), is_monthly=False) for day in days]
    assert len(set(symbols)) == 365
    assert [parse("kite", symbol).expiry for symbol in symbols] == days
