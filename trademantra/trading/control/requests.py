"""What other programs ask of a running desk: a row each, answered once by the desk of that account.

A request that nobody took in time is void: a desk that starts tomorrow must not carry out what was wanted today.

Asked again under the same id it is the same request.  What was settled stays so.  Where its answer was "unknown", or the desk
that took it died, a desk that runs looks at it again: orders bear the request's name, so what the journal holds is answered as
it stands and never sent again, and what the journal does not hold was never sent.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, cast

import sqlalchemy
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND
from trademantra.kit.database import Database
from trademantra.kit.timer import Timer
from trademantra.trading.control.models import RequestRow

_LOOK_EVERY_NS = NANOSECONDS_PER_SECOND // 5
_DONE = "done"
_UNKNOWN = "unknown"
_MAY_BE_DONE = "the desk that took it ended before it answered: it may be done or not; look at tm desk positions and tm desk orders"


class NoAnswerError(TradeMantraError):
    """No desk answered in time; the message says whether one took the request."""

    code: ClassVar[str] = "desk_no_answer"


class RequestFailedError(TradeMantraError):
    """The desk took the request and could not do it."""

    code: ClassVar[str] = "desk_request_failed"


class RequestKind(StrEnum):
    RECONCILE = "reconcile"
    CLOSE_ALL = "close_all"
    CANCEL_ALL = "cancel_all"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    """One session ends; the others go on."""
    START = "start"
    """One more session begins."""
    PLACE = "place"
    TARGET = "target"
    BASKET = "basket"
    CONVERT = "convert"
    PROTECT = "protect"
    CANCEL = "cancel"
    """Single orders end."""
    MODIFY = "modify"
    """One order gets new terms."""
    ALGOS = "algos"
    """What algorithms run, and how far they are."""
    ALGO_STOP = "algo_stop"


_NAMED = frozenset(
    {
        RequestKind.PLACE, RequestKind.TARGET, RequestKind.BASKET, RequestKind.PROTECT, RequestKind.CANCEL,
        RequestKind.MODIFY,
    }
)  # fmt: skip
"""Everything that these place bears the name of the request, and what ends or changes is named by it: looking at one again does
nothing twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRequest:
    """`arguments`: plain JSON values, such as {"strategy": "orb"}.  Void from `expires_ns` on."""

    request_id: str
    account_id: str
    kind: RequestKind
    asked_ns: int
    expires_ns: int
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeskAnswer:
    """`done` False: `text` says why not.  `facts`: plain JSON values."""

    done: bool
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)


class RequestStore:
    """The requests in one database.  The desk calls `take` a few times a second and `answer`; others call `ask`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        table = cast(sqlalchemy.Table, RequestRow.__table__)
        made = sqlite.insert(table) if database.is_sqlite else postgresql.insert(table)
        self._put = made.on_conflict_do_nothing(index_elements=("request_id",))

    async def take(self, account_ids: Sequence[str], now_ns: int) -> Sequence[DeskRequest]:
        """Requests to these accounts that still hold, in the order of asking; each is handed out once.

        A desk that dies with one in hand leaves it unanswered: who asked is told that it may have been done.
        """
        wanted = (
            RequestRow.account_id.in_(account_ids),
            RequestRow.taken_ns.is_(None),
            RequestRow.answered_ns.is_(None),
            RequestRow.expires_ns > now_ns,
        )
        async with (
            self._database.reading() as session
        ):  # most looks find nothing, and writing would wait its turn
            if await session.scalar(select(RequestRow.request_id).where(*wanted).limit(1)) is None:
                return ()
        async with self._database.writing() as session:
            rows = await session.scalars(
                select(RequestRow)
                .where(*wanted)
                .order_by(RequestRow.asked_ns, RequestRow.request_id)
                .with_for_update()
            )
            taken = list(rows)
            for row in taken:
                row.taken_ns = now_ns
        return [_request(row) for row in taken]

    async def left_behind(self, account_ids: Sequence[str], now_ns: int) -> Sequence[DeskRequest]:
        """Requests that a desk which is gone had taken and not answered; call it once, before the first `take`.

        Those whose orders bear their name are taken again, by `take`, while somebody waits or when they are asked again; the
        others may be done or not, and are answered so.
        """
        async with self._database.writing() as session:
            rows = await session.scalars(
                select(RequestRow)
                .where(
                    RequestRow.account_id.in_(account_ids),
                    RequestRow.taken_ns.is_not(None),
                    RequestRow.answered_ns.is_(None),
                )
                .order_by(RequestRow.asked_ns, RequestRow.request_id)
                .with_for_update()
            )
            found = list(rows)
            for row in found:
                if RequestKind(row.kind) in _NAMED:
                    row.taken_ns = None
                else:
                    _put_answer(row, DeskAnswer(False, _MAY_BE_DONE), now_ns)
        return [_request(row) for row in found]

    async def answer(self, request_id: str, answer: DeskAnswer, now_ns: int) -> None:
        """Say what came of it.  The first answer stays.  Errors: `NotFoundError`."""
        async with self._database.writing() as session:
            row = await session.get(RequestRow, request_id, with_for_update=True)
            if row is None:
                raise NotFoundError(f"nobody asked {request_id}")
            if row.answered_ns is None:
                _put_answer(row, answer, now_ns)

    async def ask(self, request: DeskRequest, timer: Timer) -> DeskAnswer:
        """Write the request and wait until it is answered or void.

        A request of the same id is the same request: it is written once, and its answer is everybody's; see above for one
        that was never settled.
        Errors: `NoAnswerError`; `RequestFailedError` with the desk's own words; `InvalidValueError` for an id under which
        something else was asked.
        """
        plain: dict[str, object] = {
            "request_id": request.request_id, "account_id": request.account_id, "kind": request.kind.value,
            "arguments": json.dumps(dict(request.arguments)), "asked_ns": request.asked_ns,
            "expires_ns": request.expires_ns, "taken_ns": None, "answered_ns": None, "answer": "",
        }  # fmt: skip
        async with self._database.writing() as session:
            await session.execute(self._put, plain)
            row = await session.get_one(RequestRow, request.request_id)
            same = (row.account_id, row.kind) == (request.account_id, request.kind.value)
            if not same or json.loads(row.arguments) != json.loads(str(plain["arguments"])):
                raise InvalidValueError(
                    f"under the id {request.request_id} something else was asked before",
                    hint="take a new --id",
                )
            is_again = row.asked_ns != request.asked_ns
            if is_again:
                _look_again(row, request)
        while (answer := await self._answer_of(request.request_id)) is None:
            if timer.now_ns() >= request.expires_ns:
                answer = await self._given_up(request, timer.now_ns(), is_again=is_again)
                break
            await timer.until(min(timer.now_ns() + _LOOK_EVERY_NS, request.expires_ns))
        if answer.done:
            return answer
        raise RequestFailedError(f"{_what(request)}: {answer.text}")

    async def _answer_of(self, request_id: str) -> DeskAnswer | None:
        async with self._database.reading() as session:
            row = await session.get(RequestRow, request_id)
        return None if row is None or row.answered_ns is None else _answer(row)

    async def _given_up(self, request: DeskRequest, now_ns: int, *, is_again: bool) -> DeskAnswer:
        """Take the request back, unless it was taken or answered in the last moment.  Errors: `NoAnswerError`.

        One that was asked before may have placed something then: it is not void, and can be asked once more.
        """
        async with self._database.writing() as session:
            row = await session.get_one(RequestRow, request.request_id, with_for_update=True)
            if row.answered_ns is not None:
                return _answer(row)
            taken = row.taken_ns is not None
            if not taken and is_again:
                row.expires_ns = min(row.expires_ns, now_ns)
            elif not taken:
                _put_answer(row, DeskAnswer(False, "nobody took it in time"), now_ns)
        waited = (now_ns - request.asked_ns) / NANOSECONDS_PER_SECOND
        if taken:
            raise NoAnswerError(
                f"{_what(request)}: a desk took the request, but has not answered within {waited:g} s",
                hint="it may be done, or be under way: look at tm desk status and at the broker; under the same --id it can be "
                "asked again, and places nothing twice",
            )
        raise NoAnswerError(
            f"{_what(request)}: no desk took the request within {waited:g} s; it is void now",
            hint="does a desk run for this account? tm desk status says; tm paper and tm live start one",
        )


def _look_again(row: RequestRow, request: DeskRequest) -> None:
    """Somebody waits for it anew; an answer that settled it stays."""
    if row.answered_ns is None:
        row.expires_ns = max(row.expires_ns, request.expires_ns)
    elif RequestKind(row.kind) in _NAMED and json.loads(row.answer)["facts"].get("outcome") == _UNKNOWN:
        row.taken_ns, row.answered_ns, row.answer = None, None, ""
        row.expires_ns = request.expires_ns


def _put_answer(row: RequestRow, answer: DeskAnswer, now_ns: int) -> None:
    row.answered_ns = now_ns
    row.answer = json.dumps({_DONE: answer.done, "text": answer.text, "facts": dict(answer.facts)})


def _what(request: DeskRequest) -> str:
    return f"{request.kind.value.replace('_', ' ')} of account {request.account_id}"


def _answer(row: RequestRow) -> DeskAnswer:
    told = json.loads(row.answer)
    return DeskAnswer(told[_DONE], told["text"], told["facts"])


def _request(row: RequestRow) -> DeskRequest:
    return DeskRequest(
        request_id=row.request_id, account_id=row.account_id, kind=RequestKind(row.kind), asked_ns=row.asked_ns,
        expires_ns=row.expires_ns, arguments=json.loads(row.arguments),
    )  # fmt: skip
