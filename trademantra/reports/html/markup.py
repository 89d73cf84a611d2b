"""HTML that is safe by construction: every text is escaped unless it is markup that this module made."""

import html
import json
from collections.abc import Iterable

from trademantra.reports.json_values import Json

_VOID = frozenset({"br", "col", "hr", "img", "input", "meta", "path", "polyline", "rect"})


class Markup(str):
    """Text that is HTML already.  Only this module and constants in code make it; never make it of user text."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str | int | bool | None) -> Markup:
    """An element.  Content is escaped unless it is `Markup`; an underscore at the end of an attribute's name is
    dropped, others become hyphens; True writes the bare name, None and False leave the attribute out.

    >>> element("td", "<script>", class_="name", aria_label='"x"')
    '<td class="name" aria-label="&quot;x&quot;">&lt;script&gt;</td>'
    """
    written = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        word = name.rstrip("_").replace("_", "-")
        written.append(f" {word}" if value is True else f' {word}="{html.escape(str(value))}"')
    written.append(">")
    if tag in _VOID:
        return Markup("".join(written))
    return Markup("".join([*written, *(escaped(part) for part in content), f"</{tag}>"]))


def escaped(text: str) -> Markup:
    """The text as HTML; markup stays as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(text))


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after the other."""
    return Markup("".join(escaped(part) for part in parts))


def json_island(name: str, value: Json) -> Markup:
    """Data for the page's script, in a block that no text inside it can close or open a tag in.

    >>> json_island("data", {"symbol": "</script>"})
    '<script type="application/json" id="data">{"symbol":"\\\\u003c/script\\\\u003e"}</script>'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII, so U+2028 is escaped as well
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{html.escape(name)}">{text}</script>')
