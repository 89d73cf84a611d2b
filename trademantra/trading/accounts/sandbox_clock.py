"""The time of a Kite sandbox: its market may play another day, or faster than the wall's clock."""

import json
import urllib.request

from trademantra.core.errors import TradeMantraError
from trademantra.core.time import Clock
from trademantra.trading.accounts.account import Account
from trademantra.trading.accounts.settings import ZerodhaAccountSettings

_TIMEOUT_SECONDS = 5.0
_ASKED = 5  # times: the quickest answer says the time best


class SandboxSilentError(TradeMantraError):
    """The sandbox does not answer."""

    code = "sandbox_silent"


class SandboxClock:
    """Follows a sandbox whose clock showed `there_ns` when the wall's showed `here_ns`, and runs `speed` times as fast."""

    def __init__(self, wall: Clock, here_ns: int, there_ns: int, speed: float) -> None:
        self._wall, self._here_ns, self._there_ns, self._speed = wall, here_ns, there_ns, speed

    def now_ns(self) -> int:
        return self._there_ns + int((self._wall.now_ns() - self._here_ns) * self._speed)


def read_sandbox_clock(root: str, wall: Clock) -> SandboxClock:
    """Ask the sandbox at `root`.  Errors: `SandboxSilentError`.

    At 60 times the wall's speed a slow answer of 0.1 s would set this clock 6 s behind: of a few answers the quickest
    counts, and it was given half-way between question and answer.
    """
    readings = [_reading(root, wall) for _ in range(_ASKED)]
    return min(readings, key=lambda reading: reading[0])[1]


def _reading(root: str, wall: Clock) -> tuple[int, SandboxClock]:
    """How long it took, in ns of the wall, and the clock."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked_ns = wall.now_ns()
    try:
        with opener.open(f"{root.rstrip('/')}/sandbox/state", timeout=_TIMEOUT_SECONDS) as reply:
            clock = json.load(reply)["clock"]
            took_ns = wall.now_ns() - asked_ns
            at_ns, speed = int(clock["now_ns"]), float(clock["speed"])
            is_paused = bool(clock["paused"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SandboxSilentError(
            f"the sandbox at {root} does not tell its time: {error}", hint="start it: tm sandbox kite"
        ) from error
    return took_ns, SandboxClock(wall, asked_ns + took_ns // 2, at_ns, 0.0 if is_paused else speed)


def clock_of(account: Account, wall: Clock) -> Clock:
    """The time of an account's market: that of its sandbox, else the wall's.  Errors: `SandboxSilentError`."""
    settings = account.settings
    if isinstance(settings, ZerodhaAccountSettings) and settings.is_sandbox:
        return read_sandbox_clock(settings.adapter_settings().root, wall)
    return wall
