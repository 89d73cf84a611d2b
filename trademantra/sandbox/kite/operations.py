"""How a route is declared: what it takes, what it counts as, who answers.  The description is made from the same."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from trademantra.sandbox.kite.fields import Fields
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.limits import Budget

if TYPE_CHECKING:
    from trademantra.sandbox.kite.desk import Desk
    from trademantra.sandbox.kite.sessions import Session


class Where(StrEnum):
    """Which part of a request a parameter stands in."""

    PATH = "path"
    QUERY = "query"
    FORM = "form"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named value of a request.  `schema` is JSON Schema, `repeated`: it may stand more than once."""

    name: str
    where: Where
    schema: Mapping[str, Json]
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not Kite's JSON envelope."""

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Call:
    """One request, parsed.  `session` is there for operations that need a login."""

    desk: "Desk"
    path: Mapping[str, str]
    query: Fields
    form: Fields
    repeated: Mapping[str, Sequence[str]]
    body: bytes
    client: str
    signed_in: "Session | None" = None

    @property
    def session(self) -> "Session":
        """Errors: `LookupError` where the operation was not declared to need a login."""
        if self.signed_in is None:
            raise LookupError("this operation has no session")
        return self.signed_in

    @property
    def user(self) -> str:
        return self.session.account.user_id


Answer: TypeAlias = "Json | Raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    `budget`: which rate limit counts it.  `needs_login`: an Authorization header is asked for.  `places_orders`: taken
    from registered addresses only.  `changes`: the exchange may be another one afterwards.  `control`: taken from this machine only, and only as JSON.
    `json_body`: schema of a JSON body, None for a form.
    """

    method: str
    path: str
    summary: str
    answer: "Callable[[Call], Answer | Awaitable[Answer]]"
    budget: Budget = Budget.OTHER
    needs_login: bool = True
    places_orders: bool = False
    changes: bool = False
    control: bool = False
    parameters: tuple[Parameter, ...] = ()
    json_body: Mapping[str, Json] | None = None
    content_type: str = "application/json"


def text(name: str, where: Where, *, required: bool = False, words: Sequence[str] = ()) -> Parameter:
    """A text parameter; `words` are the only values that are taken."""
    schema: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": 60}
    return Parameter(name, where, {"type": "string", "enum": list(words)} if words else schema, required)


def whole(name: str, where: Where, *, required: bool = False, least: int = 0) -> Parameter:
    """A whole number."""
    return Parameter(name, where, {"type": "integer", "minimum": least, "maximum": 999_999_999}, required)


def real(name: str, where: Where, *, required: bool = False) -> Parameter:
    """A decimal number."""
    return Parameter(name, where, {"type": "number", "minimum": -1, "maximum": 999_999_999}, required)
