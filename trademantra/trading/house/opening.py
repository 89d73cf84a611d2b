"""The adapters of a desk: brokers that are logged in, and paper exchanges fed by the feed of another account."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from trademantra.brokers.events import SessionState
from trademantra.brokers.listings import Listings
from trademantra.brokers.paper.host import ExchangeHost
from trademantra.brokers.paper.journal import Journal, JournalInUseError
from trademantra.brokers.port import BrokerAdapter
from trademantra.core.errors import InvalidValueError
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.adapters import AdapterParts, adapter_for, paper_exchange
from trademantra.trading.house.other_desk import another_desk
from trademantra.trading.house.parts import HouseParts
from trademantra.trading.house.price_reads import FirstThatAnswers, PriceReads
from trademantra.trading.house.room import SendGuard


def open_broker(
    stack: AsyncExitStack, parts: HouseParts, account: Account, guard: SendGuard
) -> BrokerAdapter:
    """An adapter whose order calls ask the guard; `stack` closes it."""
    made = AdapterParts(
        clock=parts.clock, random=parts.random, box=parts.box, ensure_may_send=guard.ensure_may_send
    )
    adapter = adapter_for(account, made)
    stack.push_async_callback(adapter.close)
    return adapter


def check_logins(
    served: Sequence[Account], adapters: Mapping[str, BrokerAdapter], say: Callable[[str], None]
) -> None:
    """Whoever trades at a broker must be logged in there; of several sources of prices one is enough, the others are told.

    Errors: `InvalidValueError`.
    """
    out = [name for name, adapter in adapters.items() if adapter.session is not SessionState.ACTIVE]
    for account in served:
        dead = [name for name in account.prices_from if name in out]
        if account.account_id in out or len(dead) == len(account.prices_from):
            name = account.account_id if account.account_id in out else dead[0]
            raise InvalidValueError(f"account {name} is not logged in", hint=f"tm account login {name}")
        for name in dead:
            say(
                f"careful: {name} is not logged in; {account.account_id} hears another source until it is "
                f"(tm account login {name})"
            )


def reads_of(adapters: Mapping[str, BrokerAdapter], account: Account) -> PriceReads:
    """Lists, quotes and history of the feed of an account."""
    sources = [adapters[name] for name in account.prices_from]
    return sources[0] if len(sources) == 1 else FirstThatAnswers(sources)


async def open_paper(
    stack: AsyncExitStack, parts: HouseParts, account: Account, listings: Listings
) -> tuple[BrokerAdapter, ExchangeHost]:
    """The exchange of one paper account, from its journal, and its adapter; `stack` closes both.

    Errors: `LeaseHeldError` while another desk serves the account; `JournalError`.
    """
    try:
        journal = Journal.open(parts.home / "paper" / f"{account.account_id}.journal")
    except JournalInUseError as error:
        raise await another_desk(parts.database, account.account_id, parts.wall.now_ns()) or error from error
    host = paper_exchange(account, listings, parts.clock, journal)
    stack.callback(host.close)
    adapter = adapter_for(account, AdapterParts(clock=parts.clock, random=parts.random, host=host))
    stack.push_async_callback(adapter.close)
    await adapter.complete_login({})
    return adapter, host
