"""The instruments that a session or a person names, as a data source lists them today."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from trademantra.brokers.port import BrokerAdapter
from trademantra.core.errors import InvalidValueError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind
from trademantra.trading.house.session_spec import SessionSpec


async def listed(names: Collection[str], source: BrokerAdapter) -> Mapping[str, Instrument]:
    """By the name asked for: an `Instrument.key` (NSE:INFY), or the whole name of a contract (NSE:NIFTY23NOV2624500CE).

    Errors: `NotFoundError` naming those that are not listed.
    """
    wanted = set(names)
    found: dict[str, Instrument] = {}
    underlyings: set[str] = set()
    for each in await source.instruments():
        if each.key in wanted:
            found[each.key] = each
        if each.expiry is not None and (name := f"{each.exchange}:{each.symbol}") in wanted:
            found[name] = each
        if each.underlying is not None:
            underlyings.add(each.underlying)
    missing = [name for name in names if name not in found]
    if missing:
        raise NotFoundError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not listed at the broker today",
            hint="write EXCHANGE:SYMBOL, such as NSE:INFY or NSE:NIFTY23NOV2624500CE",
        )
    return {name: _with_hours(found[name], underlyings) for name in names}


async def instruments_of(spec: SessionSpec, source: BrokerAdapter) -> Mapping[str, Instrument]:
    """By symbol, in the order asked for.  Futures and options by their whole names.

    Errors: `NotFoundError` naming the first that is not listed; `InvalidValueError` for one symbol of two exchanges.
    """
    names = [name if ":" in name else f"{Exchange.NSE}:{name}" for name in spec.symbols]
    chosen: dict[str, Instrument] = {}
    for name, instrument in (await listed(names, source)).items():
        if instrument.symbol in chosen:
            raise InvalidValueError(
                f"{name} and {chosen[instrument.symbol].key} have one symbol; a strategy could not tell them apart",
                hint="run it once for each exchange",
            )
        chosen[instrument.symbol] = instrument
    return chosen


def _with_hours(instrument: Instrument, underlyings: Collection[str]) -> Instrument:
    """A share's hours depend on whether it has derivatives (closing auction, specs/india-markets.md 3.1): the broker's
    list of the day says so."""
    if instrument.has_derivatives is not None or instrument.kind is not InstrumentKind.SHARE:
        return instrument
    return replace(instrument, has_derivatives=instrument.symbol in underlyings)
