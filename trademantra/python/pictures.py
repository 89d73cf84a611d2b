"""What a notebook shows of a result: small tables, a line, a heat map.  Plain HTML and SVG, no scripts."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import isfinite, nan

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.engine.metrics import Metrics

_WIDTH, _HEIGHT = 640, 120
_MOST_POINTS = 600
_GAIN, _LOSS = (49, 104, 189), (214, 120, 32)  # blue and orange, which all kinds of colour vision tell apart
_STRONGEST = 0.75  # of a colour over the page, so that the figures stay readable in light and dark

Row = tuple[str, str]


def figure(value: float, kind: str = "") -> str:
    """A number as people read it; `percent` of fractions, `money` without decimals; a dash for what is undefined.

    >>> figure(0.1234, "percent"), figure(1234567.8, "money"), figure(1.234), figure(float("nan"))
    ('12.34 %', '1,234,568', '1.23', '–')
    """
    if not isfinite(value):
        return "–" if value != value else "∞" if value > 0 else "-∞"
    if kind == "percent":
        return f"{100.0 * value:,.2f} %"
    return f"{value:,.0f}" if kind == "money" else f"{value:,.2f}"


def main_figures(metrics: Metrics) -> tuple[Row, ...]:
    """The scores that come first, in the order in which people ask for them."""
    return (
        ("total return", figure(metrics.total_return, "percent")),
        ("CAGR", figure(metrics.cagr, "percent")),
        ("Sharpe", figure(metrics.sharpe)),
        ("max drawdown", figure(metrics.max_drawdown, "percent")),
        ("final equity", figure(metrics.final_equity, "money")),
        ("trades", f"{metrics.trades:,}"),
        ("win rate", figure(metrics.win_rate, "percent")),
        ("profit factor", figure(metrics.profit_factor)),
        ("exposure", figure(metrics.exposure, "percent")),
        ("costs", figure(metrics.costs, "money")),
    )


def text_summary(title: str, lines: Sequence[str], rows: Sequence[Row], notes: Sequence[str]) -> str:
    """Title, lines, figures in two columns, notes."""
    half = (len(rows) + 1) // 2
    pairs = [(rows[k], rows[k + half] if k + half < len(rows) else ("", "")) for k in range(half)]
    table = [f"  {a:<14}{x:>16}    {b:<14}{y:>16}".rstrip() for (a, x), (b, y) in pairs]
    return "\n".join(
        [title, *(f"  {line}" for line in lines), *table, *(f"  note: {note}" for note in notes)]
    )


def html_summary(
    title: str, lines: Sequence[str], rows: Sequence[Row], notes: Sequence[str], picture: str = ""
) -> str:
    """The same as a small piece of a page."""
    cells = "".join(
        f'<div style="margin:0 1.5em .4em 0"><div style="opacity:.65">{escape(name)}</div>'
        f'<div style="font-variant-numeric:tabular-nums;font-weight:600">{escape(value)}</div></div>'
        for name, value in rows
    )
    said = "".join(f'<div style="opacity:.65">{escape(line)}</div>' for line in lines)
    told = "".join(f'<div style="opacity:.65">note: {escape(note)}</div>' for note in notes)
    return (
        f'<div style="max-width:{_WIDTH}px"><strong>{escape(title)}</strong>{said}'
        f'<div style="display:flex;flex-wrap:wrap;margin:.5em 0">{cells}</div>{picture}{told}</div>'
    )


def line_picture(values: Float64Array, name: str) -> str:
    """A line over time as SVG: `values` (n,), thinned to the extremes of equal stretches."""
    known = values[np.isfinite(values)]
    if len(known) < 2 or known.max() <= known.min():
        return ""
    low, high = float(known.min()), float(known.max())
    points = " ".join(
        f"{_WIDTH * at / (len(values) - 1):.1f},{_HEIGHT * (1 - (value - low) / (high - low)):.1f}"
        for at, value in _thinned(values)
    )
    return (
        f'<svg role="img" aria-label="{escape(name)}" viewBox="0 -4 {_WIDTH} {_HEIGHT + 8}" width="{_WIDTH}" '
        f'style="max-width:100%"><title>{escape(name)}</title><polyline points="{points}" fill="none" '
        f'stroke="rgb{_GAIN}" stroke-width="1.5"/></svg>'
    )


def _thinned(values: Float64Array) -> list[tuple[int, float]]:
    """First, last, and the lowest and the highest of each stretch, in time order."""
    if len(values) <= _MOST_POINTS:
        return list(enumerate(values.tolist()))
    kept = {0, len(values) - 1}
    bounds = np.linspace(0, len(values), _MOST_POINTS // 2 + 1).astype(int).tolist()
    for start, stop in pairwise(bounds):
        kept |= {start + int(np.argmin(values[start:stop])), start + int(np.argmax(values[start:stop]))}
    return [(at, float(values[at])) for at in sorted(kept)]


def heat_table(
    row_name: str,
    rows: Sequence[float],
    column_name: str,
    columns: Sequence[float],
    cells: Float64Array,
    title: str,
) -> str:
    """A map of `cells` (rows, columns): blue for gains, orange for losses, the stronger the further from zero.

    Where all have one sign, colours spread over what there is; undefined cells are empty.
    """
    sizes = np.abs(cells[np.isfinite(cells)])
    mixed = len(np.unique(np.signbit(cells[np.isfinite(cells)]))) > 1
    least, most = (0.0 if mixed else float(sizes.min()), float(sizes.max())) if len(sizes) else (nan, nan)
    head = "".join(f'<th scope="col">{value:g}</th>' for value in columns)
    body = "".join(
        f'<tr><th scope="row">{value:g}</th>{"".join(_cell(each, least, most) for each in line)}</tr>'
        for value, line in zip(rows, cells.tolist(), strict=True)
    )
    corner = f"{escape(row_name)} ↓ {escape(column_name)} →"
    return (
        f'<table style="font-variant-numeric:tabular-nums"><caption style="text-align:left">{escape(title)}</caption>'
        f"<thead><tr><th>{corner}</th>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: float, least: float, most: float) -> str:
    if not isfinite(value):
        return "<td></td>"
    red, green, blue = _GAIN if value >= 0.0 else _LOSS
    strength = _STRONGEST * (abs(value) - least) / (most - least) if most > least else 0.0
    colour = f"rgba({red},{green},{blue},{strength:.2f})"
    return f'<td style="background:{colour};text-align:right;padding:2px 6px">{figure(value)}</td>'
