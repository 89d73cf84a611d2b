"""What the functions of the Python API return: numbers, frames, a page, and something to look at in a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from trademantra.core.errors import InvalidValueError
from trademantra.core.instrument import Segment
from trademantra.core.time import datetime_of
from trademantra.engine.backtest import BacktestResult
from trademantra.engine.bars import Int64Array
from trademantra.engine.metrics import Metrics
from trademantra.engine.rules import FillAt, TradingRules
from trademantra.engine.sweep import LOWER_IS_BETTER, SweepResult
from trademantra.engine.validation.luck import Luck
from trademantra.python import frames
from trademantra.python.pictures import (
    Row,
    figure,
    heat_table,
    html_summary,
    line_picture,
    main_figures,
    text_summary,
)
from trademantra.reports.backtest_json import result_object
from trademantra.reports.context import RunContext
from trademantra.reports.html.backtest_page import write_backtest_page
from trademantra.reports.html.sweep_page import write_sweep_page
from trademantra.reports.json_values import Json
from trademantra.reports.luck import luck_lines
from trademantra.reports.restated_costs import restated_run
from trademantra.reports.rule_words import level_word, size_word

_SERIES_NAMED = 4
_MOST_CELLS = 1_000  # of a heat map that is shown without being asked for


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Backtest:
    """One run.  `result` is the engine's own record of it, with all arrays."""

    result: BacktestResult
    context: RunContext
    segment: Segment = Segment.EQUITY

    @property
    def metrics(self) -> Metrics:
        return self.result.metrics

    @property
    def parameters(self) -> Mapping[str, float]:
        return self.result.parameters

    @property
    def rules(self) -> TradingRules:
        return self.result.rules

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.result.symbols

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing the numbers."""
        return self.context.notes

    def trades_frame(self) -> pl.DataFrame:
        """Round trips in the order of their exits, the columns of the CSV."""
        return frames.trades_frame(self.result, self.context.zone)

    def fills_frame(self) -> pl.DataFrame:
        """Every execution."""
        return frames.fills_frame(self.result, self.context.zone)

    def equity_frame(self) -> pl.DataFrame:
        """`time`, `equity` and `drawdown` at the close of each bar."""
        return frames.equity_frame(self.result, self.context.zone)

    def months_frame(self) -> pl.DataFrame:
        """`year`, `month`, `return`."""
        return frames.months_frame(self.result, self.context.zone)

    def as_dict(self, *, curve: bool = False) -> dict[str, Json]:
        """What `tm backtest --json` prints (docs/reports.md)."""
        return result_object(self.result, self.context, curve=curve)

    def report(self, path: str | Path) -> Path:
        """Write the page of `tm backtest --html`; returns its path."""
        restated = restated_run(self.result, self.context, self.segment)
        write_backtest_page(Path(path), self.result, self.context, restated)
        return Path(path)

    def __repr__(self) -> str:
        return text_summary(self._title(), self._lines(), main_figures(self.metrics), self.notes)

    def _repr_html_(self) -> str:
        picture = line_picture(self.result.curve, "equity")
        return html_summary(self._title(), self._lines(), main_figures(self.metrics), self.notes, picture)

    def _title(self) -> str:
        return f"{self.context.title} ({self.result.strategy}{_settings(self.parameters)})"

    def _lines(self) -> tuple[str, ...]:
        rules = self.rules
        levels = {"stop": rules.stop, "target": rules.target, "trail": rules.trail}
        said = [f"{name} {level_word(level)}" for name, level in levels.items() if level_word(level)]
        told = [
            f"costs {self.context.costs or 'none'}",
            f"cash {figure(rules.cash, 'money')}",
            f"size {size_word(rules.size)}",
            *said,
            f"fills at {'the next open' if rules.fill_at is FillAt.NEXT_OPEN else 'the close'}",
        ]
        return (_where(self.context, self.result.ts), ", ".join(told))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sweep:
    """Every combination of a grid.  `luck` says how much of the best is luck, None where nothing was chosen."""

    result: SweepResult
    context: RunContext
    objective: str
    luck: Luck | None = None

    def __len__(self) -> int:
        return len(self.result)

    @property
    def notes(self) -> tuple[str, ...]:
        return self.context.notes

    def frame(self) -> pl.DataFrame:
        """One row a combination in grid order: its parameters, then its scores."""
        return frames.combinations_frame(self.result)

    def best(self, objective: str | None = None) -> dict[str, float]:
        """The parameters of the best combination, ready for `backtest(..., parameters=...)`.

        Errors: `InvalidValueError` for an unknown objective, and where it is undefined for every combination.
        """
        score = objective or self.objective
        row = self.result.row(self.result.order(score)[0])
        if row[score] != row[score]:
            raise InvalidValueError(f"{score} is undefined for every combination (no trades?)")
        return {name: row[name] for name in self.result.parameters}

    def top(self, count: int = 10, objective: str | None = None) -> pl.DataFrame:
        """The best combinations, best first."""
        return self.frame()[list(self.result.order(objective or self.objective)[:count])]

    def heat_map(
        self, rows: str | None = None, columns: str | None = None, objective: str | None = None
    ) -> "HeatMap":
        """Two parameters against a score, the best over all the others; the first two where none are named."""
        names = list(self.result.parameters)
        row_name = rows or next((name for name in names if name != columns), "")
        column_name = columns or next((name for name in names if name != row_name), "")
        for name in (row_name, column_name):
            if name not in names or row_name == column_name:
                raise InvalidValueError(
                    f"a heat map needs two of the swept parameters, not {row_name!r} and {column_name!r}",
                    hint=f"swept: {', '.join(names)}",
                )
        score = objective or self.objective
        self.result.order(score)  # an unknown name is refused here
        each = (
            self.result.parameters[row_name],
            self.result.parameters[column_name],
            self.result.scores[score],
        )
        row_values, column_values = np.unique(each[0]), np.unique(each[1])
        cells = np.full((len(row_values), len(column_values)), np.nan)
        at = np.searchsorted(row_values, each[0]), np.searchsorted(column_values, each[1])
        (np.fmin if score in LOWER_IS_BETTER else np.fmax).at(cells, at, each[2])
        return HeatMap(score, row_name, tuple(row_values), column_name, tuple(column_values), cells)

    def report(self, path: str | Path, objective: str | None = None) -> Path:
        """Write the page of `tm sweep --html`; returns its path."""
        write_sweep_page(Path(path), self.result, self.context, objective or self.objective, luck=self.luck)
        return Path(path)

    def __repr__(self) -> str:
        return text_summary(self._title(), self._lines(), self._figures(), self.notes)

    def _repr_html_(self) -> str:
        heat = self.heat_map() if len(self.result.parameters) > 1 else None
        picture = heat._repr_html_() if heat is not None and heat.scores.size <= _MOST_CELLS else ""
        return html_summary(self._title(), self._lines(), self._figures(), self.notes, picture)

    def _title(self) -> str:
        skipped = f", {self.result.skipped:,} refused by the strategy" if self.result.skipped else ""
        return f"{self.context.title}: {len(self):,} combinations{skipped}"

    def _lines(self) -> tuple[str, ...]:
        series = ", ".join(self.context.series[:_SERIES_NAMED])
        return (
            f"{series}, costs {self.context.costs or 'none'}",
            *(luck_lines(self.luck) if self.luck else ()),
        )

    def _figures(self) -> tuple[Row, ...]:
        row = self.result.row(self.result.order(self.objective)[0])
        return (
            (f"best {self.objective}", figure(row[self.objective])),
            *((name, f"{row[name]:g}") for name in self.result.parameters),
            ("its return", figure(row["total_return"], "percent")),
            ("its drawdown", figure(row["max_drawdown"], "percent")),
            ("its trades", figure(row["trades"], "money")),
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeatMap:
    """A score over two parameters: `scores` (rows, columns), NaN where no combination was run."""

    objective: str
    row_name: str
    rows: tuple[float, ...]
    column_name: str
    columns: tuple[float, ...]
    scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]

    def frame(self) -> pl.DataFrame:
        """One row a value of the row parameter, one column a value of the other."""
        made = {self.row_name: pl.Series(self.rows, dtype=pl.Float64)}
        made |= {
            f"{self.column_name}={value:g}": pl.Series(self.scores[:, k])
            for k, value in enumerate(self.columns)
        }
        return pl.DataFrame(made)

    def __repr__(self) -> str:
        return f"{self.objective}\n{self.frame()}"

    def _repr_html_(self) -> str:
        return heat_table(
            self.row_name, self.rows, self.column_name, self.columns, self.scores, self.objective
        )


def _settings(parameters: Mapping[str, float]) -> str:
    return "".join(f", {name} {value:g}" for name, value in parameters.items())


def _where(context: RunContext, ts: Int64Array) -> str:
    """Series, period and number of bars in a line."""
    more = " …" if len(context.series) > _SERIES_NAMED else ""
    first, last = (datetime_of(int(ts[at]), context.zone).date() for at in (0, -1))
    series = ", ".join(context.series[:_SERIES_NAMED])
    return f"{series}{more}, {first} to {last}, {len(ts):,} bars"
