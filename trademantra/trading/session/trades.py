"""The trades of a session on disk, as its strategies' models counted them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from trademantra.core.errors import BadInputError
from trademantra.data.durable import replace_file
from trademantra.engine.live.wants import LiveTrade
from trademantra.engine.records import Reason

FILE = "trades.json"


def write_trades(folder: Path, trades: Mapping[str, Sequence[LiveTrade]]) -> None:
    """By run, each in the order of its exit; exact."""
    plain = {
        run: [asdict(trade) | {"reason": trade.reason.name} for trade in made] for run, made in trades.items()
    }
    replace_file(folder / FILE, json.dumps(plain, indent=1, allow_nan=False).encode())


def read_trades(folder: Path) -> dict[str, list[LiveTrade]]:
    """Errors: `BadInputError` for a session that has not ended, or a damaged file."""
    file = folder / FILE
    try:
        plain = json.loads(file.read_bytes())
        return {
            run: [LiveTrade(**{**trade, "reason": Reason[trade["reason"]]}) for trade in made]
            for run, made in plain.items()
        }
    except OSError:
        raise BadInputError(
            folder, "the session has not ended: it has no trades yet",
            hint="let it end, or trade it on paper again if it was broken off",
        ) from None  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(file, f"cannot be read: {error}") from error
