"""Failures on demand: what a client must survive, switched on by `POST /sandbox/faults`."""

import fnmatch
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from trademantra.sandbox.kite.errors import invalid, missing
from trademantra.sandbox.kite.fields import fields_of
from trademantra.sandbox.kite.json_form import Json

LONGEST_DELAY_MS = 600_000


class FaultKind(StrEnum):
    """What goes wrong.  docs/sandbox.md describes each."""

    DELAY = "delay"
    DROP_REPLY = "drop_reply"
    RATE_LIMITED = "rate_limited"
    BAD_GATEWAY = "bad_gateway"
    LATE_BAD_GATEWAY = "late_bad_gateway"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    IP_NOT_REGISTERED = "ip_not_registered"
    DUPLICATE_UPDATE = "duplicate_update"
    REORDER_UPDATES = "reorder_updates"
    DROP_UPDATE = "drop_update"
    SOCKET_CUT = "socket_cut"
    STALE_FEED = "stale_feed"
    GARBAGE_FRAME = "garbage_frame"


REQUEST_FAULTS = frozenset(
    {
        FaultKind.DELAY, FaultKind.DROP_REPLY, FaultKind.RATE_LIMITED, FaultKind.BAD_GATEWAY,
        FaultKind.LATE_BAD_GATEWAY, FaultKind.TOKEN_EXPIRED, FaultKind.IP_NOT_REGISTERED,
    }
)  # fmt: skip
UPDATE_FAULTS = frozenset({FaultKind.DUPLICATE_UPDATE, FaultKind.REORDER_UPDATES, FaultKind.DROP_UPDATE})
FEED_FAULTS = frozenset({FaultKind.SOCKET_CUT, FaultKind.STALE_FEED, FaultKind.GARBAGE_FRAME})

_FIELDS = frozenset({"kind", "method", "path", "count", "probability", "seed", "delay_ms", "tokens"})


@dataclass(slots=True, kw_only=True)
class Fault:
    """One failure that is switched on.

    It strikes what `method` and `path` (shell patterns) match, with `probability`, and goes away after `count` strikes
    (None: it stays until it is cleared).  `tokens` limits a stale feed to some instruments; empty: to all.
    """

    fault_id: int
    kind: FaultKind
    method: str
    path: str
    remaining: int | None
    probability: float
    delay_ms: int
    tokens: frozenset[int]
    generator: random.Random
    struck: int = 0

    def json(self) -> Json:
        return {
            "id": self.fault_id,
            "kind": self.kind.value,
            "method": self.method,
            "path": self.path,
            "remaining": self.remaining,
            "probability": self.probability,
            "delay_ms": self.delay_ms,
            "tokens": sorted(self.tokens),
            "struck": self.struck,
        }


@dataclass(slots=True)
class FaultBook:
    """The failures that are on, oldest first."""

    _faults: list[Fault] = field(default_factory=list)
    _made: int = 0

    def add(self, wanted: Json) -> Fault:
        """Switch one on.  Errors: InputException naming the field."""
        fields = fields_of(wanted, "body")
        unknown = sorted(set(wanted) - _FIELDS) if isinstance(wanted, Mapping) else []
        if unknown:
            raise invalid(unknown[0], f"Fields: {', '.join(sorted(_FIELDS))}.")
        kind = fields.word("kind", FaultKind)
        probability = fields.number("probability") if fields.has("probability") else 1
        if not 0 < probability <= 1:
            raise invalid("probability", "It lies above 0 and up to 1.")
        delay_ms = fields.optional_whole("delay_ms")
        if delay_ms > LONGEST_DELAY_MS:
            raise invalid("delay_ms", f"At most {LONGEST_DELAY_MS}.")
        if kind is FaultKind.DELAY and not delay_ms:
            raise missing("delay_ms")
        self._made += 1
        fault = Fault(
            fault_id=self._made,
            kind=kind,
            method=fields.optional("method", "*").upper(),
            path=fields.optional("path", "*"),
            remaining=fields.positive("count") if fields.has("count") else None,
            probability=float(probability),
            delay_ms=delay_ms,
            tokens=_tokens(wanted),
            generator=random.Random(fields.optional_whole("seed")),  # noqa: S311
        )
        self._faults.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> int:
        """Switch all off, or one; how many were on."""
        kept = [] if fault_id is None else [fault for fault in self._faults if fault.fault_id != fault_id]
        gone = len(self._faults) - len(kept)
        self._faults = kept
        return gone

    def listed(self) -> list[Json]:
        return [fault.json() for fault in self._faults]

    def on_request(self, method: str, path: str) -> list[Fault]:
        """Those that strike this request; each counts as one strike."""
        if not self._faults:
            return []
        return [
            fault
            for fault in tuple(self._faults)
            if fault.kind in REQUEST_FAULTS
            and fnmatch.fnmatchcase(method, fault.method)
            and fnmatch.fnmatchcase(path, fault.path)
            and self._strikes(fault)
        ]

    def strike(self, kind: FaultKind) -> Fault | None:
        """The first failure of a kind, if it strikes now."""
        if not self._faults:
            return None
        return next((f for f in tuple(self._faults) if f.kind is kind and self._strikes(f)), None)

    def _strikes(self, fault: Fault) -> bool:
        if fault.probability < 1 and fault.generator.random() >= fault.probability:
            return False
        fault.struck += 1
        if fault.remaining is not None:
            fault.remaining -= 1
            if fault.remaining == 0:
                self._faults.remove(fault)
        return True


def _tokens(wanted: Json) -> frozenset[int]:
    tokens = wanted.get("tokens", []) if isinstance(wanted, Mapping) else []
    if not isinstance(tokens, list) or any(isinstance(x, bool) or not isinstance(x, int) for x in tokens):
        raise invalid("tokens", "A list of instrument tokens is needed.")
    return frozenset(tokens)
