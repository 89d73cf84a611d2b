"""What `tm account` prints: tables for people, JSON for programs."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trademantra.cli.tables import Column, print_table
from trademantra.core.time import datetime_of
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import AccountMode, plain_settings
from trademantra.trading.go_live import RECOMMENDED_TRADES, Checklist
from trademantra.trading.go_live_overrides import Override
from trademantra.trading.readiness.report import Outcome, ReadinessReport
from trademantra.trading.readiness.store import KeptReadiness
from trademantra.trading.risk.limits_json import limits_to_json

_COLOURS: Mapping[Outcome, str] = {
    Outcome.OK: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red", Outcome.UNKNOWN: "cyan",
}  # fmt: skip
_DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Listed:
    accounts: Sequence[Account]
    readiness: Mapping[str, KeptReadiness]
    sandboxes: Collection[str] = ()


def print_json(value: object) -> None:
    """One line of JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def account_json(account: Account) -> dict[str, object]:
    """All of an account; there is no secret in it."""
    return {
        "account_id": account.account_id,
        "title": account.title,
        "user_id": account.user_id,
        "broker": account.broker.value,
        "mode": account.mode.value,
        "data_source": ",".join(account.data_sources),
        "outside_hours": account.outside_hours.value,
        "rest_target": account.rest_target,
        "settings": plain_settings(account.settings),
        "limits": limits_json(account),
        "go_live": asdict(account.go_live),
        "created_ns": account.created_ns,
        "closed_ns": account.closed_ns,
    }


def limits_json(account: Account) -> object:
    return json.loads(limits_to_json(account.limits))


def show_list(listed: Listed, now_ns: int) -> None:
    if not listed.accounts:
        typer.echo("there is no account yet. A first one, for practice: tm account add practice")
        return
    columns = [
        Column("account", wraps=True), Column("broker"), Column("mode"), Column("prices of", wraps=True),
        Column("limits"), Column("last check", wraps=True, least=16),
    ]  # fmt: skip
    rows = [
        (
            account.shown,
            account.broker.value,
            _mode(account),
            ", ".join(account.data_sources),
            "own" if limits_json(account) else "defaults",
            _last_check(
                account,
                listed.readiness.get(account.account_id),
                now_ns,
                is_sandbox=account.account_id in listed.sandboxes,
            ),
        )
        for account in listed.accounts
    ]
    print_table(columns, rows)


def _mode(account: Account) -> Text:
    if not account.is_open:
        return Text("removed")
    return Text("live", style="bold red") if account.mode is AccountMode.LIVE else Text("paper")


def _last_check(account: Account, kept: KeptReadiness | None, now_ns: int, *, is_sandbox: bool) -> Text:
    if not account.is_open:
        return Text()
    if kept is None:
        return Text("never")
    at = datetime_of(kept.at_ns)
    old = not is_sandbox and now_ns - kept.at_ns > _DAY_NS  # a sandbox plays any day
    words = ("ready", "green") if kept.told.get("ready") is True else ("not ready", "red")
    return Text.assemble(
        "was " if old else "", words, f" at {at:%Y-%m-%d %H:%M}{' (sandbox)' if is_sandbox else ''}"
    )


def show_account(account: Account, missing: str) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows: dict[str, object] = {
        "account": account.shown,
        "broker": account.broker.value,
        "mode": f"{account.mode} (for ever)",
        "prices of": ", ".join(account.data_sources),
        "outside hours": account.outside_hours.value,
        "targets rest": "at the broker" if account.rest_target else "with the desk",
        "made": f"{datetime_of(account.created_ns):%Y-%m-%d %H:%M}",
    }
    if account.closed_ns is not None:
        rows["removed"] = f"{datetime_of(account.closed_ns):%Y-%m-%d %H:%M}"
    rows |= {f"  {name}": value for name, value in plain_settings(account.settings).items()}
    rows["secrets"] = f"missing: {missing}" if missing else "all there"
    for name, value in rows.items():
        table.add_row(name, Text(str(value)))
    Console(emoji=False).print(table)
    show_limits(account)


def show_limits(account: Account) -> None:
    found = limits_json(account)
    if not found:
        typer.echo("limits: the defaults of docs/risk.md; money has none. tm account limits --help sets them")
        return
    typer.echo("limits (the defaults of docs/risk.md hold where none is set):")
    typer.echo(json.dumps(found, indent=2))


def show_report(report: ReadinessReport) -> None:
    console = Console(emoji=False)
    for account in report.accounts:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in account.checks:
            colour = _COLOURS[check.outcome]
            words = Text(check.text)
            if check.hint and check.outcome is not Outcome.OK:
                words.append(f"\n→ {check.hint}", style="dim")
            table.add_row(Text(check.mark, style=colour), Text(check.subject.words, style=colour), words)
        verdict = "[green]ready[/]" if account.is_ready else "[bold red]NOT READY[/]: no entries go out"
        console.print(f"{escape(account.name)}, {account.mode}: {verdict}")
        console.print(table)


def checklist_json(account: Account, checklist: Checklist, override: Override | None) -> dict[str, object]:
    granted = (
        None if override is None else {"who": override.who, "why": override.why, "at_ns": override.at_ns}
    )
    needed = account.mode is AccountMode.LIVE
    return checklist.as_json() | {
        "account_id": account.account_id,
        "override": granted,
        "may_go_live": checklist.is_met or override is not None or not needed,
    }


def show_checklist(account: Account, checklist: Checklist, override: Override | None) -> None:
    console = Console(emoji=False)
    which = f" with parameters {checklist.parameters_hash}" if checklist.parameters_hash else ""
    console.print(f"{escape(checklist.strategy)}{which} on {escape(account.shown)}", highlight=False)
    if not checklist.paper_account:
        console.print(
            f"it has no paper record yet: run it on paper first, tm paper {escape(checklist.strategy)} --help",
            highlight=False,
        )
    else:
        plural = "" if checklist.sessions == 1 else "s"
        console.print(
            f"paper record of account {checklist.paper_account}, {checklist.sessions} session{plural}",
            highlight=False,
        )
    columns = [
        Column("measure", wraps=True), Column("has", is_number=True), Column("needs", is_number=True),
        Column("", wraps=True),
    ]  # fmt: skip
    rows = []
    for line in checklist.lines:
        mark = ("✓ ", "green") if line.is_ok else ("✗ ", "red")
        rows.append(
            (
                Text.assemble(mark, line.title),
                line.have_text,
                line.need_text,
                Text(line.remark, style="dim"),
            )
        )
    print_table(columns, rows)
    if account.mode is AccountMode.PAPER:
        console.print("this is a paper account: nothing has to be met here")
    elif checklist.is_met:
        console.print(f"[green]It may go live.[/] {RECOMMENDED_TRADES} trades are recommended.")
    elif override is not None:
        console.print(f"[yellow]It may go live by an override:[/] {escape(str(override))}")
    else:
        console.print("[red]It may not go live.[/]")
