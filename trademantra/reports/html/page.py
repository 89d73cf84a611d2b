"""The shell of every report: one file with its style, scripts and data inside."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template

from trademantra import __version__
from trademantra.data.durable import replace_file
from trademantra.reports.html.markup import Markup, element, escaped, joined, json_island
from trademantra.reports.json_values import Json

_SHARED_SCRIPTS = ("format.js", "charts.js", "table.js", "page.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What differs between reports: `sections` are (id, label in the navigation, content)."""

    title: str
    header: Markup
    sections: tuple[tuple[str, str, Markup], ...]
    scripts: tuple[str, ...]
    data: Json


def rendered(page: Page) -> str:
    """The whole file.  It loads nothing, and its policy lets nothing but its own scripts run."""
    scripts = (_file("vendor/echarts.min.js"), _own_scripts(page.scripts))
    return Template(_file("page.html")).substitute(
        title=escaped(page.title),
        policy=_policy(scripts),
        style=_file("report.css"),
        header=page.header,
        navigation=joined(element("a", label, href=f"#{name}") for name, label, _ in page.sections),
        sections=joined(
            element("section", element("h2", label), content, id=name)
            for name, label, content in page.sections
        ),
        version=escaped(__version__),
        data=json_island("data", page.data),
        scripts="".join(f"<script>{script}</script>" for script in scripts),
    )


def write_page(path: Path, text: str) -> None:
    """Put the page at `path`: a reader finds the whole old or the whole new file, also after a crash."""
    replace_file(path, text.encode())


def _own_scripts(names: tuple[str, ...]) -> str:
    shared = [name for name in _SHARED_SCRIPTS if name != "page.js"]
    parts = [_file(f"scripts/{name}") for name in (*shared, *names, "page.js")]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


def _policy(scripts: tuple[str, ...]) -> str:
    """Content security policy: only these scripts, by their hashes, and nothing from anywhere else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _file(name: str) -> str:
    return resources.files("trademantra.reports.html").joinpath(name).read_text(encoding="utf-8")
