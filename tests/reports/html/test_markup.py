import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from trademantra.reports.html.markup import element, joined, json_island


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


NASTY = st.text(st.sampled_from("<>&\"'/!-=`script \u2028\u2029é₹"), max_size=30)


@given(text=NASTY, value=NASTY)
def test_text_stays_text(text: str, value: str) -> None:
    reader = Reader()
    reader.feed(joined((element("td", text, title=value), element("b"))))
    reader.close()
    assert reader.tags == ["td", "b"]
    assert reader.attributes == {"title": value}
    assert reader.text == text


@given(text=NASTY)
def test_data_never_leaves_its_island(text: str) -> None:
    island = json_island("data", {"name": text})
    inside = island.removeprefix('<script type="application/json" id="data">').removesuffix("</script>")
    assert not set(inside) & set("<>&\u2028\u2029")
    assert json.loads(inside) == {"name": text}


def test_attributes_that_are_off_are_left_out() -> None:
    assert element("br", hidden=True, class_=None, open=False) == "<br hidden>"
    assert (
        element("label", "x", for_="a", aria_live="polite") == '<label for="a" aria-live="polite">x</label>'
    )
