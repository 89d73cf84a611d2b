"""Where a person's market data lives on this machine."""

import os
from collections.abc import Mapping
from pathlib import Path

from trademantra.core.errors import InvalidValueError

HOME_VARIABLE = "TRADEMANTRA_HOME"


def data_home(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of the user's data: `TRADEMANTRA_HOME`, or `.trademantra` in the user's home folder.

    `environment` defaults to that of the process.  The folder is named, not made: the first write makes it.

    >>> data_home({"TRADEMANTRA_HOME": "/srv/market"}).as_posix()
    '/srv/market'
    """
    named = (os.environ if environment is None else environment).get(HOME_VARIABLE, "")
    return Path(named).expanduser() if named.strip() else Path.home() / ".trademantra"


def chosen_home(stated: Path | None) -> Path:
    """The folder that a person stated, or `data_home`.  Errors: `InvalidValueError` for one that is no folder."""
    home = data_home() if stated is None else stated.expanduser()
    if home.exists() and not home.is_dir():
        raise InvalidValueError(
            f"{home} is not a folder", hint="--data-dir (or TRADEMANTRA_HOME) names the folder of your data"
        )
    return home


def bars_home(environment: Mapping[str, str] | None = None) -> Path:
    """Root of the bar store inside `data_home`."""
    return data_home(environment) / "bars"
