"""Every broker's symbols, read and written: the one place to ask."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind
from trademantra.markets.symbols import angel_one, dhan, five_paisa, fyers, kite, upstox
from trademantra.markets.symbols.names import ContractName, SecurityName, name_of

_LONGEST_SYMBOL = 64


class Grammar(StrEnum):
    """A way to write symbols.  Two brokers have two: the reader takes both, the writer the one that is named."""

    KITE = "kite"
    ANGEL_ONE = "angel_one"
    UPSTOX = "upstox"
    UPSTOX_COMPACT = "upstox_compact"
    DHAN = "dhan"
    DHAN_CUSTOM = "dhan_custom"
    FYERS = "fyers"
    FIVE_PAISA = "five_paisa"


@dataclass(frozen=True, slots=True)
class _Rules:
    parse_contract: Callable[[str, Exchange | None, date | None], ContractName]
    write_contract: Callable[[ContractName], str]
    parse_security: Callable[[str, Exchange | None], SecurityName]
    write_security: Callable[[Instrument], str]


def parse(
    broker: Grammar | str, text: str, *, exchange: Exchange | None = None, on: date | None = None
) -> ContractName:
    """Fields of a future's or option's symbol.

    `exchange` fills what the symbol does not say and contradicts what it says otherwise.  `on` is a day on which
    the symbol was in use: it bounds the year, and Dhan's custom symbols need it.
    Errors: `InvalidValueError` naming the symbol and the grammar.  Source: specs/india-markets.md 2.6.

    >>> name = parse("kite", "NIFTY26N1724500CE")
    >>> name.underlying, str(name.expiry), str(name.strike), str(name.right)
    ('NIFTY', '2026-11-17', '24500', 'CE')
    """
    rules = _rules(broker)
    if len(text) > _LONGEST_SYMBOL:
        raise InvalidValueError(f"a text of {len(text)} characters is no {broker} symbol: {text[:20]!r}...")
    return rules.parse_contract(text, exchange, on)


def parse_security(broker: Grammar | str, text: str, *, exchange: Exchange | None = None) -> SecurityName:
    """Symbol and series of a share, ETF or bond.  Nothing here tells a share from a contract: ask `parse` first.

    >>> parse_security("angel_one", "SBIN-EQ")
    SecurityName(symbol='SBIN', series='EQ', exchange=None)
    """
    if not text:
        raise InvalidValueError("an empty text is no symbol")
    return _rules(broker).parse_security(text, exchange)


def write(broker: Grammar | str, instrument: Instrument, *, is_monthly: bool | None = None) -> str:
    """Symbol of a contract or security.

    `is_monthly` says whether a contract is the monthly one of its underlying, which decides the form at Kite,
    Fyers and in Upstox's compact form; elsewhere it may be left out.  (`ExpiryCalendar.is_monthly` knows for
    index and stock contracts; in an instrument file it is the last expiry of the month.)
    Errors: `InvalidValueError` for what the grammar cannot write.

    >>> from decimal import Decimal
    >>> from trademantra.core.instrument import OptionRight, Segment
    >>> call = Instrument(exchange=Exchange.NSE, segment=Segment.EQUITY_OPTIONS, kind=InstrumentKind.OPTION,
    ...                   symbol="?", underlying="NIFTY", expiry=date(2026, 11, 17), strike=Decimal(24500),
    ...                   right=OptionRight.CALL)
    >>> write("kite", call, is_monthly=False), write("angel_one", call)
    ('NIFTY26N1724500CE', 'NIFTY17NOV2624500CE')
    """
    rules = _rules(broker)
    if instrument.kind in (InstrumentKind.FUTURE, InstrumentKind.OPTION):
        return rules.write_contract(name_of(instrument, is_monthly=is_monthly))
    if instrument.kind is InstrumentKind.INDEX:
        raise InvalidValueError(
            f"no grammar tells how {broker} calls the index {instrument.symbol}",
            hint="each broker names indices in its own words: look it up in its instrument file",
        )
    return rules.write_security(instrument)


def write_name(broker: Grammar | str, name: ContractName) -> str:
    """As `write`, from a name that need not be a whole instrument."""
    return _rules(broker).write_contract(name)


def _rules(broker: Grammar | str) -> _Rules:
    rules = _RULES.get(broker)
    if rules is None:
        raise InvalidValueError(
            f"there is no symbol grammar {broker!r}", hint=f"known: {', '.join(sorted(_RULES))}"
        )
    return rules


_RULES: MappingProxyType[str, _Rules] = MappingProxyType(
    {
        Grammar.KITE: _Rules(
            kite.parse_contract, kite.write_contract, kite.parse_security, kite.write_security
        ),
        Grammar.ANGEL_ONE: _Rules(
            angel_one.parse_contract,
            angel_one.write_contract,
            angel_one.parse_security,
            angel_one.write_security,
        ),
        Grammar.UPSTOX: _Rules(
            upstox.parse_contract, upstox.write_contract, upstox.parse_security, upstox.write_security
        ),
        Grammar.UPSTOX_COMPACT: _Rules(
            upstox.parse_contract, upstox.write_compact_contract, upstox.parse_security, upstox.write_security
        ),
        Grammar.DHAN: _Rules(
            dhan.parse_contract, dhan.write_contract, dhan.parse_security, dhan.write_security
        ),
        Grammar.DHAN_CUSTOM: _Rules(
            dhan.parse_contract, dhan.write_custom_contract, dhan.parse_security, dhan.write_security
        ),
        Grammar.FYERS: _Rules(
            fyers.parse_contract, fyers.write_contract, fyers.parse_security, fyers.write_security
        ),
        Grammar.FIVE_PAISA: _Rules(
            five_paisa.parse_contract,
            five_paisa.write_contract,
            five_paisa.parse_security,
            five_paisa.write_security,
        ),
    }
)
