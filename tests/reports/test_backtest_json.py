import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tests.reports.runs import CONTEXT, charges_of, cross_run, rotation_run, silent_run
from trademantra.core.order import Product
from trademantra.core.time import datetime_of
from trademantra.reports.backtest_json import result_object

CHARGES = charges_of(Product.CNC)
DOCUMENT = Path(__file__).parents[2] / "docs" / "reports.md"
TOP = [
    "schema", "strategy", "title", "parameters", "symbols", "series", "timeframe", "zone", "currency", "from", "to",
    "bars", "benchmark", "metrics", "monthly_returns", "trades", "open_positions", "costs", "costs_description", "rules",
    "finer",
    "fingerprint", "notes", "command_line",
]  # fmt: skip
TRADE = [
    "symbol", "side", "entry_time", "exit_time", "entry_price", "exit_price", "quantity", "gross", "costs", "net",
    "return", "reason", "bars",
]  # fmt: skip
POSITION = ["symbol", "side", "entry_time", "average_price", "last_price", "quantity", "gross", "costs"]


def test_the_schema_is_the_promised_one() -> None:
    found = result_object(rotation_run(charges=CHARGES), CONTEXT)
    assert found["schema"] == "trademantra.backtest/1"
    assert list(found) == TOP
    assert list(found["trades"][0]) == TRADE
    assert list(found["open_positions"][0]) == POSITION


def test_every_field_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = result_object(rotation_run(charges=CHARGES), CONTEXT, curve=True)
    for name in (*found, *TRADE, *POSITION, *found["rules"], *found["metrics"]):
        assert f"`{name}`" in text, name


def test_it_is_json_and_says_what_the_result_says() -> None:
    result = cross_run(charges=CHARGES)
    found = json.loads(json.dumps(result_object(result, CONTEXT, curve=True), allow_nan=False))
    assert found["bars"] == len(result.ts) == len(found["equity"])
    assert [value for _, value in found["equity"]] == result.curve.tolist()
    assert [datetime.fromisoformat(at) for at, _ in found["equity"]] == [
        datetime_of(int(ts)) for ts in result.ts
    ]
    assert found["from"] == "2025-01-06T09:15:00+05:30"
    assert found["parameters"] == {"fast": 3.0, "slow": 9.0}
    assert found["costs"] == dict(result.levies)
    assert found["fingerprint"] == result.given.fingerprint
    assert len(found["trades"]) == found["metrics"]["trades"] > 5
    for trade, record in zip(found["trades"], result.trades, strict=True):
        assert trade["net"] == record["net"]
        assert trade["entry_time"] == datetime_of(int(result.ts[record["entry_index"]])).isoformat()
    assert (
        abs(
            sum(one["costs"] for one in (*found["trades"], *found["open_positions"]))
            - found["metrics"]["costs"]
        )
        < 1e-6
    )


def test_times_are_in_the_zone_of_the_run() -> None:
    result, context = cross_run(), replace(CONTEXT, zone=ZoneInfo("America/New_York"))
    found = result_object(result, context, curve=True)
    assert found["zone"] == "America/New_York"
    assert found["from"] == found["equity"][0][0] == "2025-01-05T22:45:00-05:00"
    assert found["trades"][0]["entry_time"].endswith("-05:00")


def test_what_is_undefined_is_null_and_the_curve_comes_on_request_only() -> None:
    found = result_object(silent_run(), CONTEXT)
    json.dumps(found, allow_nan=False)
    assert (found["metrics"]["sharpe"], found["metrics"]["win_rate"]) == (None, None)
    assert (found["trades"], found["open_positions"], found["costs"]) == ([], [], {})
    assert "equity" not in found


def test_the_fingerprint_follows_the_prices() -> None:
    one, other = cross_run(1), cross_run(2)
    assert result_object(one, CONTEXT)["fingerprint"] == result_object(cross_run(1), CONTEXT)["fingerprint"]
    assert result_object(one, CONTEXT)["fingerprint"] != result_object(other, CONTEXT)["fingerprint"]
    assert np.array_equal(one.ts, other.ts)
