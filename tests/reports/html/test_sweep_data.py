import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.runs import CONTEXT, sweep_run
from trademantra.engine.sweep import SweepResult
from trademantra.reports.html.sweep_data import neighbours
from trademantra.reports.sweep_json import sweep_object

WHOLE = sweep_run(steps=6)


def by_hand(result: SweepResult, objective: str, position: int) -> tuple[int, float]:
    """Neighbours found by looking at every combination."""
    names = list(result.parameters)
    levels = {name: sorted(set(result.parameters[name].tolist())) for name in names}
    place = [[levels[name].index(v) for name, v in zip(names, point, strict=True)]
             for point in zip(*(result.parameters[name].tolist() for name in names), strict=True)]  # fmt: skip
    mine = place[position]
    near = [
        value
        for other, value in zip(place, result.scores[objective].tolist(), strict=True)
        if sum(abs(a - b) for a, b in zip(mine, other, strict=True)) == 1 and np.isfinite(value)
    ]
    return len(near), float(np.mean(near)) if near else float("nan")


@settings(max_examples=30, deadline=None)
@given(
    kept=st.sets(st.integers(0, len(WHOLE) - 1), min_size=1),
    objective=st.sampled_from(("sharpe", "win_rate")),
)
def test_neighbours_are_those_one_step_away(kept: set[int], objective: str) -> None:
    """Also where a grid has holes."""
    at = np.array(sorted(kept))
    some = replace(
        WHOLE,
        parameters={name: values[at] for name, values in WHOLE.parameters.items()},
        scores={name: values[at] for name, values in WHOLE.scores.items()},
    )
    found = neighbours(some, objective, np.arange(len(some)))
    for k in range(len(some)):
        count, mean = by_hand(some, objective, k)
        assert found.counts[k] == count
        assert found.means[k] == pytest.approx(mean, nan_ok=True)


def test_the_json_of_a_sweep_ranks_its_combinations() -> None:
    found = json.loads(json.dumps(sweep_object(WHOLE, CONTEXT, "max_drawdown", top=4), allow_nan=False))
    assert found["schema"] == "trademantra.sweep/1"
    assert found["grid"]["fast"] == [2.0, 4.0, 8.0]
    assert (found["combinations"], len(found["top"])) == (len(WHOLE), 4)
    falls = [one["scores"]["max_drawdown"] for one in found["top"]]
    assert falls == sorted(falls, reverse=True)
    assert falls[0] == WHOLE.scores["max_drawdown"].max()
    assert len(sweep_object(WHOLE, CONTEXT, "sharpe", top=None)["top"]) == len(WHOLE)
