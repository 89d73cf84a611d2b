"""Lot sizes that an old F&O bhavcopy proves by itself.

Until 2024-07-05 the file counts contracts, gives no lot size, but states turnover and open interest.  Turnover of a
row is contracts × lot × (strike + average price), and the average lies between low and high; open interest is in
units and so a multiple of the lot, except after a revision of lots.  The rows of one underlying, expiry and day
together leave one whole number, or the lot stays unknown.  Measured on the F&O files of 2026-01-05 and 2026-02-10,
which state their lots: none proven wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

_RUPEES_PER_LAKH = 100_000.0
# VAL_INLAKH is written with two decimals: half of the last one, in rupees.
_TURNOVER_ROUNDING = 500.0
_SLACK = 1e-9
# The largest lot NSE has had is below 100,000 shares; what is far above it was misread.
_LARGEST_LOT = 1_000_000


@dataclass(frozen=True, slots=True)
class ProvenLots:
    """Lot size by row, null where it is neither stated nor proven nor needed; `unknown` says why, by underlying."""

    lots: pl.Series
    unknown: Mapping[str, str] = field(default_factory=dict)


def proven_lots(frame: pl.DataFrame, stated: Mapping[str, int]) -> ProvenLots:
    """Lots of the rows of `frame`: `underlying`, `expiry`, `day` (text), and as float64 `strike` (0 for futures),
    `high`, `low`, `contracts`, `turnover` (lakh), `open_interest`, `change` (units).

    `stated` sizes win.  Rows without a trade need no lot.
    """
    key = ["underlying", "expiry", "day"]
    traded = frame.filter((pl.col("contracts") > 0) & (pl.col("low") > 0) & (pl.col("high") >= pl.col("low")))
    rupees = pl.col("turnover") * _RUPEES_PER_LAKH
    bounds = traded.group_by(key).agg(
        ((rupees - _TURNOVER_ROUNDING) / (pl.col("contracts") * (pl.col("strike") + pl.col("high"))))
        .max()
        .alias("least"),
        ((rupees + _TURNOVER_ROUNDING) / (pl.col("contracts") * (pl.col("strike") + pl.col("low"))))
        .min()
        .alias("most"),
    )
    interest = frame.group_by(key).agg(
        pl.concat_list(pl.col("open_interest"), pl.col("change")).explode().abs().unique().alias("interest")
    )
    rows = bounds.join(interest, on=key, how="left")
    groups = [_Group(*row) for row in rows.iter_rows()]
    # An expiry whose open interest fits no lot shows that lots were revised: then only turnover proves anything.
    revised = {(group.underlying, group.day) for group in groups if not group.dividing()}
    found: list[tuple[str, str, str, float]] = []
    unknown: dict[str, str] = {}
    for group in groups:
        if group.underlying in stated:
            continue
        candidates = group.between() if (group.underlying, group.day) in revised else group.dividing()
        if len(candidates) == 1:
            found.append((group.underlying, group.expiry, group.day, float(candidates[0])))
        else:
            shown = ", ".join(str(lot) for lot in candidates[:5])
            unknown[group.underlying] = f"it could be {shown} …" if candidates else "its turnover fits no lot"
    table = pl.DataFrame(
        found, schema=[*((name, pl.String) for name in key), ("lot", pl.Float64)], orient="row"
    )
    lots = frame.select(key).join(table, on=key, how="left", maintain_order="left")["lot"]
    by_statement = frame["underlying"].replace_strict(
        {name: float(size) for name, size in stated.items()}, default=None, return_dtype=pl.Float64
    )
    return ProvenLots(by_statement.zip_with(by_statement.is_not_null(), lots), unknown)


@dataclass(frozen=True, slots=True)
class _Group:
    """Contracts of one underlying, expiry and day: bounds of their lot by turnover, and their open interests."""

    underlying: str
    expiry: str
    day: str
    least: float
    most: float
    interest: list[float | None]

    def between(self) -> range:
        """Whole numbers that the turnover of all rows allows."""
        first, last = max(1, math.ceil(self.least - _SLACK)), math.floor(self.most + _SLACK)
        plausible = first <= last <= _LARGEST_LOT
        return range(first, last + 1) if plausible else range(0)

    def dividing(self) -> list[int]:
        """Those of which all open interests are multiples."""
        divisor = math.gcd(*(int(units) for units in self.interest if units))
        return [lot for lot in self.between() if divisor % lot == 0]
