"""`tm charges` from the outside: JSON in, table or JSON out, errors that name the field."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from trademantra.cli.charges import register
from trademantra.core.errors import InvalidValueError, MissingFactError, NotFoundError, TradeMantraError
from trademantra.markets.charges.json_form import read_requests

KEYS = ["brokerage", "stt", "ctt", "exchange_txn", "ipft", "sebi", "gst", "stamp", "dp", "total"]
PANEL = {
    "broker": "zerodha",
    "trade_date": "2026-09-01",
    "rounding": "calculator",
    "orders": [
        {
            "exchange": "BSE",
            "segment": "equity_options",
            "product": "NRML",
            "side": side,
            "symbol": "SENSEX",
            "quantity": quantity,
            "price": price,
        }
        for side, quantity, price in (("BUY", 20, 476), ("SELL", "20", "280.00"))
    ],
}


def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    made.command("other")(lambda: None)  # with one command only typer drops its name
    return made


def run(*arguments: str, text: str | None = None) -> tuple[str, str]:
    result = CliRunner().invoke(app(), ["charges", *arguments], input=text)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, result.stderr


def changed(path: str, value: object) -> str:
    request = json.loads(json.dumps(PANEL))
    *parents, last = path.split(".")
    place = request
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[int(last) if last.isdigit() else last] = value
    return json.dumps(request)


def test_json_is_one_object_with_decimal_strings() -> None:
    out, _ = run("--json", text=json.dumps(PANEL))
    note = json.loads(out)
    assert list(note) == KEYS
    assert note["total"] == "61.02"
    assert note["stt"] == "8.00"
    assert note["gst"] == "8.09"


def test_a_list_gives_a_list_and_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "days.json"
    file.write_text("﻿" + json.dumps([PANEL, {**PANEL, "rounding": "unrounded"}]), encoding="utf-8")
    out, _ = run(str(file), "--json")
    rounded, exact = json.loads(out)
    assert rounded["exchange_txn"] == "4.91"
    assert (exact["exchange_txn"], exact["ctt"]) == ("4.914", "0")
    assert json.loads(run("--json", text="[]")[0]) == []


def test_the_default_rounding_is_the_contract_note() -> None:
    request = {k: v for k, v in PANEL.items() if k != "rounding"}
    assert json.loads(run("--json", text=json.dumps(request))[0])["total"] == "61.02"


def test_the_table_shows_every_line_and_how() -> None:
    out, _ = run(text=json.dumps(PANEL))
    assert all(key in out for key in KEYS)
    assert "61.02" in out
    assert "0.15% of 5,600" in out


def test_brokers_names_of_segments_are_understood() -> None:
    plain = run("--json", text=json.dumps(PANEL))
    assert run("--json", text=changed("orders.0.exchange", "BFO")) == plain
    for alias, exchange in (("NFO", "NSE"), ("CDS", "NSE"), ("BCD", "BSE")):
        (request,), _ = read_requests(changed("orders.0.exchange", alias))
        assert request.orders[0].exchange == exchange


def test_warnings_go_to_standard_error_and_leave_the_json_clean() -> None:
    out, err = run("--json", text=changed("broker", "iifl"))
    assert list(json.loads(out)) == KEYS
    assert err.startswith("warning: iifl")


@pytest.mark.parametrize(
    ("day", "why"), [("2026-09-06", "a Sunday"), ("2026-11-24", "Guru Nanak Jayanti"), ("2026-09-01", "")]
)
def test_a_day_without_trading_is_told(day: str, why: str) -> None:
    out, err = run("--json", text=changed("trade_date", day))
    assert list(json.loads(out)) == KEYS
    assert err == (
        f"warning: BSE equity options was closed on {day} ({why}): is trade_date right?\n" if why else ""
    )


def test_settings_override_the_tariff() -> None:
    out, _ = run("--json", text=changed("settings", {"options.fixed": 10, "ipft_in_gst_base": False}))
    assert json.loads(out)["brokerage"] == "20.00"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON: line 1"),
        ("{", "not JSON"),
        ("[" * 100_000, "not a request|not JSON"),
        ("5", "the request must be an object, got 5"),
        ("{}", "broker is missing"),
        (json.dumps([PANEL, {}]), r"\[1\]\.broker is missing"),
        (changed("orders", {}), "orders must be a list"),
        (changed("orders.1", "x"), r"orders\[1\] must be an object"),
        (changed("orders.1.price", -1), r"orders\[1\]\.price must be positive"),
        (changed("orders.1.price", "1,000"), r"orders\[1\]\.price must be a number"),
        (changed("orders.1.price", None), r"orders\[1\]\.price must be a number, got null"),
        (changed("orders.1.price", True), r"orders\[1\]\.price must be a number"),
        (changed("orders.1.price", "Infinity"), r"orders\[1\]\.price must be finite"),
        (changed("orders.1.price", float("nan")), "NaN"),
        (changed("orders.1.price", "1e999999"), r"orders\[1\]\.price.*beyond"),
        (changed("orders.0.quantity", 0), r"orders\[0\]\.quantity must be positive"),
        (changed("orders.0.side", "HOLD"), r"orders\[0\]\.side: unknown word \"HOLD\".*BUY, SELL"),
        (changed("orders.0.segment", "cash"), r"orders\[0\]\.segment.*equity_futures"),
        (changed("orders.0.exchange", "LSE"), r"orders\[0\]\.exchange.*NSE, BSE, MCX.*NFO"),
        (changed("orders.0.product", "CNC"), r"orders\[0\]: SENSEX: product CNC does not exist"),
        (changed("orders.0.prise", 1), r"orders\[0\]\.prise is not a field"),
        (changed("trade_date", "01-09-2026"), "trade_date: '01-09-2026' is not a date"),
        (changed("trade_date", "20260901"), "trade_date: '20260901' is not a date"),
        (changed("trade_date", 5), "trade_date must be text"),
        (changed("rounding", "bankers"), "rounding: unknown word"),
        (changed("broker", "abc"), "unknown broker 'abc'.*zerodha"),
        (changed("settings", {"a": [1]}), r"settings\.a"),
        (changed("settings", {"a": 1}), "unknown setting 'a'"),
        (changed("orders", []), "orders is empty"),
        (json.dumps([PANEL, {**PANEL, "orders": []}]), r"\[1\]\.orders is empty"),
        (json.dumps(PANEL).replace('"quantity": 20', '"quantity": 20, "quantity": 2'), "'quantity' twice"),
        (json.dumps(PANEL).replace('"broker"', '"broker": "x", "broker"'), "gives 'broker' twice"),
    ],
)
def test_bad_input_names_its_place(text: str, fault: str) -> None:
    with pytest.raises(InvalidValueError, match=fault):
        run("--json", text=text)


def test_a_day_without_rates_and_a_file_that_is_not_there() -> None:
    with pytest.raises(MissingFactError, match=r"exchange_bse_options.*2019-01-01"):
        run(text=changed("trade_date", "2019-01-01"))
    with pytest.raises(NotFoundError, match=r"nowhere\.json"):
        run("nowhere.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
places = st.sampled_from(
    [
        *PANEL,
        "settings",
        *(f"orders.0.{name}" for name in (*PANEL["orders"][0], "strike", "kind", "order_id")),
    ]
)


@settings(max_examples=150)
@given(places, json_values)
def test_rubbish_in_any_field_is_read_or_refused_by_name(place: str, value: object) -> None:
    with suppress(TradeMantraError):  # any other error fails the test
        requests, _ = read_requests(changed(place, value))
        requests[0].note()


def test_the_table_groups_rupees_in_lakhs_and_the_json_has_plain_decimals() -> None:
    large = changed("orders.1.quantity", 2_000_000)
    out, _ = run(text=large)
    note = json.loads(run("--json", text=large)[0])
    assert not any("," in amount for amount in note.values())
    assert f"{float(note['stt']):.2f}" == "840000.00"
    assert "8,40,000.00" in out
    assert "0.15% of 56,00,00,000" in out
