"""What is filed is found under each of its names until it is taken out, packed or not."""

from hypothesis import given
from hypothesis import strategies as st

from trademantra.kit.archive import Archive

NAMES = st.text(st.characters(codec="utf-8"), max_size=6)


@given(
    filed=st.lists(st.tuples(st.sets(NAMES, min_size=1, max_size=3), st.integers(0, 10**9)), max_size=200),
    gone=st.sets(st.integers(0, 199)),
)
def test_a_text_is_found_by_its_names_until_it_is_taken_out(filed, gone):
    archive = Archive()
    slots = [archive.add(names, f"text {number}") for names, number in filed]
    for at in sorted(gone):
        if at < len(filed):
            archive.take_out(slots[at], filed[at][0])
    left = [(names, f"text {number}") for at, (names, number) in enumerate(filed) if at not in gone]
    assert list(archive) == [text for _, text in left]
    assert len(archive) == len(left)
    for name in {name for names, _ in filed for name in names} | {"never filed"}:
        assert [each.text for each in archive.find(name)] == [text for names, text in left if name in names]


def test_a_thousand_like_texts_take_a_quarter_of_their_length():
    archive = Archive()
    texts = [
        f'["ORDER{number:012}","BUY",{number % 7}00,"NSE:S{number % 50:03}"]' * 5 for number in range(1024)
    ]
    for text in texts:
        archive.add([text[:20]], text)
    assert sum(len(each) for each in archive._packed) * 4 < sum(map(len, texts))
