"""What tests of several folders share."""

from pathlib import Path

import pytest

from tests import databases
from trademantra.data.sample.install import SampleRequest, install_sample


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


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as `tm data sample` makes it.  Only read it, or add what no other test looks at."""
    root = tmp_path_factory.mktemp("home")
    list(install_sample(root, SampleRequest()))
    return root


@pytest.fixture
def home(sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as this process's data folder."""
    monkeypatch.setenv("TRADEMANTRA_HOME", str(sample_home))
    return sample_home
