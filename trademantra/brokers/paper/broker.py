"""A paper account as a broker: `BrokerAdapter` over the simulated exchange, in the same process."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import TypeVar
from weakref import WeakSet

import polars as pl

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.errors import (
    BrokerUnavailableError,
    FundsRefusedError,
    NotSupportedError,
    RateLimitedError,
    RequestRefusedError,
)
from trademantra.brokers.events import BrokerEvent, SessionState, StreamChanged, StreamState
from trademantra.brokers.manifest import Manifest, RateLimit
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.newest import NewestQuotes
from trademantra.brokers.orders import (
    Accepted,
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    OrderRequest,
    PlaceResult,
    Refused,
    Unknown,
)
from trademantra.brokers.paper import rows
from trademantra.brokers.paper.account.rejections import AccountRejectionError
from trademantra.brokers.paper.desk import Placed
from trademantra.brokers.paper.exchange import Exchange
from trademantra.brokers.paper.history import HistorySource, finished
from trademantra.brokers.paper.host import ExchangeHost, ExchangeStoppedError
from trademantra.brokers.paper.journal import JournalError
from trademantra.brokers.paper.link import Link, Mishap, RequestKind
from trademantra.brokers.paper.manifest import paper_manifest
from trademantra.brokers.paper.session import PaperSession
from trademantra.brokers.paper.terms import ExchangeEvent, OrderChanged, Refusal, RefusedRequestError
from trademantra.brokers.told import ToldEvents
from trademantra.core.bar import Timeframe
from trademantra.core.errors import UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock, ns_of
from trademantra.engine.bars import Bars
from trademantra.kit.limiter import LimitReachedError, RateLimiter, Window

Answer = TypeVar("Answer")

_LOST_REQUEST = "the request was lost on its way"
_LOST_REPLY = "the reply was lost on its way"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperBrokerSettings:
    """How one paper account is reached.

    `session_ends`: time of day in India at which its login ends, as real ones do; None: it lasts.
    `limits` by kind of request (orders, book, quotes, history), counted by the exchange's clock; none by default, for
    the desk keeps its own.  `stream_tokens`: most instruments on the stream.
    """

    account_id: str
    session_ends: time | None = None
    limits: Mapping[str, tuple[RateLimit, ...]] = field(default_factory=dict)
    stream_tokens: int = 3_000


class PaperBroker:
    """One account of an exchange that runs in this process.  Keeps every rule of `BrokerAdapter`.

    Several may share one `host`, each with an account of its own.  `link` makes the line go wrong on purpose.
    """

    def __init__(
        self,
        host: ExchangeHost,
        clock: Clock,
        settings: PaperBrokerSettings,
        *,
        history: HistorySource | None = None,
        link: Link | None = None,
    ) -> None:
        """`clock` is the exchange's.  Errors: `RefusedRequestError` for an account that is not open there."""
        exchange = host.exchange
        exchange.orders(settings.account_id)  # the account must be there
        self._host = host
        self._clock = clock
        self._settings = settings
        self._account = settings.account_id
        self._history = history
        self._link = link or Link()
        self._told = ToldEvents()
        self._session = PaperSession(clock, settings.session_ends, self._told.tell)
        self._stream = StreamState.DISCONNECTED
        self._line = 0  # counts the lines that order updates came over; each begins with what the books show
        self._line_is_open = False
        self._modes: dict[int, StreamMode] = {}
        self._ticked: dict[int, int] = {}
        self._readers: WeakSet[NewestQuotes] = WeakSet()
        self._limits = {
            kind: RateLimiter(
                [Window(limit.count, limit.seconds * NANOSECONDS_PER_SECOND) for limit in limits], clock
            )
            for kind, limits in settings.limits.items()
        }
        self._manifest = paper_manifest(
            venues=frozenset(exchange.listings.rows["venue"].unique().cast(pl.String)),
            limits=settings.limits,
            stream_tokens=settings.stream_tokens,
            session_ends=settings.session_ends,
            has_history=history is not None,
            needs_protection=not exchange.settings.unprotected_orders,
        )
        self._stop_listening = [host.subscribe(self._on_event), host.subscribe_market(self._on_prices)]
        self._link.listen(self._on_link)

    # -- the login

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def session(self) -> SessionState:
        return self._session.state

    @property
    def session_ends_ns(self) -> int | None:
        return self._session.ends_ns

    @property
    def stream(self) -> StreamState:
        return self._stream

    def login_url(self) -> str:
        return ""

    async def complete_login(self, answer: Mapping[str, str]) -> None:
        """Nothing is asked, so `answer` may be empty."""
        self._session.begin()
        if self._link.stream_is_up:
            self._open_line()

    async def logout(self) -> None:
        self._line_is_open = False
        self._disconnect("logged out")
        self._session.end()

    def end_session(self, reason: str) -> None:
        """End the login as a broker does: it is told as expired, and nothing goes until the next login."""
        self._session.expire(reason)
        self._line_is_open = False
        self._disconnect(reason)

    async def close(self) -> None:
        while self._stop_listening:
            self._stop_listening.pop()()
        self._disconnect("closed")
        self._told.close()
        for reader in self._readers:
            reader.close()

    # -- the market

    async def instruments(self) -> Sequence[Instrument]:
        return await self._read(
            RequestKind.BOOK, lambda exchange: tuple(listing.instrument for listing in exchange.listings)
        )

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        def read(exchange: Exchange) -> Mapping[Instrument, Quote]:
            found = {}
            for instrument in instruments:
                quote = _quote(exchange, self._token(instrument), StreamMode.FULL)
                if quote is not None:
                    found[instrument] = quote
            return found

        return await self._read(RequestKind.QUOTES, read)

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        """Finished bars only: what the exchange's clock has not reached is not known here either."""
        if self._history is None:
            raise NotSupportedError("this paper account has no source of past bars")
        source, now_ns = self._history, self._clock.now_ns()

        def read(_: Exchange) -> Bars:
            bars = finished(source(instrument, timeframe), instrument, timeframe, now_ns)
            return bars.between(ns_of(first), ns_of(last) + 1)

        return await self._read(RequestKind.HISTORY, read)

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None:
        self._session.require()
        tokens = {}
        for instrument in instruments:
            token = self._token(instrument)
            if token is None:
                raise RequestRefusedError(f"{instrument.key} is not listed", hint="look at instruments()")
            tokens[token] = mode
        joined = self._modes | tokens
        if len(joined) > self._settings.stream_tokens:
            raise RequestRefusedError(
                f"{len(joined)} instruments on one stream, at most {self._settings.stream_tokens}",
                hint="unsubscribe some first",
            )
        self._modes = joined
        self._connect()
        self._send_quotes(tokens)

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None:
        for instrument in instruments:
            token = self._token(instrument)
            if token is not None:
                self._modes.pop(token, None)
                self._ticked.pop(token, None)

    def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]:
        reader = NewestQuotes()
        self._readers.add(reader)
        return reader

    def events(self) -> AsyncIterator[BrokerEvent]:
        return self._told

    @property
    def is_heard(self) -> bool:
        """Whether the reader of `events` has taken everything: a market in lockstep waits for that."""
        return self._told.is_read

    def tick_age_ns(self, instrument: Instrument) -> int | None:
        token = self._token(instrument)
        at = None if token is None else self._ticked.get(token)
        return None if at is None else self._clock.now_ns() - at

    # -- orders

    async def place(self, request: OrderRequest) -> PlaceResult:
        def place(exchange: Exchange) -> Accepted:
            placed = exchange.place(self._account, request)
            return Accepted(placed.order_id, _children(placed))

        return await self._change(place, new_order=True)

    async def modify(self, broker_order_id: str, change: OrderChange) -> PlaceResult:
        return await self._change(
            lambda exchange: Accepted(exchange.modify(self._account, broker_order_id, change))
        )

    async def cancel(self, broker_order_id: str) -> PlaceResult:
        return await self._change(lambda exchange: Accepted(exchange.cancel(self._account, broker_order_id)))

    async def orders(self) -> Sequence[BrokerOrder]:
        return await self._read(RequestKind.BOOK, self._orders)

    async def trades(self) -> Sequence[BrokerTrade]:
        return await self._read(RequestKind.BOOK, self._trades)

    async def orders_by_tag(self, tag: str) -> Sequence[BrokerOrder]:
        return tuple(order for order in await self.orders() if order.tag == tag)

    # -- the account

    async def positions(self) -> Sequence[Position]:
        return await self._read(
            RequestKind.BOOK,
            lambda exchange: tuple(rows.position_of(held) for held in exchange.positions(self._account).net),
        )

    async def holdings(self) -> Sequence[Holding]:
        return await self._read(
            RequestKind.BOOK,
            lambda exchange: tuple(rows.holding_of(held) for held in exchange.holdings(self._account)),
        )

    async def funds(self) -> Sequence[Funds]:
        return await self._read(
            RequestKind.BOOK,
            lambda exchange: tuple(
                rows.funds_of(segment, margin) for segment, margin in exchange.margins(self._account).items()
            ),
        )

    async def convert(
        self,
        instrument: Instrument,
        side: Side,
        quantity: Decimal,
        old: Product,
        new: Product,
        *,
        overnight: bool,
    ) -> None:
        def convert(exchange: Exchange) -> None:
            listing = exchange.listings.by_instrument(instrument)
            exchange.convert(self._account, listing, side, quantity, old, new, overnight)

        await self._read(RequestKind.BOOK, convert)

    # -- the line to the exchange

    async def _read(self, kind: RequestKind, command: Callable[[Exchange], Answer]) -> Answer:
        """A request that is no order.  Errors: `BrokerError`."""
        mishap = self._start(kind)
        if mishap is Mishap.LOSE_REQUEST:
            raise BrokerUnavailableError(_LOST_REQUEST, hint="try again")
        try:
            answer = await self._host.run(command)
        except RefusedRequestError as error:
            raise rows.error_of(error) from error
        except AccountRejectionError as error:
            raise FundsRefusedError(error.message) from error
        except UnknownInstrumentError as error:
            raise RequestRefusedError(error.message, hint=error.hint) from error
        except (ExchangeStoppedError, JournalError) as error:
            raise BrokerUnavailableError(error.message, hint=error.hint, broker_code=error.code) from error
        if mishap is Mishap.LOSE_REPLY:
            raise BrokerUnavailableError(_LOST_REPLY, hint="try again")
        return answer

    async def _change(
        self, command: Callable[[Exchange], Accepted], *, new_order: bool = False
    ) -> PlaceResult:
        """An order call.  Errors: `SessionExpiredError`, `RateLimitedError`: it was not sent."""
        mishap = self._start(RequestKind.ORDERS)
        if mishap is Mishap.LOSE_REQUEST:
            return Unknown(_LOST_REQUEST)
        try:
            self._host.check(new_order=new_order)
        except (ExchangeStoppedError, JournalError) as error:
            return Refused(str(error), error.code)
        try:
            accepted = await self._host.run(command)
        except RefusedRequestError as error:
            return Unknown(_LOST_REPLY) if mishap is Mishap.LOSE_REPLY else Refused(error.message, error.kind)
        except UnknownInstrumentError as error:
            return Refused(error.message, Refusal.INPUT)
        except (ExchangeStoppedError, JournalError) as error:
            return Unknown(str(error))
        return Unknown(_LOST_REPLY) if mishap is Mishap.LOSE_REPLY else accepted

    def _start(self, kind: RequestKind) -> Mishap | None:
        """Before every request: is there a login, is there a slot, what goes wrong."""
        self._session.require()
        limiter = self._limits.get(kind)
        mishap = self._link.next_mishap(kind)
        try:
            if limiter is not None:
                limiter.reserve(longest_wait_ns=0)
        except LimitReachedError as error:
            raise RateLimitedError(
                f"too many requests ({kind})", retry_after_seconds=error.wait_ns / NANOSECONDS_PER_SECOND
            ) from error
        if mishap is Mishap.REFUSE_RATE:
            raise RateLimitedError(f"too many requests ({kind})")
        return mishap

    def _orders(self, exchange: Exchange) -> Sequence[BrokerOrder]:
        return tuple(rows.order_of(order) for order in exchange.orders(self._account))

    def _trades(self, exchange: Exchange) -> Sequence[BrokerTrade]:
        return tuple(rows.trade_of(trade) for trade in exchange.trades(self._account))

    def _token(self, instrument: Instrument) -> int | None:
        try:
            return self._host.exchange.listings.by_instrument(instrument).token
        except UnknownInstrumentError:
            return None

    # -- what comes of its own accord

    def _on_event(self, event: ExchangeEvent) -> None:
        if not self._line_is_open or self._session.state is not SessionState.ACTIVE:
            return  # the books will tell it
        if isinstance(event, OrderChanged):
            if event.order.account_id == self._account:
                self._told.order(rows.order_of(event.order))
        elif event.trade.account_id == self._account:
            self._told.trade(rows.trade_of(event.trade))

    def _on_prices(self, tokens: Collection[int]) -> None:
        if self._session.state is not SessionState.ACTIVE:
            self._disconnect("the login is over")
        else:
            self._send_quotes({token: self._modes[token] for token in tokens if token in self._modes})

    def _on_link(self, up: bool) -> None:
        if not up:
            self._line_is_open = False
            self._disconnect("the line broke")
        elif self._session.state is SessionState.ACTIVE:
            self._open_line()

    def _open_line(self) -> None:
        """After a login, and when the line is back: tell what the books show and was not told, then every event."""
        self._line += 1
        line, exchange = self._line, self._host.exchange
        orders, trades = self._orders(exchange), self._trades(exchange)

        def begin() -> None:
            if line == self._line and self._link.stream_is_up:
                self._line_is_open = True
                self._told.books(orders, trades)

        self._line_is_open = False
        self._host.when_durable(begin)
        if self._modes:
            self._connect()
            self._send_quotes(self._modes)

    def _send_quotes(self, modes: Mapping[int, StreamMode]) -> None:
        if self._stream is not StreamState.CONNECTED:
            return
        quotes = []
        for token, mode in modes.items():
            quote = _quote(self._host.exchange, token, mode)
            if quote is not None:
                self._ticked[token] = self._clock.now_ns()
                quotes.append(quote)
        for reader in self._readers:
            reader.put(quotes)

    def _connect(self) -> None:
        if self._stream is not StreamState.CONNECTED and self._link.stream_is_up:
            self._stream = StreamState.CONNECTED
            self._told.tell(StreamChanged(StreamState.CONNECTED, "subscribed"))

    def _disconnect(self, reason: str) -> None:
        if self._stream is not StreamState.DISCONNECTED:
            self._stream = StreamState.DISCONNECTED
            self._told.tell(StreamChanged(StreamState.DISCONNECTED, reason))


def _quote(exchange: Exchange, token: int | None, mode: StreamMode) -> Quote | None:
    state = None if token is None else exchange.quote(token)
    return None if state is None else rows.quote_of(state, mode)


def _children(placed: Placed) -> tuple[str, ...]:
    return tuple(child.order_id for child in placed.children if child.order_id is not None)
