"""Strategies by name, and strategies from a user's own file.  Only what is asked for is loaded."""

import sys
import traceback
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

from trademantra.core.errors import BadInputError, InvalidValueError, NotFoundError, TradeMantraError

if TYPE_CHECKING:
    from trademantra.engine.backtest import Strategy

_NAMES = (
    "bollinger_reversion",
    "cpr_breakout",
    "donchian_breakout",
    "dual_momentum",
    "ema_cross",
    "gap_open",
    "keltner_squeeze",
    "macd",
    "nr7_breakout",
    "opening_range_breakout",
    "pairs",
    "relative_strength",
    "rsi_reversion",
    "sma_cross",
    "supertrend",
    "vwap_cross",
)
_FACTS = ("name", "title", "idea", "source", "market")


def strategy_names() -> tuple[str, ...]:
    """Names of the library, in alphabetical order.  Loads none of them."""
    return _NAMES


def load_strategy(name: str) -> "Strategy":
    """The strategy of that name; case does not matter, nor `-` for `_`.

    Errors: `NotFoundError` with names like it.

    >>> load_strategy("sma-cross").title
    'SMA cross'
    """
    wanted = name.strip().lower().replace("-", "_")
    if wanted not in _NAMES:
        near = get_close_matches(wanted, _NAMES, n=3) or [
            each for each in _NAMES if wanted and wanted in each
        ]
        hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(_NAMES)}"
        raise NotFoundError(f"no strategy {name!r}", hint=f"{hint}; a file of your own ends in .py")
    strategy: Strategy = import_module(f"trademantra.strategies.{wanted}").STRATEGY
    return strategy


def load_strategy_file(path: str | Path) -> "Strategy":
    """The strategy that a user's Python file declares: its `STRATEGY`, or its only `EventStrategy` class.

    The file is run: load only files that you trust.
    Errors: `NotFoundError` for no such file; `BadInputError` with line for a file that cannot be read or run, that
    declares no strategy, several, or something else.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFoundError(f"there is no strategy file {file}", hint="give the path of a .py file")
    if file.suffix != ".py":
        raise BadInputError(file, "a strategy file is Python and ends in .py")
    return _declared(file, _run(file.resolve()))


def _run(file: Path) -> ModuleType:
    """The module of a file.  Its name depends on the path alone, so kernels find their cache in every process."""
    name = f"strategy_file_{file.stem}_{sha256(str(file).encode()).hexdigest()[:12]}"
    loader = SourceFileLoader(name, str(file))
    spec = spec_from_file_location(name, file, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    code = _compiled(file)
    sys.modules[name] = module  # numba and dataclasses look the module up while it runs
    try:
        exec(code, module.__dict__)  # noqa: S102  (running the user's own file is the purpose)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failure(file, error) from error
    _compile_kernels(file, module)
    return module


def _compile_kernels(file: Path, module: ModuleType) -> None:
    """Compile what the file declares: a kernel that cannot be is told of now, and not in the middle of a run."""
    from trademantra.engine.compile import Kernel

    for each in list(vars(module).values()):
        if isinstance(each, Kernel) and each.signature is not None and each.__module__ == module.__name__:
            try:
                _ = each.compiled
            except Exception as error:  # numba raises what it likes
                del sys.modules[module.__name__]
                raise _failure(file, error, each.function.__code__.co_firstlineno) from error


def _compiled(file: Path) -> CodeType:
    try:
        return compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise BadInputError(file, f"not valid Python: {error.msg}", line=error.lineno) from error
    except ValueError as error:  # null bytes, before Python 3.11.4
        raise BadInputError(file, f"not valid Python: {error}") from error
    except OSError as error:
        raise BadInputError(file, f"cannot be read: {error}") from error


def _failure(file: Path, error: Exception | SystemExit, declared: int | None = None) -> BadInputError:
    """What went wrong while the file ran, at its own line; at `declared` where none of its lines was running."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    if isinstance(error, TradeMantraError):
        return BadInputError(file, error.message, line=lines[-1] if lines else declared, hint=error.hint)
    told = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = "; ".join(told[1:3] if len(told) > 2 and told[0].startswith("Failed in nopython") else told[:1])
    return BadInputError(file, f"{type(error).__name__}: {text}", line=lines[-1] if lines else declared)


def _declared(file: Path, module: ModuleType) -> "Strategy":
    from trademantra.engine.compile import SIGNALS, Kernel
    from trademantra.engine.dry_run import try_signals, try_weights
    from trademantra.engine.events import EventStrategy
    from trademantra.engine.panel import WEIGHTS, AllocationStrategy
    from trademantra.engine.strategy import SignalStrategy

    found: object = getattr(module, "STRATEGY", None)
    if found is None:
        own = [
            each
            for each in vars(module).values()
            if isinstance(each, type)
            and issubclass(each, EventStrategy)
            and each.__module__ == module.__name__
        ]
        if len(own) != 1:
            classes = f"{len(own)} EventStrategy classes" if own else "no EventStrategy class"
            raise BadInputError(
                file,
                f"declares no STRATEGY and {classes}",
                hint="end the file with STRATEGY = ... (docs/strategies.md)",
            )
        found = own[0]
    if isinstance(found, SignalStrategy | AllocationStrategy):
        signature = SIGNALS if isinstance(found, SignalStrategy) else WEIGHTS
        if not isinstance(found.kernel, Kernel) or found.kernel.signature != signature:
            wanted = "signal_kernel" if isinstance(found, SignalStrategy) else "weight_kernel"
            raise BadInputError(
                file, f"strategy {found.name}: its kernel is not compiled", hint=f"put @{wanted} above it"
            )
        try:
            try_signals(found) if isinstance(found, SignalStrategy) else try_weights(found)
        except InvalidValueError as error:
            raise BadInputError(file, error.message, hint=error.hint) from error
        return found
    if isinstance(found, type) and issubclass(found, EventStrategy):
        missing = [fact for fact in _FACTS if not isinstance(getattr(found, fact, None), str)]
        if missing:
            raise BadInputError(file, f"class {found.__name__} does not say its {', '.join(missing)}")
        return found
    if isinstance(found, EventStrategy):
        raise BadInputError(
            file, "STRATEGY is an object", hint=f"give the class: STRATEGY = {type(found).__name__}"
        )
    raise BadInputError(
        file,
        f"STRATEGY is a {type(found).__name__}, not a strategy",
        hint="it must be a SignalStrategy, an AllocationStrategy, or a class made from EventStrategy",
    )
