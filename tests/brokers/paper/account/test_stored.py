"""Accounts as JSON: everything comes back, and rubbish is named."""

import contextlib
import copy
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brokers.paper.account.making import DAY, NEXT, future, option, order, request, share, trade
from trademantra.brokers.paper.account.account import Account
from trademantra.brokers.paper.account.settings import MarginSettings
from trademantra.core.errors import BadInputError
from trademantra.core.instrument import OptionRight
from trademantra.core.order import Product, Side

INFY, SETTINGS = share(close="1490.5"), MarginSettings()


def busy() -> Account:
    one = Account("AB1234", Decimal("1000000.50"), SETTINGS)
    one.book(trade("1", INFY, Side.BUY, 30, "1500.05", Product.CNC))
    one.book(trade("2", INFY, Side.BUY, 30, "1500.05", Product.MTF))
    one.book(trade("3", future(token=9000), Side.SELL, 65, "24600", Product.NRML))
    one.settle(DAY, lambda token: Decimal(24_650) if token == 9000 else Decimal("1501.10"), NEXT)
    one.book(trade("1", INFY, Side.BUY, 7, "1500.05", Product.MIS))
    one.book(trade("2", INFY, Side.SELL, 3, "1501.05", Product.MIS), auto_square_off=True)
    one.book(trade("3", option(24500, OptionRight.CALL), Side.BUY, 65, "120", Product.NRML))
    one.convert(INFY, Side.BUY, Decimal(2), Product.MIS, Product.CNC, overnight=False)
    for name, price in (("stop", None), ("target", "1600")):
        asked = request(INFY, Side.SELL, 2, Product.MIS, price=price, trigger=None if price else "1400")
        one.check_and_block(order(name, INFY, asked), Decimal(1500), one_cancels_other="pair")
    return one


def read(data: object) -> Account:
    return Account.from_json(json.loads(json.dumps(data)), SETTINGS)


def test_all_of_it_comes_back_and_goes_on_equally() -> None:
    one = busy()
    again = read(one.to_json())
    assert again.to_json() == one.to_json()
    assert (again.account_id, again.cash, again.available) == (one.account_id, one.cash, one.available)
    for account in (one, again):
        account.book(trade("2", INFY, Side.SELL, 3, "1501.05", Product.MIS))  # known already
        account.release("stop")
        account.settle(NEXT, lambda token: Decimal(1500), NEXT.replace(day=25), {"NIFTY": Decimal(24_600)})
    assert again.ledger() == one.ledger()
    assert "brokerage" in one.ledger()[-2].text
    assert again.to_json() == one.to_json()


def test_terms_that_no_number_shows_are_kept() -> None:
    data = busy().to_json()
    assert [row["auto_square_off"] for row in json.loads(json.dumps(data))["executions"]].count(True) == 1
    again = read(data)
    again.release("stop")
    assert again.blocked("target") == 0
    assert read(data).to_json() == data


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rubbish_is_named(data: st.DataObject) -> None:
    written = copy.deepcopy(json.loads(json.dumps(busy().to_json())))
    part = written
    while True:
        keys = sorted(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    if isinstance(part, dict) and data.draw(st.booleans()):
        del part[key]
    else:
        part[key] = data.draw(
            st.sampled_from([None, True, -1, 99, 1.5, "", "x", "NaN", "1e999999999", [], {}])
        )
    with contextlib.suppress(BadInputError):
        again = Account.from_json(written, SETTINGS)
        assert json.loads(json.dumps(again.to_json()))  # it was a possible account


def test_another_version_is_refused() -> None:
    with pytest.raises(BadInputError, match="version"):
        Account.from_json({**busy().to_json(), "version": 2}, SETTINGS)
    with pytest.raises(BadInputError):
        Account.from_json({}, SETTINGS)
