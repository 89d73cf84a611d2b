"""Whatever the code of a strategy raises becomes one typed error that names the strategy and the line."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trademantra.core.errors import InvalidValueError, TradeMantraError


@contextmanager
def blamed(strategy: str) -> Iterator[None]:
    """Run a strategy's own code.  Errors: `InvalidValueError` naming strategy and line; ours pass as they are."""
    try:
        yield
    except InvalidValueError as error:
        raise InvalidValueError(f"strategy {strategy}: {error.message}", hint=error.hint) from error
    except TradeMantraError:
        raise
    except Exception as error:  # whatever a user's code may raise
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise InvalidValueError(
            f"strategy {strategy} raised {type(error).__name__}: {error}",
            hint=f"in {Path(at.filename).name}, line {at.lineno}: {at.line}; --debug shows the whole traceback",
        ) from error
