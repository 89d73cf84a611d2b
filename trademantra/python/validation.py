"""Walk-forward and `check`: may these numbers be believed?"""

from dataclasses import dataclass

import polars as pl

from trademantra.engine.metrics import Metrics
from trademantra.engine.validation.causality import Finding, Verdict
from trademantra.engine.validation.stability import Stability
from trademantra.engine.validation.walk_forward import WalkForward
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
from trademantra.reports.context import RunContext


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WalkForwardRun:
    """A strategy that chose its parameters on the past again and again, and traded what came next."""

    result: WalkForward
    context: RunContext

    @property
    def metrics(self) -> Metrics:
        """Of the tests alone, stitched together."""
        return self.result.metrics

    @property
    def efficiency(self) -> float:
        """Annual growth out of sample over that in training; NaN when training lost."""
        return self.result.efficiency

    def steps_frame(self) -> pl.DataFrame:
        """One row a step: when, what was chosen, the objective in training and in the test."""
        return frames.steps_frame(self.result, self.result.objective, self.context.zone)

    def equity_frame(self) -> pl.DataFrame:
        """`time` and `equity` at the close of each bar of the tests."""
        return pl.DataFrame(
            {"time": frames.times(self.result.ts, self.context.zone), "equity": self.result.curve}
        )

    def __repr__(self) -> str:
        return text_summary(self._title(), self._lines(), main_figures(self.metrics), self.context.notes)

    def _repr_html_(self) -> str:
        picture = line_picture(self.result.curve, "equity out of sample")
        return html_summary(
            self._title(), self._lines(), main_figures(self.metrics), self.context.notes, picture
        )

    def _title(self) -> str:
        return f"{self.context.title}: walk-forward, {len(self.result.steps)} steps, out of sample"

    def _lines(self) -> tuple[str, ...]:
        made, kept = (figure(each, "percent") for each in (self.result.profitable_steps, self.efficiency))
        return (
            f"chosen by {self.result.objective} among {self.result.combinations:,} combinations",
            f"{made} of the steps made money; growth kept out of sample: {kept}",
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Check:
    """Findings of `tm check`, and how the score changes around the chosen parameters (None where something failed)."""

    strategy: str
    findings: tuple[Finding, ...]
    stability: Stability | None

    @property
    def passed(self) -> bool:
        """Nothing failed, and nothing that applies is unproven."""
        return not any(each.verdict in (Verdict.FAILED, Verdict.UNPROVEN) for each in self.findings)

    def frame(self) -> pl.DataFrame:
        """One row a finding."""
        return pl.DataFrame(
            {
                name: [str(getattr(each, name)) for each in self.findings]
                for name in ("check", "verdict", "words", "hint")
            }
        )

    def __repr__(self) -> str:
        return text_summary(self._title(), self._lines(), self._figures(), ())

    def _repr_html_(self) -> str:
        heat = self.stability.heat if self.stability else None
        picture = (
            heat_table(
                heat.row_name, heat.row_values.tolist(), heat.column_name, heat.column_values.tolist(), heat.scores,
                self.stability.objective,
            )
            if heat is not None and self.stability is not None
            else ""
        )  # fmt: skip
        return html_summary(self._title(), self._lines(), self._figures(), (), picture)

    def _title(self) -> str:
        return f"{self.strategy}: {'passed' if self.passed else 'not passed'}"

    def _lines(self) -> tuple[str, ...]:
        return tuple(
            f"{each.check}: {each.verdict}, {each.words}{f' ({each.hint})' if each.hint else ''}"
            for each in self.findings
        )

    def _figures(self) -> tuple[Row, ...]:
        if self.stability is None:
            return ()
        return (
            (self.stability.objective, figure(self.stability.score)),
            ("as good nearby", figure(self.stability.stable, "percent")),
        )
