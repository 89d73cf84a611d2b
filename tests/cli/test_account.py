"""`tm account` as its owner uses it; the login goes through the Kite sandbox and a browser's redirect."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner, Result

from tests.sandbox.kite.serving import Running, running
from tests.trading.test_go_live import good_record
from trademantra.cli import app
from trademantra.core.errors import (
    BadInputError,
    DataConflictError,
    InvalidValueError,
    NotFoundError,
    TradeMantraError,
)
from trademantra.kit.database import Database
from trademantra.kit.secrets import SecretsLockedError
from trademantra.sandbox.kite.accounts import default_account
from trademantra.trading.accounts.store import AccountClosedError
from trademantra.trading.go_live_overrides import OverrideRefusedError
from trademantra.trading.models import PositionRow
from trademantra.trading.record.store import RecordStore

runner = CliRunner()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def environment(home: Path) -> dict[str, str]:
    return {"COLUMNS": "160", "TRADEMANTRA_HOME": str(home), "TRADEMANTRA_KEY": str(home.parent / "key")}


def tm(home: Path, *words: str, typed: str | None = None) -> Result:
    result = runner.invoke(app, ["account", *words], env=environment(home), input=typed)
    if isinstance(result.exception, TradeMantraError):
        raise result.exception
    return result


def add_zerodha(home: Path, name: str, *words: str, mode: str = "live") -> Result:
    return tm(
        home, "add", name, "--broker", "zerodha", "--mode", mode, "--api-secret-file", "-", "--set", "api_key=testkey",
        *words, typed="testsecret\n",
    )  # fmt: skip


def add_sandbox(home: Path, root: str, *words: str) -> Result:
    return add_zerodha(home, "kite", "--set", f"root={root}", "--set", "user_id=AB1234", *words, mode="paper")


def test_a_first_account(home: Path) -> None:
    assert "tm account add practice" in tm(home, "list").stdout
    assert "tm account add --help" in tm(home, "check").stdout
    assert "added paper account practice (First [steps]) at paper" in tm(
        home, "add", "practice", "--title", "First [steps]", "--set", "cash=250000", "--set", "slippage=bps:2"
    ).stdout  # fmt: skip
    assert "practice (First [steps])" in tm(home, "list").stdout
    shown = json.loads(tm(home, "show", "practice", "--json").stdout)
    assert shown["settings"] == {"cash": "250000", "slippage": "bps:2"}
    assert (shown["mode"], shown["missing"]) == ("paper", "")
    assert "cash" in tm(home, "show", "practice").stdout
    ready = tm(home, "check")
    assert ready.exit_code == 0
    assert "practice (First [steps]), paper: ready" in ready.stdout
    assert "ready at" in tm(home, "list").stdout
    fetched = tm(home, "check", "--fetch-instruments")
    assert fetched.exit_code == 0
    assert "paper accounts and the sandbox need none" in fetched.output
    assert "no login is needed" in tm(home, "login", "practice").stdout
    assert not (home / "secrets").exists()
    for words in (("list",), ("show", "practice"), ("check",)):
        assert "\x1b" not in tm(home, *words).output


def test_what_cannot_be_added_says_why(home: Path) -> None:
    tm(home, "add", "practice")
    for words, kind, said in (
        (("practice",), DataConflictError, "there is an account practice already"),
        (("Asha",), InvalidValueError, "'Asha' cannot be the name"),
        (("a", "--broker", "nosuch"), InvalidValueError, "broker must be one of paper, zerodha"),
        (("a", "--mode", "live"), InvalidValueError, "the paper broker has no live accounts"),
        (("a", "--broker", "zerodha"), InvalidValueError, "paper or for real money"),
        (("a", "--set", "cash"), InvalidValueError, "'cash' is no NAME=VALUE"),
        (("a", "--set", "cash=1", "--set", "cash=2"), InvalidValueError, "cash is set twice"),
        (("a", "--set", "cash=lots"), InvalidValueError, "cash must be a number"),
        (("a", "--data-source", "nosuch"), InvalidValueError, "no account nosuch to take prices from"),
        (("a", "--limits", "nosuch.json"), BadInputError, "nosuch.json: cannot be read: there is no such file"),
        (("a", "--broker", "zerodha", "--mode", "live"), InvalidValueError, "needs api_key"),
        (("a", "--broker", "zerodha", "--mode", "paper", "--set", "api_key=k"), InvalidValueError, "to Zerodha itself"),
        (("a", "--broker", "zerodha", "--mode", "live", "--set", "api_key=k"), InvalidValueError, "--api-secret-file"),
    ):  # fmt: skip
        with pytest.raises(kind, match=re.escape(said)):
            tm(home, "add", *words)
    assert [each["account_id"] for each in json.loads(tm(home, "list", "--json").stdout)] == ["practice"]


def test_the_mode_is_for_ever_and_the_rest_may_change(home: Path) -> None:
    add_zerodha(home, "asha")
    tm(home, "add", "practice")
    for change in ("mode=paper", "broker=paper", "name=x"):
        with pytest.raises(InvalidValueError, match=r"is fixed [(]make a new account"):
            tm(home, "set", "asha", change)
    tm(home, "set", "asha", "user_id=AB1234")  # whose login is taken
    tm(
        home,
        "set",
        "practice",
        "title=Other",
        "data_source=asha",
        "rest_target=no",
        "outside_hours=after_market",
        "cash=7",
    )
    shown = json.loads(tm(home, "show", "practice", "--json").stdout)
    assert (shown["title"], shown["data_source"], shown["rest_target"]) == ("Other", "asha", False)
    assert shown["settings"] == {"cash": "7"}
    tm(home, "set", "practice", "cash=")
    assert json.loads(tm(home, "show", "practice", "--json").stdout)["settings"] == {}
    tm(home, "set", "asha", "go_live.days=30")
    assert json.loads(tm(home, "show", "asha", "--json").stdout)["go_live"]["days"] == 30
    assert "go_live_thresholds" in (home / "go-live-audit.jsonl").read_text()
    for words in (("nosuch=1",), ("go_live.nosuch=1",), ("rest_target=perhaps",), ()):
        with pytest.raises(InvalidValueError):
            tm(home, "set", "practice", *words)


def test_limits_are_shown_and_changed(home: Path) -> None:
    tm(home, "add", "practice")
    assert "the defaults of docs/risk.md" in tm(home, "limits", "practice").stdout
    wanted = {"order": {"max_order_value": "50000"}, "account": {"max_daily_loss_marked": "2000"}}
    assert "changed" in tm(home, "limits", "practice", "--from", "-", typed=json.dumps(wanted)).stdout
    assert json.loads(tm(home, "limits", "practice", "--json").stdout) == wanted
    with pytest.raises(InvalidValueError, match="max_order_valu is not a limit"):
        tm(home, "limits", "practice", "--from", "-", typed='{"order": {"max_order_valu": 1}}')
    with pytest.raises(InvalidValueError, match="no JSON"):
        tm(home, "limits", "practice", "--from", "-", typed="{50000")
    assert json.loads(tm(home, "limits", "practice", "--json").stdout) == wanted


def test_secrets_are_in_the_box_alone_and_its_key_outside(home: Path) -> None:
    add_zerodha(home, "asha", "--set", "order_proxy=http://me:hunter2@203.0.113.7:3128")
    assert (
        json.loads(tm(home, "show", "asha", "--json").stdout)["settings"]["order_proxy"]
        == "http://203.0.113.7:3128"
    )
    for file in home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"testsecret" not in content, file
            assert b"hunter2" not in content, file
    key = home.parent / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(InvalidValueError, match="lies in the data folder that it protects"):
        runner.invoke(
            app, ["account", "show", "asha"], env=environment(home) | {"TRADEMANTRA_KEY": str(home / "key")},
            catch_exceptions=False,
        )  # fmt: skip
    key.rename(home.parent / "away")
    with pytest.raises(SecretsLockedError, match="bring the key file back"):
        tm(home, "show", "asha")
    (home.parent / "away").rename(key)
    tm(home, "set", "asha", "--api-secret-file", "-", typed="another\n")
    with pytest.raises(InvalidValueError, match="does not hold one api_secret"):
        tm(home, "set", "asha", "--api-secret-file", "-", typed="two words\n")


def test_remove_keeps_what_was_and_refuses_what_is_open(home: Path) -> None:
    add_zerodha(home, "asha")
    with pytest.raises(InvalidValueError, match="there is nobody to ask"):
        tm(home, "remove", "asha")

    async def hold(quantity: int) -> None:
        database = await Database.open(f"sqlite:///{home / 'desk.db'}")
        async with database.writing() as session:
            await session.merge(
                PositionRow(
                    account_id="asha", strategy_id="orb", instrument_key="NSE:INFY", product="MIS",
                    quantity=Decimal(quantity), cost=Decimal(quantity), realised=Decimal(0), charges=Decimal(0),
                )
            )  # fmt: skip
        await database.close()

    asyncio.run(hold(5))
    with pytest.raises(DataConflictError, match="holds 1 positions"):
        tm(home, "remove", "asha", "--yes")
    asyncio.run(hold(0))
    assert "removed asha" in tm(home, "remove", "asha", "--yes").stdout
    with pytest.raises(AccountClosedError):
        tm(home, "login", "asha")
    assert json.loads(tm(home, "list", "--json").stdout) == []
    assert "removed" in tm(home, "list", "--all").stdout
    with pytest.raises(DataConflictError, match="was removed"):
        add_zerodha(home, "asha")


def page_of(server: Running) -> dict[str, str]:
    page = httpx2.get(f"{server.root}/connect/login?v=3&api_key=testkey", trust_env=False)
    return dict(httpx2.URL(page.headers["location"]).params)


def test_log_in_with_a_token_then_check(home: Path) -> None:
    with running() as server:
        add_sandbox(home, server.root)
        before = tm(home, "check", "kite")
        assert before.exit_code == 1
        assert "nobody is logged in" in before.stdout
        with pytest.raises(InvalidValueError, match="no request_token"):
            tm(home, "login", "kite", "--request-token", "http://127.0.0.1/?status=cancelled")
        done = tm(home, "login", "kite", "--request-token", page_of(server)["request_token"])
        assert "kite is logged in until" in done.stdout
        ready = tm(home, "check", "kite", "--json")
        assert ready.exit_code == 0, ready.stdout
        told = {each["subject"]: each for each in json.loads(ready.stdout)["accounts"][0]["checks"]}
        assert told["margin"]["text"] == "1,000,000.00 available"
        assert told["static_ip"]["text"] == "orders stay on this machine"
        again = tm(
            home,
            "login",
            "kite",
            "--paste",
            typed=f"http://x/?request_token={page_of(server)['request_token']}\n",
        )
        assert "logged in until" in again.stdout
        server.sandbox.desk.sessions.end_all("AB1234")
        assert tm(home, "check", "kite").exit_code == 1


def test_a_browser_comes_back_to_the_listener(home: Path) -> None:
    """The whole road as a process: link, the broker's page, its redirect, and strangers on the way."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    account = replace(default_account("http://127.0.0.1:1"), redirect_url=f"http://127.0.0.1:{port}/")
    with running(accounts=[account]) as server:
        add_sandbox(home, server.root, "--set", f"login_port={port}")
        process = subprocess.Popen(
            [sys.executable, "-m", "trademantra", "account", "login", "kite", "--timeout", "60"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment(home)},
        )  # fmt: skip
        try:
            assert process.stderr is not None
            link = process.stderr.readline().split("log in here: ")[1].strip()
            assert link.startswith(
                f"{server.root}/connect/login?v=3&api_key=testkey&redirect_params=state%3D"
            )
            with httpx2.Client(trust_env=False, timeout=20) as browser:
                back = f"http://127.0.0.1:{port}"
                assert browser.get(f"{back}/favicon.ico").status_code == 404
                stranger = browser.get(f"{back}/?request_token=abc&status=success")
                assert (stranger.status_code, "Not this login" in stranger.text) == (403, True)
                redirect = browser.get(link).headers["location"]
                wrong = browser.get(str(httpx2.URL(redirect).copy_set_param("request_token", "abc123")))
                assert (wrong.status_code, "The login failed" in wrong.text) == (502, True)
                page = browser.get(redirect)
                assert (page.status_code, "You can close this window" in page.text) == (200, True)
            said, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
            assert "kite is logged in until" in said
        finally:
            process.kill()
            process.communicate()
        assert tm(home, "check", "kite").exit_code == 0


def test_go_live_checklist_and_override(home: Path) -> None:
    add_zerodha(home, "asha")
    nothing = tm(home, "go-live", "orb", "--account", "asha")
    assert nothing.exit_code == 1
    assert "it has no paper record yet" in nothing.stdout
    with pytest.raises(NotFoundError, match="its parameters are not known"):
        tm(home, "go-live", "orb", "--account", "asha", "--override", "--why", "x" * 20, "--confirm", "asha")

    async def record(count: int, name: str) -> None:
        database = await Database.open(f"sqlite:///{home / 'desk.db'}")
        made, trades = good_record(name, parameters_hash=name)
        await RecordStore(database).write_session(made)
        await RecordStore(database).write_trades(trades[:count])
        await database.close()

    asyncio.run(record(20, "few"))
    few = ("go-live", "orb", "--account", "asha", "--parameters", "few")
    shown = tm(home, *few)
    assert shown.exit_code == 1
    assert "It may not go live." in shown.stdout
    for why, confirm in (("too short", "asha"), ("ran two years at another broker", "ahsa")):
        with pytest.raises(OverrideRefusedError):
            tm(home, *few, "--override", "--why", why, "--confirm", confirm)
    with pytest.raises(InvalidValueError, match="needs the account's name, typed"):
        tm(home, *few, "--override", "--why", "ran two years at another broker")
    granted = tm(home, *few, "--override", "--why", "ran two years at another broker", "--confirm", "asha")
    assert (granted.exit_code, "by an override: owner" in granted.stdout) == (0, True)
    told = json.loads(tm(home, *few, "--json").stdout)
    assert (told["met"], told["may_go_live"], told["override"]["who"]) == (False, True, "owner")
    assert tm(home, *few, "--withdraw", "--why", "changed my mind").exit_code == 1
    asyncio.run(record(60, "many"))
    good = tm(home, "go-live", "orb", "--account", "asha")  # the parameters that ran last
    assert (good.exit_code, "It may go live." in good.stdout) == (0, True)
    assert "100 are recommended" in good.stdout


def test_every_command_has_help_with_an_example() -> None:
    for name in ("add", "list", "show", "login", "check", "set", "remove", "limits", "go-live"):
        assert "Example" in runner.invoke(app, ["account", name, "--help"]).stdout, name
