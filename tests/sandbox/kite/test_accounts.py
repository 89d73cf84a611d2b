import json
from decimal import Decimal
from pathlib import Path

import pytest

from trademantra.core.errors import BadInputError
from trademantra.sandbox.kite.accounts import LOOPBACK, read_accounts

GOOD = {"user_id": "XY1", "api_key": "k", "api_secret": "s"}


def read(tmp_path: Path, content: object):
    file = tmp_path / "accounts.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_accounts(file, "http://127.0.0.1:8700")


def test_an_account_needs_three_fields(tmp_path: Path) -> None:
    (account,) = read(tmp_path, {"accounts": [GOOD]})
    assert account.cash == Decimal(1_000_000)
    assert account.redirect_url == "http://127.0.0.1:8700/connect/finish"
    assert account.registered_addresses == LOOPBACK


def test_all_fields(tmp_path: Path) -> None:
    full = GOOD | {
        "user_name": "Asha", "email": "a@example.com", "cash": "250000.50", "password": "p",
        "redirect_url": "http://localhost:5000/cb", "postback_url": "https://example.com/postback",
        "registered_addresses": ["10.0.0.7", "2001:DB8::1"], "algo_ids": ["A1"],
    }  # fmt: skip
    (account,) = read(tmp_path, {"accounts": [full]})
    assert account.cash == Decimal("250000.50")
    assert account.registered_addresses == ("10.0.0.7", "2001:db8::1")
    assert account.algo_ids == {"A1"}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "not JSON"),
        ({}, "accounts"),
        ({"accounts": []}, "accounts"),
        ({"accounts": "x"}, "accounts"),
        ({"accounts": [7]}, "account 1"),
        ({"accounts": [{"user_id": "A"}]}, "api_key"),
        ({"accounts": [GOOD | {"colour": "red"}]}, "colour"),
        ({"accounts": [GOOD | {"cash": -1}]}, "cash"),
        ({"accounts": [GOOD | {"cash": "lots"}]}, "cash"),
        ({"accounts": [GOOD | {"redirect_url": "http://example.com/"}]}, "redirect_url"),
        ({"accounts": [GOOD | {"postback_url": "ftp://127.0.0.1/"}]}, "postback_url"),
        ({"accounts": [GOOD | {"postback_url": "http://[::1"}]}, "postback_url"),
        ({"accounts": [GOOD | {"registered_addresses": ["here"]}]}, "IP address"),
        ({"accounts": [GOOD | {"registered_addresses": "127.0.0.1"}]}, "registered_addresses"),
        ({"accounts": [GOOD, GOOD]}, "user_id"),
        ({"accounts": [GOOD, GOOD | {"user_id": "XY2", "api_secret": "other"}]}, "api_secret"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: object, named: str) -> None:
    with pytest.raises(BadInputError, match=named):
        read(tmp_path, content)
