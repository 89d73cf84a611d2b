"""How far this machine's clock is from the broker's, from the `Date` of its answers.

`Date` counts whole seconds (RFC 9110 5.6.7), so one answer says: the broker's clock was within that second when the answer was made,
somewhere between asking and hearing.  Several answers, cut with each other, say it to a fraction of a second.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import ClassVar

import httpx2

from trademantra.core.errors import TradeMantraError
from trademantra.core.time import NANOSECONDS_PER_SECOND, Clock, ns_of

_SECOND = NANOSECONDS_PER_SECOND
_ANSWERS = 4
_BETWEEN_SECONDS = 0.27  # no divisor of a second: each answer falls into another part of one
_TIMEOUT_SECONDS = 5.0


class SkewUnknownError(TradeMantraError):
    """The broker's clock could not be read."""

    code: ClassVar[str] = "clock_skew_unknown"


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The broker's clock is ahead of ours by at least `least_ns` and at most `most_ns` (negative: behind)."""

    least_ns: int
    most_ns: int

    @property
    def middle_ns(self) -> int:
        return (self.least_ns + self.most_ns) // 2


@dataclass(frozen=True, slots=True)
class DatedAnswer:
    """One answer: when it was asked for and heard by our clock, and the broker's `date_ns`, cut to the second."""

    asked_ns: int
    heard_ns: int
    date_ns: int


def skew_of(answers: Sequence[DatedAnswer]) -> ClockSkew:
    """What all answers allow.  Errors: `SkewUnknownError` when there is none, or they contradict each other.

    >>> skew_of([DatedAnswer(1_200_000_000, 1_300_000_000, 1_000_000_000),
    ...          DatedAnswer(1_900_000_000, 1_950_000_000, 2_000_000_000)])
    ClockSkew(least_ns=50000000, most_ns=800000000)
    """
    if not answers:
        raise SkewUnknownError("the broker did not tell the time")
    least = max(each.date_ns - each.heard_ns for each in answers)
    most = min(each.date_ns + _SECOND - each.asked_ns for each in answers)
    if least > most:
        raise SkewUnknownError(
            "the broker's answers contradict each other: several clocks, or one that was set"
        )
    return ClockSkew(least, most)


async def read_skew(url: str, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> ClockSkew:
    """Ask `url` a few times what time it is.  No login is needed: an error page has a date too.

    Errors: `SkewUnknownError`.
    """
    answers = []
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=_TIMEOUT_SECONDS) as client:
            for number in range(_ANSWERS):
                if number:
                    await sleep(_BETWEEN_SECONDS)
                asked_ns = clock.now_ns()
                reply = await client.head(url)
                heard_ns = clock.now_ns()
                date = reply.headers.get("date", "")
                if date:
                    answers.append(DatedAnswer(asked_ns, heard_ns, ns_of(parsedate_to_datetime(date))))
    except httpx2.HTTPError as error:
        raise SkewUnknownError(f"the broker does not answer: {type(error).__name__}") from error
    except ValueError as error:
        raise SkewUnknownError(f"the broker tells a time that cannot be read: {error}") from error
    return skew_of(answers[1:] or answers)  # the first one also opened the connection
