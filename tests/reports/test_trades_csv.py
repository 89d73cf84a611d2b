import csv
import io
from pathlib import Path

import pytest

from tests.reports.runs import CONTEXT, charges_of, cross_run, silent_run
from trademantra.core.order import Product
from trademantra.reports.backtest_json import result_object
from trademantra.reports.json_values import figure
from trademantra.reports.trades_csv import COLUMNS, trades_csv, write_trades_csv


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_the_values_of_the_json() -> None:
    result = cross_run(charges=charges_of(Product.CNC))
    trades = result_object(result, CONTEXT)["trades"]
    rows = rows_of(trades_csv(result, CONTEXT))
    assert len(rows) == len(trades) > 5
    for row, trade in zip(rows, trades, strict=True):
        assert tuple(row) == COLUMNS == tuple(trade)
        for name, value in trade.items():
            if isinstance(value, float | int):
                assert float(row[name]) == figure(value)
                assert len(row[name].strip("-0.").replace(".", "").partition("e")[0]) <= 12
            else:
                assert row[name] == value


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", 'A"B,C', "M&M"])
def test_no_symbol_is_a_formula_and_every_symbol_survives(name: str) -> None:
    rows = rows_of(trades_csv(cross_run(name=name), CONTEXT))
    for row in rows:
        assert row["symbol"][0] not in "=+-@\t\r\n"
        assert row["symbol"].removeprefix("'") == name


def test_the_file_is_put_in_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "trades.csv"
    for result in (cross_run(), silent_run()):
        write_trades_csv(path, result, CONTEXT)
        assert path.read_text(encoding="utf-8") == trades_csv(result, CONTEXT)
    assert [one.name for one in path.parent.iterdir()] == ["trades.csv"]
    assert path.read_text(encoding="utf-8") == ",".join(COLUMNS) + "\n"
