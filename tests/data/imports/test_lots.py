import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trademantra.data.imports.lots import proven_lots


@st.composite
def files(draw: st.DrawFn) -> tuple[int, pl.DataFrame]:
    """Rows of one underlying and expiry as an exchange with this lot would write them."""
    lot = draw(st.integers(1, 12_000))
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        low = draw(st.integers(5, 200_000)) / 20
        high = low + draw(st.integers(0, 2_000)) / 20
        average = draw(st.floats(low, high))
        strike = draw(st.sampled_from([0.0, 100.0, 2_500.0, 18_000.0]))
        contracts = draw(st.integers(0, 10**6))
        turnover = round(contracts * lot * (strike + average) / 1e5, 2)
        rows.append((strike, high, low, float(contracts), turnover, float(lot * draw(st.integers(0, 5_000)))))
    frame = pl.DataFrame(
        rows, schema=["strike", "high", "low", "contracts", "turnover", "open_interest"], orient="row"
    ).with_columns(
        pl.lit("X").alias("underlying"), pl.lit("2020-01-30").alias("expiry"), pl.lit("02-JAN-2020").alias("day"),
        pl.lit(0.0).alias("change"),
    )  # fmt: skip
    return lot, frame


@given(files())
@settings(max_examples=150, deadline=None)
def test_a_proven_lot_is_the_true_one(made: tuple[int, pl.DataFrame]) -> None:
    lot, frame = made
    assert set(proven_lots(frame, {}).lots.drop_nulls().to_list()) <= {float(lot)}


def test_stated_lots_win_and_unknown_ones_say_why() -> None:
    frame = pl.DataFrame(
        {
            "underlying": ["X", "Y"], "expiry": ["e", "e"], "day": ["d", "d"], "strike": [0.0, 0.0],
            "high": [100.0, 100.0], "low": [50.0, 50.0], "contracts": [1.0, 1.0], "turnover": [0.07, 0.07],
            "open_interest": [0.0, 0.0], "change": [0.0, 0.0],
        }
    )  # fmt: skip
    found = proven_lots(frame, {"Y": 90})
    assert found.lots.to_list() == [None, 90.0]
    assert found.unknown["X"].startswith("it could be ")


@pytest.mark.parametrize("turnover", [0.0, 1e9])
def test_turnover_that_cannot_be_proves_nothing(turnover: float) -> None:
    frame = pl.DataFrame(
        {
            "underlying": ["X"], "expiry": ["e"], "day": ["d"], "strike": [0.0], "high": [100.0], "low": [100.0],
            "contracts": [10_000.0], "turnover": [turnover], "open_interest": [7.0], "change": [0.0],
        }
    )  # fmt: skip
    assert proven_lots(frame, {}).lots.to_list() == [None]
