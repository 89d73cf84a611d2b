import pytest

from tests import databases


@pytest.fixture(scope="session")
def postgresql():
    with databases.server() as uri:
        yield uri


@pytest.fixture(params=databases.KINDS)
def url(request, tmp_path):
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tm.db'}"
    return databases.fresh(request.getfixturevalue("postgresql"))
