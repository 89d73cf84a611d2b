"""Orders, books and the account's holdings over REST."""

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import quote

from trademantra.brokers.accounts import Funds, Holding, Position
from trademantra.brokers.errors import FundsRefusedError, RequestRefusedError
from trademantra.brokers.orders import (
    Accepted,
    BrokerOrder,
    BrokerTrade,
    OrderChange,
    OrderRequest,
    PlaceResult,
    Refused,
    Unknown,
    Variety,
)
from trademantra.brokers.zerodha.account_rows import funds_of, holding_of, position_of
from trademantra.brokers.zerodha.client import Fields, KiteClient, Method, UnclearReplyError
from trademantra.brokers.zerodha.instruments import InstrumentBook, wire_quantity
from trademantra.brokers.zerodha.market_data import MarketData
from trademantra.brokers.zerodha.order_book import order_of, trade_of
from trademantra.brokers.zerodha.order_form import change_form, place_form, placed
from trademantra.brokers.zerodha.reply import Json, MalformedReplyError, Record, records
from trademantra.core.errors import InvalidValueError, UnknownInstrumentError
from trademantra.core.instrument import Instrument
from trademantra.core.order import Product, Side

Row = TypeVar("Row")
_log = logging.getLogger(__name__)


class OrderCalls:
    """Translates each call and its answer.  `known` gives the last state that was heard of an order."""

    __slots__ = ("_client", "_data", "_known", "_left_out", "_protect")

    def __init__(
        self,
        client: KiteClient,
        data: MarketData,
        known: Callable[[str], BrokerOrder | None],
        *,
        protect: bool,
    ) -> None:
        self._client = client
        self._data = data
        self._known = known
        self._protect = protect
        self._left_out: set[str] = set()  # what was said of it

    async def place(self, request: OrderRequest) -> PlaceResult:
        book = await self._data.book()
        try:
            form = place_form(request, book.listing(request.instrument), protect=self._protect)
        except (InvalidValueError, UnknownInstrumentError) as error:
            return Refused(str(error))
        # From now on this contract is spoken of in the caller's object, whose lots its quantities were counted in.
        book.adopt([request.instrument])
        return await self._call(Method.POST, f"/orders/{request.variety}", form, placed)

    async def modify(self, broker_order_id: str, change: OrderChange) -> PlaceResult:
        order = await self._order(broker_order_id)
        if order is None:
            return Refused(f"no order {broker_order_id} is in today's book")
        try:
            form = change_form(change, order.instrument, protect=self._protect)
        except InvalidValueError as error:
            return Refused(str(error))
        return await self._call(Method.PUT, _path(order), [*form, *_parent(order)], _changed)

    async def cancel(self, broker_order_id: str) -> PlaceResult:
        order = await self._order(broker_order_id)
        if order is None:
            return Refused(f"no order {broker_order_id} is in today's book")
        return await self._call(Method.DELETE, _path(order), _parent(order), _changed)

    async def orders(self) -> Sequence[BrokerOrder]:
        return await self._rows("/orders", "orders", order_of, is_ours=self._is_ours)

    async def trades(self) -> Sequence[BrokerTrade]:
        return await self._rows("/trades", "trades", trade_of, is_ours=self._is_ours)

    async def positions(self) -> Sequence[Position]:
        def net(data: Json) -> Json:
            return Record(data, "positions").value("net")

        return await self._rows("/portfolio/positions", "positions", position_of, net)

    async def holdings(self) -> Sequence[Holding]:
        return await self._rows("/portfolio/holdings", "holdings", holding_of)

    async def funds(self) -> Sequence[Funds]:
        return funds_of(Record(await self._client.read("/user/margins"), "funds"))

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
        listing = (await self._data.book()).listing(instrument)
        fields = [
            ("exchange", listing.venue),
            ("tradingsymbol", listing.symbol),
            ("transaction_type", side.value),
            ("position_type", "overnight" if overnight else "day"),
            ("quantity", str(wire_quantity(quantity, instrument))),
            ("old_product", old.value),
            ("new_product", new.value),
        ]
        await self._client.change(Method.PUT, "/portfolio/positions", fields)

    async def _call(
        self, method: Method, path: str, fields: Fields, read: Callable[[Json], PlaceResult]
    ) -> PlaceResult:
        """Send once.  What the answer does not say is `Unknown`."""
        try:
            return read(await self._client.order(method, path, fields))
        except (UnclearReplyError, MalformedReplyError) as error:
            return Unknown(error.message)
        except (RequestRefusedError, FundsRefusedError) as error:
            return Refused(error.message, error.broker_code)

    async def _order(self, broker_order_id: str) -> BrokerOrder | None:
        """An order's variety and instrument, which changes are addressed by."""
        known = self._known(broker_order_id)
        if known is not None:
            return known
        return next((one for one in await self.orders() if one.broker_order_id == broker_order_id), None)

    async def _rows(
        self,
        path: str,
        what: str,
        parse: Callable[[Record, InstrumentBook], Row],
        pick: Callable[[Json], Json] = lambda data: data,
        is_ours: Callable[[Record], bool] = lambda row: True,
    ) -> Sequence[Row]:
        """The rows of a book; for a contract that was listed since the morning the instrument file is fetched again.

        One that cannot be read is an error where it `is_ours`, for the book says nothing then; others' are left out.
        """
        book = await self._data.book()
        rows = records(pick(await self._client.read(path)), what)
        made: list[Row] = []
        for row in rows:
            try:
                made.append(parse(row, book))
            except UnknownInstrumentError:
                fresh = await self._data.book() if await self._data.refetched() else book
                self._read_again(row, fresh, parse, is_ours, made)
            except MalformedReplyError as error:
                self._leave_out(row, error, is_ours)
        return made

    def _read_again(
        self,
        row: Record,
        book: InstrumentBook,
        parse: Callable[[Record, InstrumentBook], Row],
        is_ours: Callable[[Record], bool],
        made: list[Row],
    ) -> None:
        try:
            made.append(parse(row, book))
        except (UnknownInstrumentError, MalformedReplyError) as error:
            self._leave_out(row, error, is_ours)

    def _leave_out(
        self,
        row: Record,
        error: UnknownInstrumentError | MalformedReplyError,
        is_ours: Callable[[Record], bool],
    ) -> None:
        """Errors: the given one, where the row is ours or nobody can say whose it is."""
        if is_ours(row):
            raise error
        if error.message not in self._left_out:
            self._left_out.add(error.message)
            _log.warning(
                "zerodha: a row that is not of this desk cannot be read and is left out: %s", error.message
            )

    def _is_ours(self, row: Record) -> bool:
        """Whether an order bears a tag, as all of ours do; a trade bears none, its order may be known."""
        known = self._known(row.text("order_id"))
        return bool(row.optional_text("tag") or (known is not None and known.tag))


def _path(order: BrokerOrder) -> str:
    return f"/orders/{order.variety}/{quote(order.broker_order_id, safe='')}"


def _parent(order: BrokerOrder) -> Fields:
    """The second leg of a cover order is addressed through its parent."""
    if order.variety is Variety.COVER and order.parent_order_id is not None:
        return [("parent_order_id", order.parent_order_id)]
    return []


def _changed(data: Json) -> PlaceResult:
    return Accepted(Record(data, "changed order").text("order_id"))
