"""Symbols of brokers whose files were never imported: read by their grammar, found by their fields."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from types import MappingProxyType

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, InstrumentKind
from trademantra.data.instruments.columns import Columns, each
from trademantra.data.instruments.contracts import FUTURE_LEG, ContractIndex, leg_for
from trademantra.data.instruments.schema import day_number, day_of
from trademantra.markets.symbols.grammars import Grammar, parse, parse_security
from trademantra.markets.symbols.names import ContractName, with_expiry

# The names of the readers here -> the grammars in which that broker writes.
GRAMMARS = MappingProxyType(
    {
        "kite": (Grammar.KITE,),
        "angelone": (Grammar.ANGEL_ONE,),
        "upstox": (Grammar.UPSTOX,),
        "dhan": (Grammar.DHAN,),
        "fyers": (Grammar.FYERS,),
        "5paisa": (Grammar.FIVE_PAISA,),
    }
)


def rows_by_grammar(
    columns: Columns,
    contracts: ContractIndex,
    symbol: str,
    broker: str | None,
    exchange: Exchange | None,
    day: int | None,
) -> tuple[int, ...]:
    """Listings (of any broker) of what the symbol means in the grammar of `broker`, or in anyone's.

    Errors: `AmbiguousInstrumentError` when the symbol leaves open which expiry of its month it means.
    """
    rows: dict[int, None] = {}
    for grammar in (
        GRAMMARS.get(broker, ()) if broker else [one for each_of in GRAMMARS.values() for one in each_of]
    ):
        for name in _contract_names(grammar, symbol, exchange, day):
            rows.update(dict.fromkeys(_contract_rows(columns, contracts, name, day)))
        rows.update(dict.fromkeys(_security_rows(columns, contracts, grammar, symbol, exchange)))
    return tuple(rows)


def _contract_names(
    grammar: Grammar, symbol: str, exchange: Exchange | None, day: int | None
) -> Iterator[ContractName]:
    try:
        yield parse(grammar, symbol, exchange=exchange, on=None if day is None else day_of(day))
    except InvalidValueError:
        return


def _contract_rows(
    columns: Columns, contracts: ContractIndex, name: ContractName, day: int | None
) -> Iterator[int]:
    underlying = columns.words.known(name.underlying)
    for (exchange, owner), expiries in contracts.chains.items():
        if owner != underlying or name.exchange not in (None, columns.words.of[exchange]):
            continue
        leg = leg_for(name.strike, name.right)
        expiry = name.expiry or _expiry(columns, name, expiries, day)
        if expiry is not None:
            yield from each(expiries.get(day_number(expiry), {}).get(leg))


def _expiry(
    columns: Columns,
    name: ContractName,
    expiries: "dict[int, dict[int, int | tuple[int, ...]]]",
    day: int | None,
) -> date | None:
    future = name.kind is InstrumentKind.FUTURE
    leg = leg_for(name.strike, name.right)
    listed = []
    for expiry, legs in expiries.items():
        found = day_of(expiry)
        if (found.year, found.month) == (name.year, name.month) and (
            leg in legs if not future else FUTURE_LEG in legs
        ):
            listed.append(found)
    if not listed:
        return None
    # Currencies list weeklies after the monthly one, so "the last of the month" is not it: leave that open.
    row = each(next(iter(expiries[day_number(listed[0])].values())))[0]
    currency = columns.words.of[columns.segment[row]].startswith("currency")
    return with_expiry(replace(name, is_monthly=None) if currency else name, listed).expiry


def _security_rows(
    columns: Columns, contracts: ContractIndex, grammar: Grammar, symbol: str, exchange: Exchange | None
) -> Iterator[int]:
    try:
        name = parse_security(grammar, symbol, exchange=exchange)
    except InvalidValueError:
        return
    words = columns.words.of
    wanted = name.exchange or (Exchange.NSE if name.series else None)  # BSE has no series in symbols
    for row in each(contracts.roots.get(name.symbol)):
        series = words[columns.series[row]]
        if wanted in (None, words[columns.exchange[row]]) and (
            name.series is None or series in ("", name.series)
        ):
            yield row
