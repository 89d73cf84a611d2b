"""What a worker answers, read into types at the desk's edge."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from trademantra.engine.live.run import LiveRun
from trademantra.engine.live.wants import LiveTrade, Want
from trademantra.engine.records import Reason
from trademantra.trading.runner.plain import number, or_null, row, table, text, whole
from trademantra.trading.runner.want_form import wants_of
from trademantra.trading.runner.wire import ProtocolError


@dataclass(frozen=True, slots=True)
class Failure:
    """The strategy raised; `trace` is the end of its traceback."""

    message: str
    hint: str
    trace: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A strategy is loaded; `hears_ticks`: it is to be told of single prices too."""

    hears_ticks: bool


@dataclass(frozen=True, slots=True)
class Done:
    """A warm-up or an unload is done."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The digest of all decisions since the load."""

    digest: str


@dataclass(frozen=True, slots=True)
class Wanted:
    wants: list[Want]


@dataclass(frozen=True, slots=True)
class LiveState:
    """What a run holds as its model sees it: quantities by symbol, and equity in currency.

    `leaving`: what of it is to be left, and why.
    """

    positions: Mapping[str, float]
    equity: float
    trades: tuple[LiveTrade, ...]
    leaving: Mapping[str, Reason] = field(default_factory=dict)


Outcome = Failure | Ready | Done | Replayed | Wanted | LiveState


def plain_state(live: LiveRun) -> dict[str, object]:
    return {
        "positions": {symbol: or_null(live.position(symbol)) for symbol in live.symbols},
        "equity": or_null(live.equity),
        "leaving": {symbol: int(reason) for symbol, reason in live.leaving().items()},
        "trades": [
            [trade.symbol, trade.side, trade.entry_ns, trade.exit_ns, int(trade.reason), *_amounts(trade)]
            for trade in live.trades()
        ],
    }


def outcomes_of(plain: object, symbols_of: Mapping[int, Collection[str]]) -> dict[int, Outcome]:
    """Outcomes by number of run; `symbols_of` holds the runs that were asked.  A run that wants nothing may be absent.

    Errors: `ProtocolError` for anything else than answers to what was asked.
    """
    runs = row(table(plain, "an answer", frozenset({"runs"}))["runs"], "runs")
    read: dict[int, Outcome] = {}
    for each in runs:
        name, outcome = row(each, "an answer", 2)
        run = whole(name, "run")
        if run not in symbols_of or run in read:
            raise ProtocolError(f"an answer of run {run}, which was not asked")
        read[run] = _outcome(outcome, symbols_of[run])
    return read


def _outcome(plain: object, symbols: Collection[str]) -> Outcome:
    given = table(plain, "an outcome")
    match list(given.items()):
        case [("wants", wants)]:
            return Wanted(wants_of(wants, symbols))
        case [("error", error)]:
            of = table(error, "error", frozenset({"message", "hint", "trace"}))
            return Failure(
                text(of["message"], "message"), text(of["hint"], "hint"), text(of["trace"], "trace")
            )
        case [("ready", {"hears_ticks": bool() as hears, **more})] if not more:
            return Ready(hears)
        case [("done", True)]:
            return Done()
        case [("digest", digest)]:
            return Replayed(text(digest, "digest", 100))
        case [("state", state)]:
            return _state(state, symbols)
    raise ProtocolError(f"an outcome of {', '.join(given)[:100]} is not known")


def _state(plain: object, symbols: Collection[str]) -> LiveState:
    given = table(plain, "state", frozenset({"positions", "equity", "leaving", "trades"}))
    positions = table(given["positions"], "positions", frozenset(symbols))
    leaving = table(given["leaving"], "leaving")
    if not leaving.keys() <= set(symbols):
        raise ProtocolError(f"it leaves {', '.join(leaving)[:100]}, which is not its own")
    return LiveState(
        {symbol: number(quantity, "position") for symbol, quantity in positions.items()},
        number(given["equity"], "equity"),
        tuple(_trade(each) for each in row(given["trades"], "trades")),
        {symbol: _reason(reason) for symbol, reason in leaving.items()},
    )


def _reason(value: object) -> Reason:
    try:
        return Reason(whole(value, "reason"))
    except ValueError as error:
        raise ProtocolError(f"{value} is no reason") from error


def _amounts(trade: LiveTrade) -> tuple[float, ...]:
    return (trade.quantity, trade.entry_price, trade.exit_price, trade.gross, trade.costs, trade.net)


def _trade(plain: object) -> LiveTrade:
    symbol, side, entry_ns, exit_ns, reason, *amounts = row(plain, "a trade", 11)
    quantity, entry_price, exit_price, gross, costs, net = (number(each, "amount") for each in amounts)
    return LiveTrade(
        text(symbol, "symbol"),
        whole(side, "side", -1, 1),
        whole(entry_ns, "entry_ns"),
        whole(exit_ns, "exit_ns"),
        quantity,
        entry_price,
        exit_price,
        gross,
        costs,
        net,
        _reason(reason),
    )
