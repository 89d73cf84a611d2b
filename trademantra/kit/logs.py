"""Logs: one event a line, with fields, at the boundary; secrets never.

The standard library's loggers are the way in (`logging.getLogger(__name__)`, fields by `extra=`), so that libraries and
our own code go the same road; structlog writes the lines: coloured for a terminal, JSON for a file or a service.
"""

import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import structlog

from trademantra.kit.secrets import Secret

HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(r"secret|token|passw|api_?key|authorization|cookie|checksum", re.IGNORECASE)
_SECRET_NUMBERS = re.compile(r"totp|\bpin\b", re.IGNORECASE)
# what looks like a credential inside a longer text: Kite's header, bearer tokens, name=value pairs of URLs and forms
_SECRET_TEXTS = re.compile(
    r"(?i)((?:access_token|request_token|refresh_token|api_secret|api_key|checksum|password|totp|pin)=)[^&\s\"']+"
    r"|(\btoken\s+)[\w-]+:[\w-]+|(\bbearer\s+)[\w.~+/-]+=*"
)

EventDict = MutableMapping[str, Any]  # structlog's own type for the fields of an event


def configure_logs(
    *, level: int = logging.INFO, stream: TextIO | None = None, file: Path | None = None
) -> None:
    """Send the process's logs to a terminal (`stream`, stderr by default) and, as JSON lines, to `file`.

    Called once, at the top of a program.
    """
    shared: Sequence[structlog.types.Processor] = (
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    )
    target = stream or sys.stderr
    handlers: list[logging.Handler] = [logging.StreamHandler(target)]
    handlers[0].setFormatter(_formatter(shared, structlog.dev.ConsoleRenderer(colors=target.isatty())))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
        handlers[1].setFormatter(_formatter(shared, structlog.processors.JSONRenderer(default=str)))
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for chatty in ("httpx2", "httpcore2", "websockets", "aiosqlite", "alembic"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


def hide_secrets(_logger: object, _name: str, event: EventDict) -> EventDict:
    """Blank every field that is named or shaped like a secret, at any depth."""
    return {name: _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: object) -> object:
    if isinstance(value, Secret) or _SECRET_NUMBERS.search(name):
        return HIDDEN
    if _SECRET_NAMES.search(name) and value is not None and not isinstance(value, int | float):
        return HIDDEN  # the token of an instrument is a number, and no secret
    if isinstance(value, str):
        return _SECRET_TEXTS.sub(lambda found: f"{found[1] or found[2] or found[3]}{HIDDEN}", value)
    if isinstance(value, dict):
        return {str(key): _shown(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(name, each) for each in value]
    return value


def _formatter(
    shared: Sequence[structlog.types.Processor], last: structlog.types.Processor
) -> structlog.stdlib.ProcessorFormatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )
