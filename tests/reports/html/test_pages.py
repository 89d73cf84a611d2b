import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest

from tests.reports.runs import CONTEXT, charges_of, cross_run, rotation_run, silent_run, sweep_run
from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Exchange, Segment
from trademantra.core.order import Product
from trademantra.core.time import IST
from trademantra.reports.context import RunContext
from trademantra.reports.html.backtest_data import Limits
from trademantra.reports.html.backtest_page import backtest_page, write_backtest_page
from trademantra.reports.html.sweep_data import SweepLimits
from trademantra.reports.html.sweep_page import sweep_page, write_sweep_page
from trademantra.reports.restated_costs import Traded, restated_costs

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
HOSTILE = RunContext(
    title=ATTACK, timeframe=CONTEXT.timeframe, idea=ATTACK, series=(ATTACK,), costs=ATTACK, notes=(ATTACK,),
    benchmark=ATTACK, command_line=ATTACK, currency="<b>",
)  # fmt: skip
VENDOR = resources.files("trademantra.reports.html") / "vendor"


class Page(HTMLParser):
    """What a browser would find: tags, scripts, attributes, ids."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.policy = self.title = ""
        self._inside = ""
        self._name = ""
        self.data: dict[str, object] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        assert not any(name.startswith("on") for name in found), found
        self._inside, self._name = tag, found.get("id") or found.get("type") or ""
        self.ids += [found["id"]] if found.get("id") else []
        self.links += [
            value for name, value in attrs if name in ("src", "href", "srcset", "action") and value
        ]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif self._inside == "script" and self._name == "data":
            self.data = json.loads(data)
        elif self._inside == "script":
            self.scripts.append(data)


def holds(page: Page) -> None:
    """It loads nothing, runs only its own two scripts, and every place that a script asks for is there once."""
    assert [link for link in page.links if not link.startswith("#")] == ["https://echarts.apache.org"]
    assert page.tags.count("script") == 3
    assert page.tags.count("img") == page.tags.count("link") == page.tags.count("iframe") == 0
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in page.scripts]
    assert re.findall(r"'sha256-([^']+)'", page.policy) == hashes
    assert "default-src 'none'" in page.policy
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("make", [cross_run, rotation_run, silent_run])
def test_a_page_is_one_file_that_loads_nothing(make: object) -> None:
    assert callable(make)
    page = Page(backtest_page(make(), CONTEXT))
    holds(page)
    for link in page.links:
        assert not link.startswith("#") or link[1:] in page.ids


def test_no_name_becomes_markup() -> None:
    result = cross_run(name=ATTACK, charges=charges_of(Product.CNC))
    for text in (backtest_page(result, HOSTILE), sweep_page(sweep_run(), HOSTILE)):
        page = Page(text)
        holds(page)
        assert "alert(1)</script>" not in text
        assert ATTACK in page.title
    page = Page(backtest_page(result, HOSTILE))
    assert page.data["trades"]["symbols"] == [ATTACK]
    assert page.data["prices"][0]["symbol"] == ATTACK


def test_the_data_is_what_the_run_made() -> None:
    result = cross_run(charges=charges_of(Product.CNC))
    data = Page(backtest_page(result, CONTEXT)).data
    assert [round(value, 2) for value in result.curve.tolist()] == data["equity"]["value"]
    trades = data["trades"]
    assert len(trades["net"]) == len(result.trades)
    assert sum(trades["net"]) == pytest.approx(result.trades["net"].sum(), abs=0.01 * len(result.trades))
    closes = [sum(data["prices"][0]["close"][: k + 1]) / 100 for k in range(5)]
    assert closes == pytest.approx(result.given.bars["TEST"].close[:5].tolist())
    assert trades["from"] == result.trades["entry_index"].tolist()
    assert min(data["equity"]["drawdown"]) == pytest.approx(result.metrics.max_drawdown, abs=1e-5)


def test_beyond_its_limits_a_page_thins_curves_keeps_late_trades_and_says_so() -> None:
    limits = Limits(curve_groups=20, candles=60, price_charts=2, trades=5, rolling=10)
    result = rotation_run()
    text = backtest_page(result, CONTEXT, limits=limits)
    data = Page(text).data
    assert len(data["equity"]["value"]) <= 160
    assert max(data["equity"]["value"]) == round(result.curve.max(), 2)
    assert len(data["prices"]) == 2
    assert all(len(one["close"]) <= 30 for one in data["prices"])
    assert data["trades"]["net"] == [round(net, 2) for net in result.trades["net"][-5:].tolist()]
    assert all(len(one["value"]) <= 10 for one in data["rolling"])
    for words in (
        f"last 5 of {len(result.trades)} trades",
        "every peak and trough is kept",
        "2 of 4 instruments",
        "A candle of",
    ):
        assert words in text
    shown = {one["symbol"] for one in data["prices"]}
    for symbol, begin in zip(data["trades"]["symbol"], data["trades"]["from"], strict=True):
        assert (begin >= 0) == (data["trades"]["symbols"][symbol] in shown)


def test_nothing_to_show_is_said() -> None:
    text = backtest_page(silent_run(), CONTEXT)
    for words in (
        "Not one trade was made", "No round trips", "The equity never fell under a peak", "No costs were charged",
        "Returns do not vary", "At least two trades",
    ):  # fmt: skip
        assert words in text
    assert "nan" not in text.split("<main")[1].split("<script")[0].lower().replace("finance", "")


def test_costs_notes_and_rules_are_told() -> None:
    result = cross_run(name="TCS", charges=charges_of(Product.CNC))
    traded = Traded(exchange=Exchange.NSE, segment=Segment.EQUITY, product=Product.CNC)
    restated = restated_costs(result, "zerodha", traded, IST)
    text = backtest_page(
        result, replace(CONTEXT, notes=("synthetic data",), command_line="tm backtest x"), restated
    )
    for words in ("STT", "Stamp duty", "FY 2024-25", "As the engine counted it", "synthetic data", "tm backtest x",
                  "decided at a close, filled at the next open", result.given.fingerprint):  # fmt: skip
        assert words in text
    assert "As contract notes state it" not in backtest_page(result, CONTEXT)


def test_a_sweep_page_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    result = sweep_run()
    write_sweep_page(tmp_path / "sweep.html", result, CONTEXT, "calmar", top=7)
    page = Page((tmp_path / "sweep.html").read_text(encoding="utf-8"))
    holds(page)
    assert page.data["objective"] == "calmar"
    assert len(page.data["top"]["neighbours"]) == 7
    best = result.row(result.order("calmar")[0])
    levels = [
        one["levels"][at[0]]
        for one, at in zip(page.data["parameters"], page.data["top"]["levels"], strict=True)
    ]
    assert levels == [best[name] for name in result.parameters]
    assert len(page.data["drawn"]["scores"][0]) == len(result)
    with pytest.raises(InvalidValueError, match="no score"):
        sweep_page(result, CONTEXT, "beauty")


@pytest.mark.parametrize("objective", ["final_equity", "sharpe"])
def test_a_sweep_for_the_final_equity_alone_shows_what_there_is(objective: str) -> None:
    page = Page(sweep_page(sweep_run(scores=False), CONTEXT, objective))
    holds(page)
    names = {one["name"] for one in page.data["scores"]}
    assert {"final_equity", "total_return"} <= names
    assert names & {"sharpe", "calmar"} == {objective} & {"sharpe"}


def test_a_large_sweep_is_thinned_and_says_so() -> None:
    text = sweep_page(sweep_run(), CONTEXT, limits=SweepLimits(combinations=10, lines=6))
    data = Page(text).data
    assert (len(data["drawn"]["scores"][0]), len(data["lines"]["scores"][0])) == (10, 6)
    assert "drawn from 10 of" in text
    assert "the best 2 and an even choice" in text


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    write_backtest_page(path, cross_run(), CONTEXT)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_the_chart_library_is_the_one_that_its_readme_names() -> None:
    stated = re.search(r"sha256 ([0-9a-f]{64})", (VENDOR / "README.md").read_text(encoding="utf-8"))
    assert stated is not None
    assert hashlib.sha256((VENDOR / "echarts.min.js").read_bytes()).hexdigest() == stated[1]
    for licence in (
        "LICENSE-echarts.txt",
        "NOTICE-echarts.txt",
        "LICENSE-zrender.txt",
        "LICENSE-tslib.txt",
        "LICENSE-d3.txt",
    ):
        assert (VENDOR / licence).is_file()
