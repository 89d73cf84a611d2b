"""Zerodha behind the port that every broker has."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from random import Random
from urllib.parse import urlencode

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.errors import BrokerError, RequestRefusedError, SessionExpiredError
from trademantra.brokers.events import BrokerEvent, SessionChanged, SessionState, StreamChanged, StreamState
from trademantra.brokers.manifest import Manifest
from trademantra.brokers.market import Quote, StreamMode
from trademantra.brokers.orders import (
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    OrderRequest,
    PlaceResult,
    Unknown,
)
from trademantra.brokers.zerodha.client import KiteClient, Method, Sleep
from trademantra.brokers.zerodha.feed import QuoteFeed
from trademantra.brokers.zerodha.keeper import BookKeeper
from trademantra.brokers.zerodha.manifest import zerodha_manifest
from trademantra.brokers.zerodha.market_data import MarketData
from trademantra.brokers.zerodha.order_book import order_of
from trademantra.brokers.zerodha.order_calls import OrderCalls
from trademantra.brokers.zerodha.packets import Frame
from trademantra.brokers.zerodha.postback import verified_postback
from trademantra.brokers.zerodha.reply import Record, parse_json
from trademantra.brokers.zerodha.session import Session
from trademantra.brokers.zerodha.settings import ZerodhaSettings
from trademantra.brokers.zerodha.ticker import StreamListener, Ticker
from trademantra.core.bar import Timeframe
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock, ist_date
from trademantra.engine.bars import Bars
from trademantra.kit.secrets import Secret, SecretsBox

_log = logging.getLogger(__name__)


class ZerodhaAdapter:
    """One account at Zerodha, a `BrokerAdapter`.

    `place`, `modify` and `cancel` answer `Refused` for what is wrong with the order and `Unknown` when its fate is
    not known; they raise for what is wrong with the account (`SessionExpiredError`, `PermissionRefusedError`) or the
    rate (`RateLimitedError`), and then nothing was done.
    `catalogue`: instruments of the instrument master; the adapter speaks of instruments in these objects.  Kite's own
    file counts MCX and currency contracts in lots and does not say what a lot is.
    `ensure_may_send` is asked right before an order call's last write to the socket; what it raises, the call raises, and
    nothing was done (`kit.lease.Lease.ensure_may_send`).
    """

    def __init__(
        self,
        settings: ZerodhaSettings,
        box: SecretsBox,
        clock: Clock,
        random: Random,
        *,
        catalogue: Iterable[Instrument] = (),
        sleep: Sleep = asyncio.sleep,
        ensure_may_send: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._box = box
        self._clock = clock
        self._manifest = zerodha_manifest()
        self._events: asyncio.Queue[BrokerEvent | None] = asyncio.Queue()
        self._feed = QuoteFeed()
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._day_end: asyncio.TimerHandle | None = None
        self._watching = False
        self._merged_day_ns = clock.now_ns()
        self._session = Session(settings.session_name, box, clock, self._session_changed)
        self._client = KiteClient(settings, self._session, clock, random, sleep, ensure_may_send)
        self._data = MarketData(self._client, clock, catalogue)
        self._calls = OrderCalls(
            self._client,
            self._data,
            lambda key: self._keeper.merge.order(key),
            protect=settings.protect_orders,
        )
        self._keeper = BookKeeper(
            clock, settings.poll_seconds, self._events.put_nowait, self._calls.orders, self._calls.trades
        )
        listener = StreamListener(
            ticks=self._ticked,
            text=self._stream_said,
            state=self._stream_changed,
            connected=self._keeper.wake,
            refused=self._check_session,
        )
        self._ticker = Ticker(settings, self._session, clock, random, listener, sleep)

    # ------------------------------------------------------------ the login

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
        return self._ticker.state

    def login_url(self) -> str:
        """The page where the user logs in; Zerodha then sends the browser to the app's registered address."""
        return f"{self._settings.login_page}?{urlencode({'v': '3', 'api_key': self._settings.api_key})}"

    async def complete_login(self, answer: Mapping[str, str]) -> None:
        """Trade the `request_token` of the redirect for the day's session.

        Errors: `RequestRefusedError` for a redirect that brings none; `SessionExpiredError` for a token that is used,
        old or not ours, and for the login of another user.  A session in force stays in force then.
        """
        api_secret = self._api_secret()
        request_token = answer.get("request_token", "")
        if answer.get("status", "success") != "success" or not request_token.isalnum():
            raise RequestRefusedError(
                "Zerodha's redirect brings no request token", hint="start again with the login page"
            )
        self._session.hide(Secret(request_token))
        self._session.hide(api_secret)
        signed = self._settings.api_key + request_token + api_secret.reveal()
        self._session.start()
        try:
            reply = await self._client.exchange(
                (
                    ("api_key", self._settings.api_key),
                    ("request_token", request_token),
                    ("checksum", sha256(signed.encode()).hexdigest()),
                )
            )
            user_id, token = self._right_user(reply.text("user_id")), reply.text("access_token")
        except BaseException as error:
            self._session.fail(error.message if isinstance(error, BrokerError) else "the login was cut off")
            raise
        self._session.accept(user_id, Secret(token))

    async def logout(self) -> None:
        """End the session at the broker and forget it here, also when the broker cannot be reached."""
        await self._stop("logging out")  # nobody should find the token refused while it is being given back
        try:
            token = self._session.login().token.reveal()
            fields = (("api_key", self._settings.api_key), ("access_token", token))
            await self._client.change(Method.DELETE, "/session/token", fields)
        except SessionExpiredError:
            pass
        finally:
            self._session.leave()

    # ------------------------------------------------------------ instruments and prices

    async def instruments(self) -> Sequence[Instrument]:
        """Everything that can be traded today, fetched anew; each is made when it is first looked at."""
        return await self._data.instruments()

    async def instrument_file(self) -> bytes:
        """The broker's CSV, for `instruments.import_into_master`."""
        return await self._data.file()

    async def quotes(self, instruments: Collection[Instrument]) -> Mapping[Instrument, Quote]:
        return await self._data.quotes(instruments)

    async def history(
        self, instrument: Instrument, timeframe: Timeframe, first: datetime, last: datetime
    ) -> Bars:
        return await self._data.history(instrument, timeframe, first, last)

    async def subscribe(self, instruments: Collection[Instrument], mode: StreamMode) -> None:
        """Errors: `UnknownInstrumentError`; `RequestRefusedError` beyond 3,000 instruments."""
        self._session.login()
        book = await self._data.book()
        await self._ticker.subscribe([book.listing(one).token for one in instruments], mode)
        self._watch()

    async def unsubscribe(self, instruments: Collection[Instrument]) -> None:
        book = await self._data.book()
        await self._ticker.unsubscribe([book.listing(one).token for one in instruments])

    def quotes_stream(self) -> AsyncIterator[Sequence[Quote]]:
        return self._feed.batches(self._named)

    def tick_age_ns(self, instrument: Instrument) -> int | None:
        book = self._data.book_now
        at = None if book is None else self._ticker.last_tick_ns.get(book.listing(instrument).token)
        return None if at is None else self._clock.now_ns() - at

    @property
    def dropped_packets(self) -> Mapping[str, int]:
        """Packets of the stream that could not be read or were not asked for, by reason."""
        return dict(self._ticker.dropped)

    # ------------------------------------------------------------ orders and the account

    async def place(self, request: OrderRequest) -> PlaceResult:
        return self._noted(await self._calls.place(request))

    async def modify(self, broker_order_id: str, change: OrderChange) -> PlaceResult:
        return self._noted(await self._calls.modify(broker_order_id, change))

    async def cancel(self, broker_order_id: str) -> PlaceResult:
        return self._noted(await self._calls.cancel(broker_order_id))

    async def orders(self) -> Sequence[BrokerOrder]:
        asked_ns = self._clock.now_ns()
        orders = await self._calls.orders()
        self._keeper.read_orders_at(asked_ns, orders)
        return orders

    async def trades(self) -> Sequence[BrokerTrade]:
        trades = await self._calls.trades()
        self._keeper.read_trades_of(trades)
        return trades

    async def orders_by_tag(self, tag: str) -> Sequence[BrokerOrder]:
        return [order for order in await self.orders() if order.tag == tag]

    async def positions(self) -> Sequence[Position]:
        return await self._calls.positions()

    async def holdings(self) -> Sequence[Holding]:
        return await self._calls.holdings()

    async def funds(self) -> Sequence[Funds]:
        return await self._calls.funds()

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
        await self._calls.convert(instrument, side, quantity, old, new, overnight=overnight)

    # ------------------------------------------------------------ what is told of its own accord

    async def events(self) -> AsyncIterator[BrokerEvent]:
        """Opens the stream, for its order updates; ends with `close`."""
        self._watch()
        while (event := await self._events.get()) is not None:
            yield event

    def receive_postback(self, body: bytes) -> None:
        """A POST to the app's postback address: once its checksum is right, the book is read at once.

        The body's fields are not taken over, because the checksum does not cover them.
        Errors: `PostbackRefusedError`: answer 403.
        """
        verified_postback(body, self._api_secret(), user_id=self._settings.user_id)
        self._keeper.wake()

    async def close(self) -> None:
        """Leave the stream and every connection; the session stays in the box for the next start."""
        self._watching = False
        if self._day_end is not None:
            self._day_end.cancel()
        await self._ticker.close("closed")
        tasks = [task for task in (*self._tasks, self._keeping) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._feed.close()
        await self._client.close()
        self._events.put_nowait(None)

    def _watch(self) -> None:
        """Keep the stream open and the books read, now or from the next login on."""
        self._watching = True
        if self._session.state is not SessionState.ACTIVE:
            return
        self._ticker.open()
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.get_running_loop().create_task(self._keeper.run(), name="zerodha books")
        ends_ns = self._session.ends_ns
        if ends_ns is not None:
            if self._day_end is not None:
                self._day_end.cancel()
            left = (ends_ns - self._clock.now_ns()) / NANOSECONDS_PER_SECOND
            self._day_end = asyncio.get_running_loop().call_later(left, self._watch)

    def _session_changed(self, state: SessionState, reason: str) -> None:
        _log.info("zerodha: session %s: %s", state, reason)
        self._events.put_nowait(SessionChanged(state, reason))
        if state is SessionState.ACTIVE:
            now = self._clock.now_ns()
            if ist_date(now) != ist_date(self._merged_day_ns):
                self._keeper.merge.forget()
            self._merged_day_ns = now
            if self._watching:
                self._spawn(self._reopen())
        elif state in (SessionState.EXPIRED, SessionState.LOGGED_OUT):
            self._spawn(self._stop(reason))

    async def _reopen(self) -> None:
        await self._ticker.close("logged in again")
        self._watch()

    async def _stop(self, reason: str) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        await self._ticker.close(reason)

    def _stream_changed(self, state: StreamState, reason: str) -> None:
        _log.info("zerodha: stream %s %s", state, reason)
        self._events.put_nowait(StreamChanged(state, reason))

    def _ticked(self, frame: Frame, received_ns: int) -> None:
        self._feed.offer(frame, received_ns, self._ticker.modes)

    def _stream_said(self, text: str) -> None:
        """A text message: an order's state, or a remark.  What cannot be read makes the book be asked instead."""
        try:
            message = Record(parse_json(text, "stream message"), "stream message")
            kind = message.optional_text("type")
            if kind == "error":
                said = self._session.without_secrets(str(message.value("data")))
                _log.warning("zerodha: the stream says: %s", said[:200])
            if kind != "order":
                return
            book = self._data.book_now
            if book is None:
                self._keeper.wake()
                return
            order = order_of(message.record("data"), book)
        except (BrokerError, UnknownInstrumentError, InvalidValueError):
            self._keeper.wake()
            return
        self._keeper.heard(order)

    async def _check_session(self) -> None:
        """The stream was refused: a read tells whether the session is dead, and ends it if so."""
        try:
            await self._client.read("/user/profile")
        except BrokerError as error:
            _log.info("zerodha: the session was checked: %s", error.message)

    def _noted(self, result: PlaceResult) -> PlaceResult:
        if isinstance(result, Unknown):
            self._keeper.wake()
        return result

    def _named(self, token: int) -> Instrument | None:
        book = self._data.book_now
        return None if book is None else book.by_token(token)

    def _right_user(self, user_id: str) -> str:
        if self._settings.user_id not in ("", user_id):
            raise SessionExpiredError(
                f"{user_id} logged in, but this account is {self._settings.user_id}",
                hint="log out of Zerodha in the browser and log in as the right user",
            )
        return user_id

    def _api_secret(self) -> Secret:
        found = self._box.get(self._settings.secret_name)
        if found is None:
            raise InvalidValueError(
                f"the api_secret of app {self._settings.api_key} is not in the secrets box",
                hint=f"store it there under {self._settings.secret_name}",
            )
        return found

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
