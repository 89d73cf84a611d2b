"""`tm account sectors` as its user meets it."""

import json

import pytest
from typer.testing import CliRunner

from trademantra.cli import app
from trademantra.core.errors import BadInputError, NotFoundError

LIST = "Company Name,Industry,Symbol,Series,ISIN Code\nA Ltd.,Healthcare,CIPLA,EQ,I\nB Ltd.,Energy,NSE:BPCL,EQ,I\n"


def account_sectors(home, *words, fails=None):
    result = CliRunner().invoke(app, ["account", "sectors", *words], env={"TRADEMANTRA_HOME": str(home)})
    if fails is not None:
        assert isinstance(result.exception, fails)
        return str(result.exception)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_file_is_checked_put_in_place_and_shown(tmp_path):
    home, file = tmp_path / "home", tmp_path / "list.csv"
    assert "all instruments as one sector" in account_sectors(home, fails=NotFoundError)
    file.write_text(LIST)
    assert "Healthcare" in account_sectors(home, "--from", str(file))
    assert json.loads(account_sectors(home, "--json")) == {
        "NSE:CIPLA": "Healthcare", "BSE:CIPLA": "Healthcare", "NSE:BPCL": "Energy",
    }  # fmt: skip
    file.write_text(LIST + "C Ltd.,,INFY,EQ,I\n")
    assert "line 4" in account_sectors(home, "--from", str(file), fails=BadInputError)
    assert (home / "sectors.csv").read_text() == LIST, "a wrong file replaces nothing"


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_what_is_no_file_is_said(tmp_path, name):
    assert "cannot be read" in account_sectors(tmp_path, "--from", str(tmp_path / name), fails=BadInputError)
