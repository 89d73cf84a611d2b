"""What markets and paper exchanges of a desk know instruments by; more may be added while they run."""

from collections.abc import Collection, Iterable, Mapping

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.core.instrument import Instrument
from trademantra.core.time import Clock
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.adapters import paper_build
from trademantra.trading.house.listings import TokenBook
from trademantra.trading.house.market import Market


class Enlisted:
    """Of one desk.  `markets` are those of the house, as they are at the time."""

    def __init__(
        self,
        tokens: TokenBook,
        instruments: Iterable[Instrument],
        clock: Clock,
        markets: Mapping[str, Market],
    ) -> None:
        """Errors: `BadInputError`."""
        self._tokens, self._clock, self._markets = tokens, clock, markets
        self._hosts: list[tuple[Account, ExchangeHost]] = []
        self.listings: Listings = tokens.listings(instruments)

    def keeps(self, account: Account, host: ExchangeHost) -> None:
        """The exchange of a paper account, made with `listings`."""
        self._hosts.append((account, host))

    def hosts_of(self, source: str) -> list[ExchangeHost]:
        """Paper exchanges that hear the prices of a feed."""
        return [host for account, host in self._hosts if account.feed == source]

    def add(self, instruments: Collection[Instrument]) -> None:
        """Every market and every paper exchange knows them from now on: rows are only added, none moves.

        Errors: `ExchangeStoppedError`, `BadInputError`.
        """
        if all(self.listings.row_of_key(each.key) is not None for each in instruments):
            return
        listings = self._tokens.listings(instruments)
        for account, host in self._hosts:
            host.rebuild(paper_build(account, listings, self._clock))
        self.listings = listings
        for market in self._markets.values():
            market.relist(listings)
