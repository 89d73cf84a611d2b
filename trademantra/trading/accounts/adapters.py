"""The broker adapter of an account, made from its settings."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.broker import PaperBroker, PaperBrokerSettings
from trademantra.brokers.paper.entries import JournalEntry
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.history import HistorySource
from trademantra.brokers.paper.host import Build, ExchangeHost
from trademantra.brokers.paper.journal import Journal
from trademantra.brokers.port import BrokerAdapter
from trademantra.brokers.zerodha.adapter import ZerodhaAdapter
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Instrument
from trademantra.core.time import Clock
from trademantra.kit.secrets import SecretsBox
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.secret_files import proxy_name
from trademantra.trading.accounts.settings import PaperAccountSettings, ZerodhaAccountSettings
from trademantra.trading.accounts.store import AccountClosedError


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterParts:
    """What adapters are made of.  `clock`: the wall's for brokers, the exchange's for paper.

    `host` and `history` for paper accounts (`paper_exchange`); `box` and `random` for the others; `catalogue`: the
    instruments in whose objects a broker's are spoken of.
    `ensure_may_send` is asked in the last instant before an order call of a broker is written.
    """

    clock: Clock
    random: Random
    box: SecretsBox | None = None
    catalogue: Iterable[Instrument] = ()
    host: ExchangeHost | None = None
    history: HistorySource | None = None
    ensure_may_send: Callable[[], None] = lambda: None


def adapter_for(account: Account, parts: AdapterParts) -> BrokerAdapter:
    """The adapter of one account.

    Errors: `AccountClosedError`; `InvalidValueError` when `parts` lacks what this broker needs.
    """
    if not account.is_open:
        raise AccountClosedError(f"account {account.account_id} was removed", hint="tm account list")
    settings = account.settings
    if isinstance(settings, PaperAccountSettings):
        if parts.host is None:
            raise InvalidValueError(f"paper account {account.account_id} needs an exchange to trade at")
        broker_settings = PaperBrokerSettings(account_id=account.account_id)
        return PaperBroker(parts.host, parts.clock, broker_settings, history=parts.history)
    return zerodha_for(account, settings, parts)


def zerodha_for(account: Account, settings: ZerodhaAccountSettings, parts: AdapterParts) -> ZerodhaAdapter:
    """As `adapter_for`, of an account at Zerodha."""
    if parts.box is None:
        raise InvalidValueError(f"account {account.account_id} needs the secrets box")
    proxy = parts.box.get(proxy_name(account.account_id)) if settings.order_proxy else None
    return ZerodhaAdapter(
        settings.adapter_settings("" if proxy is None else proxy.reveal()),
        parts.box,
        parts.clock,
        parts.random,
        catalogue=parts.catalogue,
        ensure_may_send=parts.ensure_may_send,
    )


def paper_exchange(
    account: Account, listings: Listings, clock: Clock, journal: Journal | None = None
) -> ExchangeHost:
    """The simulated exchange of one paper account, as its journal left it, or new and opened with the account's cash.

    Errors: `InvalidValueError` for an account of another broker; `JournalError`, `BadInputError`.
    """
    return ExchangeHost(paper_build(account, listings, clock), journal)


def paper_build(account: Account, listings: Listings, clock: Clock) -> Build:
    """How the exchange of one paper account is made from what was kept of it.  Errors: as `paper_exchange`."""
    settings = account.settings
    if not isinstance(settings, PaperAccountSettings):
        raise InvalidValueError(f"account {account.account_id} is at {account.broker}, not on paper")

    def build(
        snapshot: bytes | None, entries: Sequence[JournalEntry], sink: Callable[[JournalEntry], None]
    ) -> Exchange:
        exchange = Exchange.restore(
            snapshot, entries, listings, clock, settings.exchange_settings(), sink,
            margins=settings.margin_settings(),
        )  # fmt: skip
        if account.account_id not in exchange.accounts():
            exchange.open_account(account.account_id, settings.cash)
        return exchange

    return build
