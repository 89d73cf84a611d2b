"""What came of a paper session, on a terminal and as JSON."""

from dataclasses import asdict
from math import isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from trademantra.engine.live.wants import LiveTrade
    from trademantra.trading.session.plan import ReplayPlan
    from trademantra.trading.session.replay import ReplayOutcome

_MOST_TRADES = 20
_MOST_LINES = 5


def show(plan: "ReplayPlan", outcome: "ReplayOutcome", notes: tuple[str, ...]) -> None:
    """Totals, the last trades, and whatever a person should know."""
    from rich.console import Console
    from rich.table import Table

    console = Console(emoji=False)
    trades = _all(outcome)
    totals = totals_of(plan, outcome)
    console.print(_headline(plan), highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for left, right in (
        (("net result", f"{float(totals['net']):,.2f}"), ("trades", f"{len(trades):,}")),
        (
            ("costs", f"{float(totals['costs']):,.2f}"),
            ("win rate", f"{100 * float(totals['win_rate']):.1f} %"),
        ),
        (("orders", f"{outcome.orders:,}"), ("fills", f"{outcome.fills:,}")),
    ):
        table.add_row(left[0], f"[bold]{left[1]}[/bold]", right[0], f"[bold]{right[1]}[/bold]")
    console.print(table)
    if trades:
        console.print(_trades(trades[-_MOST_TRADES:], plan))
        if len(trades) > _MOST_TRADES:
            console.print(f"the last {_MOST_TRADES} of {len(trades)}; --json has all", style="dim")
    else:
        console.print(_why_no_trade(outcome), style="dim", highlight=False)
    _show_trouble(console, plan, outcome)
    for note in notes:
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    console.print("compare this session with a back-test of the same prices:")
    console.print(f"tm parity {plan.session_id}", highlight=False, soft_wrap=True)  # one line, to be copied


def outcome_object(plan: "ReplayPlan", outcome: "ReplayOutcome", notes: tuple[str, ...]) -> dict[str, object]:
    """One JSON object: session, trades, totals, and what went wrong."""
    return {
        "session": plan.session_id,
        "strategy": plan.strategy.name,
        "timeframe": str(plan.timeframe),
        "symbols": list(plan.instruments),
        "days": [day.trade_date.isoformat() for day in plan.days],
        "trades": [asdict(trade) | {"reason": trade.reason.name.lower()} for trade in _all(outcome)],
        "positions": outcome.positions,
        "totals": totals_of(plan, outcome),
        "breaches": list(outcome.breaches),
        "refused": [asdict(each) for each in outcome.refused],
        "stopped": [asdict(each) for each in outcome.stopped],
        "calls": [{"subject": each.subject, "reason": each.reason} for each in outcome.calls],
        "notes": list(notes),
        "folder": str(plan.folder),
    }


def totals_of(plan: "ReplayPlan", outcome: "ReplayOutcome") -> dict[str, float | int | str]:
    """Sums over the runs that were not stopped.  `net` of closed trades; `equity` with what is open."""
    trades = _all(outcome)
    wins = sum(trade.net > 0.0 for trade in trades)
    return {
        "cash": plan.rules.cash * (len(plan.instruments) if plan.alone else 1),
        "equity": sum(outcome.equity.values()),
        "gross": sum(trade.gross for trade in trades),
        "costs": sum(trade.costs for trade in trades),
        "net": sum(trade.net for trade in trades),
        "trades": len(trades),
        "wins": wins,
        "win_rate": wins / len(trades) if trades else 0.0,
        "orders": outcome.orders,
        "fills": outcome.fills,
        "ledger_charges": str(outcome.charges),
    }


def _all(outcome: "ReplayOutcome") -> "list[LiveTrade]":
    trades = [trade for made in outcome.trades.values() for trade in made]
    return sorted(trades, key=lambda trade: (trade.exit_ns, trade.symbol))


def _headline(plan: "ReplayPlan") -> str:
    count, first, last = len(plan.instruments), plan.days[0].trade_date, plan.days[-1].trade_date
    instruments = f"{count} instrument{'' if count == 1 else 's'}"
    days = f"{first}" if first == last else f"{first} to {last}"
    return f"[bold]{plan.strategy.name}[/bold] on paper · {instruments} · {plan.timeframe} · {days} · costs {plan.costs}"


def _why_no_trade(outcome: "ReplayOutcome") -> str:
    if outcome.stopped:
        return "a stopped strategy cannot tell its trades; the session's desk.db holds its orders and fills"
    if outcome.refused:
        return "no trade: what the strategy wanted was refused"
    if outcome.fills:
        return "no trade is closed yet"
    if outcome.orders:
        return "no trade: no order filled"
    return "no trade: the strategy saw no entry in these bars"


def _trades(trades: "list[LiveTrade]", plan: "ReplayPlan") -> object:
    """Narrow enough for 80 columns: a short quantity is negative, and the day is shown where there are several."""
    from rich.table import Table

    from trademantra.core.time import IST, datetime_of

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("symbol", no_wrap=True, overflow="ellipsis")
    for name in ("in", "out"):
        table.add_column(name, no_wrap=True)
    for name in ("quantity", "entry", "exit", "net"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("left by", no_wrap=True)
    entered = "%H:%M" if len(plan.days) == 1 else "%d %b %H:%M"
    for trade in trades:
        begin, end = datetime_of(trade.entry_ns, IST), datetime_of(trade.exit_ns, IST)
        net = "-" if isnan(trade.net) else f"{trade.net:,.2f}"
        table.add_row(
            trade.symbol,
            f"{begin:{entered}}",
            f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%d %b %H:%M}",
            f"{trade.side * trade.quantity:g}",
            f"{trade.entry_price:.2f}",
            f"{trade.exit_price:.2f}",
            f"[green]{net}[/green]" if trade.net > 0 else f"[red]{net}[/red]",
            trade.reason.name.lower().replace("_", "-"),
        )
    return table


def _show_trouble(console: "Console", plan: "ReplayPlan", outcome: "ReplayOutcome") -> None:
    for stopped in outcome.stopped:
        console.print(
            f"stopped: {stopped.run_id}: {stopped.text}", style="red", markup=False, highlight=False
        )
        if stopped.hint:
            console.print(f"    {stopped.hint}", markup=False, highlight=False)
    for breach in outcome.breaches[:_MOST_LINES]:
        console.print(f"limit: {breach}", style="yellow", markup=False, highlight=False)
    for refused in outcome.refused[:_MOST_LINES]:
        console.print(
            f"refused: {refused.symbol}: {refused.text}", style="yellow", markup=False, highlight=False
        )
    if len(outcome.refused) > _MOST_LINES:
        console.print(f"… and {len(outcome.refused) - _MOST_LINES} more were refused", style="yellow")
    for call in outcome.calls[:_MOST_LINES]:
        console.print(f"look at {call.subject}: {call.reason}", style="red", markup=False, highlight=False)
    held = {symbol: quantity for each in outcome.positions.values() for symbol, quantity in each.items()}
    if held:
        totals = totals_of(plan, outcome)
        still = float(totals["equity"]) - float(totals["cash"]) - float(totals["net"])
        console.print(
            f"open positions stand at {still:+,.2f}, which the net result does not hold", highlight=False
        )
        console.print(
            "still held: " + ", ".join(f"{symbol} {quantity:g}" for symbol, quantity in held.items()),
            highlight=False,
        )
