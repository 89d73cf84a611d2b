"""Which facts the limits of accounts look at, and what each feed account is asked for because of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trademantra.core.instrument import Exchange, Instrument, Segment
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.index_names import parse_indices
from trademantra.trading.house.fact_parts import FactSource, Watched
from trademantra.trading.risk.limits import BookLimits, OrderLimits, RiskLimits, SectorLimits

_BREAKER_EXCHANGES = frozenset({Exchange.NSE, Exchange.BSE})
_BREAKER_SEGMENTS = frozenset({Segment.EQUITY, Segment.EQUITY_FUTURES, Segment.EQUITY_OPTIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What of the market must be known for the limits of an account to let an entry pass."""

    bands: bool = False
    index: bool = False
    sectors: bool = False
    closes: bool = False


def needs_of(owners: Iterable[RiskLimits]) -> Needs:
    """Of limits of one account, whoever set them.

    >>> from decimal import Decimal
    >>> needs_of([RiskLimits(order=OrderLimits(max_index_move_percent=Decimal(3)))])
    Needs(bands=False, index=True, sectors=False, closes=False)
    """
    orders: list[OrderLimits] = []
    books: list[BookLimits] = []
    sectors: list[SectorLimits] = []
    for each in owners:
        orders += [each.order, *(named.order for named in each.strategies.values())]
        books += [each.account, each.user, each.strategy, *(named.book for named in each.strategies.values())]
        sectors += [each.sector, *each.sectors.values()]
    return Needs(
        bands=any(each.require_price_band for each in orders),
        index=any(each.max_index_move_percent is not None for each in orders),
        sectors=any(each != SectorLimits() for each in sectors),
        closes=any(each.max_correlated_positions is not None for each in books),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """An account, what its limits need, what its strategies trade, and what it holds besides."""

    account: Account
    needs: Needs
    instruments: Collection[Instrument]
    held: Collection[Instrument] = ()


def watched_of(trading: Sequence[Trading], sources: Mapping[str, FactSource]) -> Sequence[Watched]:
    """What each feed of `sources` is asked for, each instrument once; none where nothing is needed."""
    return [
        watched
        for name, source in sources.items()
        if (watched := _watched(name, source, [each for each in trading if each.account.feed == name]))
        is not None
    ]


def _watched(name: str, source: FactSource, mine: Sequence[Trading]) -> Watched | None:
    indices = _distinct(
        index for each in mine if each.needs.index for index in parse_indices(each.account.settings.index)
    )
    limited = {each.key for each in indices}
    watched = Watched(
        name=name,
        source=source,
        bands=_distinct(one for each in mine if each.needs.bands for one in each.instruments),
        indices=indices,
        breakers=tuple(
            index
            for index in _distinct(
                index
                for each in mine
                if any(_has_breaker(one) for one in each.instruments)
                for index in parse_indices(each.account.settings.index)
            )
            if index.key not in limited
        ),
        closes=_distinct(
            one for each in mine if each.needs.closes for one in (*each.instruments, *each.held)
        ),
    )
    return watched if watched.bands or watched.indices or watched.breakers or watched.closes else None


def _has_breaker(instrument: Instrument) -> bool:
    return instrument.exchange in _BREAKER_EXCHANGES and instrument.segment in _BREAKER_SEGMENTS


def _distinct(instruments: Iterable[Instrument]) -> tuple[Instrument, ...]:
    return tuple({each.key: each for each in instruments}.values())
