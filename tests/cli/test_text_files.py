"""Files that a person names: what is wrong is said in words, never as a number of the system."""

import pytest

from trademantra.cli.text_files import text_of
from trademantra.core.errors import BadInputError


def test_a_text_is_read_without_the_mark_that_editors_put_before_it(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeffINFY ₹".encode())
    assert text_of(file) == "INFY ₹"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "there is no such file"),
        (".", "it is a folder"),
        ("bytes", "no text in UTF-8"),
        ("bytes/x", "Not a directory"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, name, says):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError) as caught:
        text_of(tmp_path / name, hint="name another")
    assert says in str(caught.value)
    assert "Errno" not in str(caught.value)
    assert caught.value.hint
