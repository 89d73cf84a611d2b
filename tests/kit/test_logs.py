"""Logs carry what happened, and no secret, however it is handed over."""

import io
import json
import logging

import pytest

from trademantra.kit.logs import configure_logs
from trademantra.kit.secrets import Secret

TOKEN = "s3cr3tS3cr3tS3cr3t"


@pytest.fixture
def logs(tmp_path):
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    for handler in before:
        root.removeHandler(handler)
    stream, file = io.StringIO(), tmp_path / "deep" / "tm.log"
    configure_logs(stream=stream, file=file)
    yield lambda: (stream.getvalue(), file.read_text())
    for handler in tuple(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)


def test_an_event_has_its_fields_in_both(logs):
    logging.getLogger("desk").warning("order refused", extra={"rule": "max_loss", "quantity": 10})
    shown, kept = logs()
    line = json.loads(kept)
    assert (line["event"], line["rule"], line["quantity"]) == ("order refused", "max_loss", 10)
    assert (line["level"], line["logger"]) == ("warning", "desk")
    assert "order refused" in shown
    assert "max_loss" in shown


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("login", {"access_token": TOKEN}),
        ("login", {"reply": {"data": [{"enctoken": TOKEN, "user": "AB1234"}]}}),
        ("login", {"given": Secret(TOKEN)}),
        (f"GET /?api_key=k&access_token={TOKEN} failed", {}),
        (f"Authorization: token key:{TOKEN}", {}),
        ("header", {"headers": f"Bearer {TOKEN}"}),
    ],
)
def test_no_secret_reaches_a_line(logs, message, fields):
    def fail():
        raise ValueError(f"password={TOKEN} was refused")

    logging.getLogger("x").error(message, extra=fields)
    try:
        fail()
    except ValueError:
        logging.getLogger("x").exception("it went wrong")
    shown, kept = logs()
    assert TOKEN not in shown + kept
    assert "[hidden]" in kept
    assert "ValueError" in kept


def test_an_instruments_token_is_no_secret(logs):
    logging.getLogger("x").error("stale", extra={"token": 408065, "pin": 1234})
    line = json.loads(logs()[1])
    assert (line["token"], line["pin"]) == (408065, "[hidden]")


def test_configuring_again_writes_each_line_once(logs, tmp_path):
    stream = io.StringIO()
    configure_logs(stream=stream, file=tmp_path / "other.log")
    logging.getLogger("x").info("once")
    assert stream.getvalue().count("once") == 1
