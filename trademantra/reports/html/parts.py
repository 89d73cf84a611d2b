"""Pieces that several reports are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from trademantra.engine.bars import Float64Array
from trademantra.reports.html.markup import Markup, element, joined

_WIDTH, _HEIGHT = 1_000.0, 240.0


@dataclass(frozen=True, slots=True)
class Tile:
    """One number that matters: label, value, and a line under it; `good` None where it is neither."""

    label: str
    value: str
    under: str = ""
    good: bool | None = None


def tiles(shown: Iterable[Tile]) -> Markup:
    """The numbers at the top of a page."""
    return element(
        "dl",
        *(
            element(
                "div",
                element("dt", tile.label),
                element("dd", tile.value, class_={True: "good", False: "bad", None: None}[tile.good]),
                *([element("dd", tile.under, class_="under")] if tile.under else []),
                class_="tile",
            )
            for tile in shown
        ),
        class_="tiles",
    )


def notes(found: Sequence[str], label: str = "Notes") -> Markup:
    """What the reader must know before the numbers; nothing when there is nothing."""
    if not found:
        return Markup("")
    return element("ul", *(element("li", note) for note in found), class_="note", aria_label=label)


def pairs(rows: Iterable[tuple[str, str]], *, words: bool = False) -> Markup:
    """Names and values under each other; `words`: values are sentences."""
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in rows),
        class_="pairs words" if words else "pairs",
    )


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, text_columns: int = 1
) -> Markup:
    """A table under its caption; the first `text_columns` columns are words, the others numbers."""
    kinds = ["text" if at < text_columns else "number" for at in range(len(head))]
    heads = (element("th", name, scope="col", class_=kind) for name, kind in zip(head, kinds, strict=True))
    lines = (
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    )
    return joined(
        (
            element("p", caption, class_="quiet"),
            element(
                "div",
                element("table", element("thead", element("tr", *heads)), element("tbody", *lines)),
                class_="scroll",
                tabindex=0,
                role="group",
                aria_label=caption,
            ),
        )
    )


def chart(name: str, label: str, fallback: Markup | None = None, *, size: str = "") -> Markup:
    """A place that a script draws into; `fallback` is what stands there without scripts."""
    return element(
        "div",
        fallback or Markup(""),
        id=name,
        class_=f"chart {size}".strip(),
        role="img",
        aria_label=label,
        tabindex=0,
    )


def card(title: str, *content: str, wide: bool = False) -> Markup:
    """A titled box."""
    return element("div", element("h3", title), *content, class_="card wide" if wide else "card")


def empty(reason: str) -> Markup:
    """What stands where there is nothing to show, and why."""
    return element("p", reason, class_="empty")


def line_drawing(values: Float64Array, label: str, *, kind: str) -> Markup:
    """A plain curve as SVG, for viewers that run no scripts; `kind` is its CSS class."""
    low, high = float(values.min()), float(values.max())
    spread = high - low or 1.0
    x = np.linspace(0.0, _WIDTH, len(values))
    y = _HEIGHT - (values - low) / spread * _HEIGHT
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return element(
        "svg",
        element("polyline", points=points),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        preserveAspectRatio="none",
        class_=kind,
        role="img",
        aria_label=label,
    )
