"""The go-live gate: a strategy trades live only after a paper record of the same parameters that meets its thresholds.

The record is made of sessions on live prices in one paper account (replays prove nothing: their prices were known) and
of their closed trades.  Figures are those of `engine.metrics` where it has them.  What was open and lost in between is
not in closed trades: the drawdown of the account itself is bounded by its limits, not here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from trademantra.core.errors import InvalidValueError, MissingFactError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.time import ist_date
from trademantra.engine.metrics import drawdown_of, longest_run
from trademantra.markets.sessions import trading_days_between
from trademantra.trading.record.store import RecordStore, SessionMode, SessionRecord, TradeRecord

_DAYS_PER_YEAR = 252.0
_DECIMALS = 9  # what is exactly at a threshold is not beyond it by the noise of floats
RECOMMENDED_TRADES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GoLiveThresholds:
    """What a paper record must reach.  Fractions of 1; "above" and "below" are strict, as in the issue."""

    days: int = 14
    trades: int = 50
    win_rate_above: float = 0.60
    drawdown_below: float = 0.10
    sharpe_above: float = 1.5
    losses_in_a_row_below: int = 5

    def __post_init__(self) -> None:
        if self.days < 1 or self.trades < 1 or self.losses_in_a_row_below < 1:
            raise InvalidValueError("days, trades and losses_in_a_row_below are at least 1")
        if not (
            0 <= self.win_rate_above < 1 and 0 < self.drawdown_below <= 1 and isfinite(self.sharpe_above)
        ):
            raise InvalidValueError("win_rate_above and drawdown_below are fractions, sharpe_above a number")


class Measure(StrEnum):
    """The lines of the checklist, in their order."""

    DAYS = "days"
    TRADES = "trades"
    WIN_RATE = "win_rate"
    DRAWDOWN = "drawdown"
    SHARPE = "sharpe"
    LOSSES_IN_A_ROW = "losses_in_a_row"


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """`have` None: not known yet, because there is too little to measure."""

    measure: Measure
    title: str
    have: float | None
    need: float
    have_text: str
    need_text: str
    is_ok: bool
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checklist:
    """What the record of one strategy, one set of parameters and one paper account has and needs.

    `paper_account` "": there is no record yet.
    """

    strategy: str
    parameters_hash: str
    paper_account: str
    sessions: int
    lines: Sequence[ChecklistLine]

    @property
    def is_met(self) -> bool:
        return all(line.is_ok for line in self.lines)

    def as_json(self) -> dict[str, object]:
        return {
            "strategy": self.strategy,
            "parameters_hash": self.parameters_hash,
            "paper_account": self.paper_account,
            "sessions": self.sessions,
            "met": self.is_met,
            "lines": [
                {"measure": each.measure.value, "title": each.title, "have": each.have, "need": each.need,
                 "ok": each.is_ok, "remark": each.remark}
                for each in self.lines
            ],
        }  # fmt: skip


async def checklist_of(
    record: RecordStore,
    strategy: str,
    parameters_hash: str,
    thresholds: GoLiveThresholds,
    without: Collection[str] = (),
) -> Checklist:
    """The checklist of the paper account with the most trades, among all but `without`.

    Records of several accounts are not added up: the same trades in two accounts are one experience.
    """
    sessions = [
        each
        for each in await record.sessions(strategy=strategy, mode=SessionMode.PAPER)
        if each.parameters_hash == parameters_hash and each.account_id not in without
    ]
    trades = await record.trades([each.session_id for each in sessions])
    chosen = _fullest(sessions, trades)
    mine = [each for each in sessions if each.account_id == chosen]
    ids = {each.session_id for each in mine}
    return Checklist(
        strategy=strategy,
        parameters_hash=parameters_hash,
        paper_account=chosen,
        sessions=len(mine),
        lines=checklist_lines(mine, [each for each in trades if each.session_id in ids], thresholds),
    )


def checklist_lines(
    sessions: Sequence[SessionRecord], trades: Sequence[TradeRecord], thresholds: GoLiveThresholds
) -> Sequence[ChecklistLine]:
    """The figures of one record.  `trades` by exit."""
    need = thresholds
    days = trading_days(sessions, trades)
    count = len(trades)
    nets = np.array([float(each.net) for each in trades])
    wins = round(float((nets > 0).mean()), _DECIMALS) if count else None
    losses = int(longest_run(nets <= 0)) if count else None
    curve, daily = _curve(sessions, trades, days)
    drawdown = None if not count else round(-drawdown_of(curve, 1.0)[0], _DECIMALS)
    sharpe = _sharpe(daily)
    few = f"; {RECOMMENDED_TRADES} are recommended" if need.trades <= count < RECOMMENDED_TRADES else ""
    return (
        ChecklistLine(
            Measure.DAYS, "trading days on paper", len(days), need.days, f"{len(days)}", f"{need.days}",
            len(days) >= need.days,
        ),
        ChecklistLine(
            Measure.TRADES, "closed trades", count, need.trades, f"{count}", f"{need.trades}", count >= need.trades,
            few.removeprefix("; "),
        ),
        ChecklistLine(
            Measure.WIN_RATE, "win rate", wins, need.win_rate_above, _percent(wins), f"> {need.win_rate_above:.0%}",
            wins is not None and wins > need.win_rate_above, "" if wins is not None else "no closed trade yet",
        ),
        ChecklistLine(
            Measure.DRAWDOWN, "deepest drawdown", drawdown, need.drawdown_below, _percent(drawdown),
            f"< {need.drawdown_below:.0%}", drawdown is not None and drawdown < need.drawdown_below,
            "of closed trades" if drawdown is not None else "no closed trade yet",
        ),
        ChecklistLine(
            Measure.SHARPE, "Sharpe ratio", sharpe, need.sharpe_above, "not known" if sharpe is None else f"{sharpe:.2f}",
            f"> {need.sharpe_above:g}", sharpe is not None and sharpe > need.sharpe_above,
            "of daily returns, by year" if sharpe is not None else "needs two days with different results",
        ),
        ChecklistLine(
            Measure.LOSSES_IN_A_ROW, "losses in a row", losses, need.losses_in_a_row_below,
            "not known" if losses is None else f"{losses}", f"< {need.losses_in_a_row_below}",
            losses is not None and losses < need.losses_in_a_row_below,
            "" if losses is not None else "no closed trade yet",
        ),
    )  # fmt: skip


def trading_days(sessions: Sequence[SessionRecord], trades: Sequence[TradeRecord]) -> Sequence[date]:
    """Trading days of NSE on which a session ran, and days on which one closed a trade, in order.

    A session that nobody ended counts to its last trade.  Of years that no table covers Monday to Friday count.
    """
    found = {ist_date(each.exit_ns) for each in trades}
    for session in sessions:
        last = [each.exit_ns for each in trades if each.session_id == session.session_id]
        until = session.ended_ns if session.ended_ns is not None else max(last, default=None)
        if until is not None:
            found.update(_market_days(ist_date(session.started_ns), ist_date(until)))
    return sorted(found)


def _market_days(first: date, last: date) -> Sequence[date]:
    try:
        return trading_days_between(first, last, Exchange.NSE, Segment.EQUITY)
    except MissingFactError:
        days = (date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1))
        return [day for day in days if day.isoweekday() <= 5]


def _fullest(sessions: Sequence[SessionRecord], trades: Sequence[TradeRecord]) -> str:
    counts = {each.account_id: 0 for each in sessions}
    account_of = {each.session_id: each.account_id for each in sessions}
    for trade in trades:
        counts[account_of[trade.session_id]] += 1
    return max(sorted(counts), key=lambda account: counts[account], default="")


def _curve(
    sessions: Sequence[SessionRecord], trades: Sequence[TradeRecord], days: Sequence[date]
) -> tuple[NDArray[np.float64], Sequence[float]]:
    """Equity after each trade, starting from 1, and the return of each day.

    A trade's return is its net result by its session's equity at the start of that day; days are linked, as the units
    of a fund are, so that sessions of different capital make one curve.
    """
    equity = {each.session_id: each.capital for each in sessions}
    index, curve, returns = 1.0, [], dict.fromkeys(days, 0.0)
    for day, of_day in groupby(trades, key=lambda each: ist_date(each.exit_ns)):
        opened, at_open, gained = index, dict(equity), 0.0
        for trade in of_day:
            base = at_open[trade.session_id]
            gained += float(trade.net / base) if base > 0 else -1.0
            equity[trade.session_id] += trade.net
            index = max(opened * (1.0 + gained), 0.0)
            curve.append(index)
        returns[day] = max(gained, -1.0)
    return np.array(curve), list(returns.values())


def _sharpe(daily: Sequence[float]) -> float | None:
    """By year, risk-free rate 0; None while it cannot be told."""
    if len(daily) < 2:
        return None
    returns = np.array(daily)
    deviation = float(returns.std(ddof=1))
    if deviation <= 0.0:
        return None
    return round(float(returns.mean()) / deviation * sqrt(_DAYS_PER_YEAR), _DECIMALS)


def _percent(fraction: float | None) -> str:
    return "not known" if fraction is None else f"{fraction:.1%}"


def thresholds_of(values: Mapping[str, str]) -> GoLiveThresholds:
    """Thresholds from texts by name.  Errors: `InvalidValueError` naming the field.

    >>> thresholds_of({"days": "30", "sharpe_above": "2"}).days
    30
    """
    kinds = {name: type(getattr(GoLiveThresholds(), name)) for name in GoLiveThresholds.__slots__}
    parsed: dict[str, float] = {}
    for name, value in values.items():
        if name not in kinds:
            raise InvalidValueError(f"{name!r} is no threshold", hint=f"one of {', '.join(kinds)}")
        try:
            number = Decimal(value)
            parsed[name] = int(value) if kinds[name] is int else float(number)
        except (ValueError, ArithmeticError):
            raise InvalidValueError(f"threshold {name} must be a number, got {value!r}") from None
    return GoLiveThresholds(**parsed)  # type: ignore[arg-type]  # whole numbers where the field has them
