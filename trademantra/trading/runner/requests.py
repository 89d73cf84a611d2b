"""What the desk asks of a worker: each request as a body and raw bytes, and how the worker reads it."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trademantra.core.bar import Bar
from trademantra.engine.bars import Bars
from trademantra.engine.records import RecordArray
from trademantra.engine.rules import TradingRules
from trademantra.engine.terms import Terms
from trademantra.engine.timeline import Timeline
from trademantra.markets.charges.numeric import CHARGE_RULE
from trademantra.trading.runner.plain import number, row, table, text, whole
from trademantra.trading.runner.rules_form import plain_rules, rules_of
from trademantra.trading.runner.run_log import WarmUp
from trademantra.trading.runner.spec import RunSpec, StrategySource
from trademantra.trading.runner.wire import ProtocolError

BAR_ROW = struct.Struct("<Iqddddd")
"""One bar of a block: its stream, start_ns, open, high, low, close, volume."""

_LOAD = frozenset(
    {"strategy", "symbols", "streams", "timeframe_ns", "values", "rules", "bars_per_year", "charged", "own"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A load request as the worker reads it.  `streams` are the numbers of its instruments' bars in blocks."""

    strategy: StrategySource
    symbols: tuple[str, ...]
    streams: tuple[int, ...]
    timeframe_ns: int
    values: Mapping[str, float]
    rules: TradingRules
    charges: RecordArray | None
    bars_per_year: float
    own: Mapping[str, Terms]


def plain_load(spec: RunSpec, streams: Sequence[int]) -> tuple[dict[str, object], bytes]:
    """Body and raw bytes that `load_of` reads."""
    source = spec.strategy
    body: dict[str, object] = {
        "strategy": [source.name, source.sha256, source.path],
        "symbols": list(spec.symbols),
        "streams": list(streams),
        "timeframe_ns": spec.timeframe_ns,
        "values": dict(spec.values),
        "rules": plain_rules(spec.rules),
        "bars_per_year": spec.bars_per_year,
        "charged": _rows(spec.charges),
        "own": [
            [symbol, each.lot, each.tick, each.multiplier, _rows(each.charges)]
            for symbol, each in spec.own.items()
        ],
    }
    return body, b"".join(map(_raw, (spec.charges, *(each.charges for each in spec.own.values()))))


def load_of(plain: object, raw: bytes) -> Loaded:
    """Errors: `ProtocolError`."""
    given = table(plain, "load", _LOAD)
    name, sha256, path = (text(each, "strategy") for each in row(given["strategy"], "strategy", 3))
    values = table(given["values"], "values")
    at = 0

    def charges_in(count: int) -> RecordArray | None:
        """The next rules of `raw`; below zero: none."""
        nonlocal at
        if count < 0:
            return None
        size = count * CHARGE_RULE.itemsize
        if at + size > len(raw):
            raise ProtocolError("load: fewer bytes than its charges need")
        at += size
        return np.frombuffer(raw, CHARGE_RULE, count, at - size).copy()

    charges = charges_in(whole(given["charged"], "charged"))
    own = {}
    for each in row(given["own"], "own"):
        symbol, lot, tick, multiplier, count = row(each, "own", 5)
        own[text(symbol, "symbol")] = Terms(
            lot=number(lot, "lot"), tick=number(tick, "tick"), multiplier=number(multiplier, "multiplier"),
            charges=charges_in(whole(count, "charged")),
        )  # fmt: skip
    return Loaded(
        StrategySource(name, sha256, path),
        tuple(text(each, "symbol") for each in row(given["symbols"], "symbols")),
        tuple(whole(each, "stream") for each in row(given["streams"], "streams")),
        whole(given["timeframe_ns"], "timeframe_ns"),
        {parameter: number(value, parameter) for parameter, value in values.items()},
        rules_of(given["rules"]),
        charges,
        number(given["bars_per_year"], "bars_per_year"),
        own,
    )


def _rows(charges: RecordArray | None) -> int:
    return -1 if charges is None else len(charges)


def _raw(charges: RecordArray | None) -> bytes:
    return b"" if charges is None else np.ascontiguousarray(charges, CHARGE_RULE).tobytes()


def plain_warm_up(warm_up: WarmUp) -> tuple[list[object], bytes]:
    """Body and raw bytes that `warm_up_of` reads: per instrument its name and lengths, and its arrays."""
    body: list[object] = []
    raw: list[bytes] = []
    for symbol, bars in warm_up.bars.items():
        line = warm_up.timelines[symbol]
        body.append([symbol, len(bars), len(line.ends), len(line.allowed)])
        raw += [
            np.ascontiguousarray(each).tobytes()
            for each in (
                bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume,
                line.session, line.minute, line.day, line.ends, line.allowed,
            )
        ]  # fmt: skip
    return body, b"".join(raw)


def warm_up_of(plain: object, raw: bytes) -> WarmUp:
    """Errors: `ProtocolError`, and `InvalidValueError` for bars that are none."""
    bars: dict[str, Bars] = {}
    timelines: dict[str, Timeline] = {}
    at = 0

    def taken(count: int, kind: str) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        nonlocal at
        size = count * np.dtype(kind).itemsize
        if at + size > len(raw):
            raise ProtocolError("warm-up: fewer bytes than its bars need")
        at += size
        return np.frombuffer(raw, kind, count, at - size).copy()

    for each in row(plain, "warm-up"):
        name, *lengths = row(each, "warm-up", 4)
        symbol = text(name, "symbol")
        n, ends, allowed = (whole(length, "length", 0) for length in lengths)
        ts = taken(n, "<i8").astype(np.int64)
        opens, highs, lows, closes, volumes = (taken(n, "<f8").astype(np.float64) for _ in range(5))
        bars[symbol] = Bars.of(ts, opens, highs, lows, closes, volumes)
        sessions, minutes, days = (taken(n, "<i8").astype(np.int64) for _ in range(3))
        timelines[symbol] = Timeline(
            sessions, minutes, days, taken(ends, "<i8").astype(np.int64), taken(allowed, "i1").astype(np.int8)
        )
    return WarmUp(bars, timelines)


def block_row(stream: int, bar: Bar) -> bytes:
    return BAR_ROW.pack(stream, bar.start_ns, bar.open, bar.high, bar.low, bar.close, bar.volume)


def bars_of(block: bytes) -> list[tuple[int, Bar]]:
    """Streams and bars of a block.

    >>> bars_of(block_row(3, Bar(60, 1.0, 2.0, 0.5, 1.5, 10.0)))[0][0]
    3
    """
    return [(stream, Bar(*values)) for stream, *values in BAR_ROW.iter_unpack(block)]
