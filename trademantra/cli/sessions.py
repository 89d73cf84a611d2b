"""`tm sessions` and `tm phase`: what the exchanges do on a day and at a moment."""

import json
import time
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from trademantra.cli.session_symbols import abroad, contract, instrument_of, share
from trademantra.cli.text_files import text_of
from trademantra.core.errors import InvalidValueError, MissingFactError, NotFoundError
from trademantra.core.instrument import Exchange, Instrument, InstrumentKind, Segment
from trademantra.core.time import IST, datetime_of, parse_date, parse_instant

if TYPE_CHECKING:
    from trademantra.markets.sessions import Overrides, PhaseWindow, Session

_PANEL = "Data and facts"
_Word = TypeVar("_Word", bound=StrEnum)
_ExchangeOption = Annotated[
    str, typer.Option("--exchange", "-e", help="NSE, BSE, MCX, NYSE, FOREX, BINANCE …")
]
_SegmentOption = Annotated[str, typer.Option("--segment", "-s", help="equity, equity_options, index …")]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_FileOption = Annotated[
    Path | None,
    typer.Option(
        "--sessions-file", help="Your own sessions.toml: announced hours, the holidays of a new year."
    ),
]

_LOOK_AHEAD_WINDOWS = 40


def register(app: typer.Typer) -> None:
    """Add the commands to `tm`."""
    app.command(
        "sessions",
        rich_help_panel=_PANEL,
        epilog="Examples:  tm sessions  ·  tm sessions 2026-11-20  ·  tm sessions 2026-11-10 -e MCX  ·  tm sessions 2026-09-07 -s equity --json",
    )(sessions)
    app.command(
        "phase",
        rich_help_panel=_PANEL,
        epilog="Examples:  tm phase RELIANCE  ·  tm phase 2026-11-20T15:17 RELIANCE  ·  tm phase 2026-11-20T15:35 NIFTY26NOVFUT  ·  "
        "tm phase 2026-11-20T15:20 MYSHARE --no-closing-auction",
    )(phase)


def sessions(
    day: Annotated[
        str, typer.Argument(metavar="[DATE]", help="YYYY-MM-DD; default: today where the exchange is.")
    ] = "",
    exchange: _ExchangeOption = "",
    segment: _SegmentOption = "",
    as_json: _JsonOption = False,
    sessions_file: _FileOption = None,
) -> None:
    """The phases of a day for each kind of instrument, in India time.

    A phase marked ~ may end early: the exchange draws its end at random from the time given.
    """
    where = _word(exchange, Exchange)
    wanted = parse_date(day) if day else _today(where or Exchange.NSE)
    rows = _rows(wanted, where, _word(segment, Segment), _overrides(sessions_file))
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{wanted:%A} {wanted.isoformat()}, India time", title_justify="left", show_lines=True
    )
    for name in ("instrument", "day", "phases"):
        table.add_column(name)
    for (day_kind, lines), names in _alike(rows).items():
        table.add_row("\n".join(names), day_kind, Text(lines))
    Console(emoji=False).print(table)


def phase(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[INSTANT] SYMBOL",
            help="2026-11-20T15:17 (without a zone it is India time; default: now), then RELIANCE, NIFTY26NOVFUT, "
            "NSE:NIFTY:2026-11-24:FUT, BTCUSDT …",
        ),
    ],
    exchange: _ExchangeOption = "",
    segment: _SegmentOption = "",
    closing_auction: Annotated[
        bool | None,
        typer.Option(
            "--closing-auction/--no-closing-auction",
            help="Whether the share has futures or options, and so a closing auction.",
        ),
    ] = None,
    as_json: _JsonOption = False,
    sessions_file: _FileOption = None,
) -> None:
    """The phase of the day at an instant, and until when it lasts."""
    from trademantra.data.home import bars_home
    from trademantra.data.store import BarStore
    from trademantra.markets.sessions import window_at

    instant, symbol = _instant_and_symbol(words)
    zoned = parse_instant(instant, IST).astimezone(IST) if instant else datetime_of(now_ns())
    overrides = _overrides(sessions_file)
    instrument = instrument_of(
        symbol,
        _word(exchange, Exchange),
        _word(segment, Segment),
        closing_auction,
        BarStore(bars_home()).names(),
    )
    window = window_at(zoned, instrument, overrides=overrides)
    until = _until(window, instrument, overrides)
    if as_json:
        typer.echo(json.dumps(_phase_json(zoned, instrument, window, until), indent=2))
        return
    if instant and datetime.fromisoformat(instant).tzinfo is None:
        typer.echo(f"{instant} has no zone: read as India time (IST)")
    typer.echo(
        f"{instrument.exchange}:{instrument.symbol} ({instrument.segment}) at {zoned:%a %Y-%m-%d %H:%M:%S} IST"
    )
    typer.echo(f"phase {window.phase} since {_stamp(window.start_ns)}")
    if window.random_from_ns is not None:
        typer.echo(
            f"it may end at any moment from {_clock(window.random_from_ns)}: the exchange draws the end"
        )
    typer.echo(f"until {_stamp(until.end_ns)}, then {until.then}")


def now_ns() -> int:
    """The present instant: where the command line meets the wall clock."""
    return time.time_ns()


def _today(exchange: Exchange) -> date:
    from trademantra.data.series import zone_of

    return datetime_of(now_ns(), zone_of(exchange)).date()


def _instant_and_symbol(words: list[str]) -> tuple[str, str]:
    """The words of `tm phase`; an empty instant means now.  Errors: `InvalidValueError`."""
    if len(words) == 1:
        try:
            datetime.fromisoformat(words[0])
        except ValueError:
            return "", words[0]
        raise InvalidValueError(
            f"no symbol after {words[0]}", hint=f"for example tm phase {words[0]} RELIANCE"
        )
    if len(words) > 2:
        raise InvalidValueError(
            f"{' '.join(words[2:])!r} is too much",
            hint="write tm phase [INSTANT] SYMBOL, one symbol at a time",
        )
    return words[0], words[1]


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of instrument on one day: its session, or why there is none."""

    name: str
    instrument: Instrument
    session: "Session | None"
    closed: str = ""
    error: MissingFactError | None = None

    @property
    def day_kind(self) -> str:
        if self.error is not None:
            return "not known"
        return self.session.kind.value if self.session else "closed"

    def lines(self) -> str:
        if self.error is not None:
            return str(self.error)
        if self.session is None:
            return self.closed
        shown = [w for w in self.session.windows if w.phase.value != "closed" or self._between(w)]
        return "\n".join(f"{_clock(w.start_ns)}-{_clock(w.end_ns)} {w.phase}{_random(w)}" for w in shown)

    def _between(self, window: "PhaseWindow") -> bool:
        """A closed stretch within the day, as between the two parts of a drill."""
        assert self.session is not None
        return window not in (self.session.windows[0], self.session.windows[-1])

    def as_json(self) -> dict[str, object]:
        found: dict[str, object] = {
            "instrument": self.name,
            "exchange": self.instrument.exchange,
            "segment": self.instrument.segment,
            "day": self.day_kind.replace(" ", "_"),
        }
        if self.error is not None:
            return {
                **found,
                "error": {"code": self.error.code, "message": self.error.message, "hint": self.error.hint},
            }
        if self.session is None:
            return {**found, "reason": self.closed}
        return {**found, "phases": [_window_json(window) for window in self.session.windows]}


@dataclass(frozen=True, slots=True)
class _Until:
    """When a phase ends, and what follows."""

    end_ns: int
    then: str


def _rows(
    day: date, exchange: Exchange | None, segment: Segment | None, overrides: "Overrides"
) -> list[_Row]:
    """A row for each kind that is asked for.  Errors: `MissingFactError` when none of them is known."""
    shown = (Exchange.NSE, Exchange.MCX) if exchange is None else (exchange,)
    wanted = [
        (name, instrument)
        for name, instrument in _kinds(day, overrides)
        if instrument.exchange in shown and (segment is None or instrument.segment is segment)
    ]
    if not wanted:
        raise NotFoundError(
            f"no kind of instrument is {segment or 'of any segment'} on {exchange or 'NSE or MCX'}",
            hint="tm sessions DATE shows those of NSE and MCX; -e BSE, NYSE, FOREX or BINANCE the others",
        )
    rows = [_row(name, instrument, day, overrides) for name, instrument in wanted]
    errors = [row.error for row in rows if row.error is not None]
    if len(errors) == len(rows):
        raise errors[0]
    return rows


def _alike(rows: list[_Row]) -> dict[tuple[str, str], list[str]]:
    """Names of the kinds that have the same day, in order."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row.day_kind, row.lines()), []).append(row.name)
    return found


def _row(name: str, instrument: Instrument, day: date, overrides: "Overrides") -> _Row:
    from trademantra.markets.sessions import holiday_name, session_on

    try:
        session = session_on(day, instrument, overrides=overrides)
        holiday = holiday_name(day, instrument.exchange, instrument.segment, overrides=overrides)
    except MissingFactError as error:
        return _Row(name, instrument, None, error=error)
    closed = "closed: weekend" if day.weekday() > 4 else "closed: holiday"
    return _Row(name, instrument, session, f"{closed} ({holiday})" if holiday else closed)


def _kinds(day: date, overrides: "Overrides") -> list[tuple[str, Instrument]]:
    """An example of every kind of instrument with hours of its own."""
    found: list[tuple[str, Instrument]] = []
    for exchange, root in ((Exchange.NSE, "NIFTY"), (Exchange.BSE, "SENSEX")):
        month = _front_month(day, exchange, overrides)
        found += [
            ("share with derivatives", share("SHARE", exchange, True)),
            ("other share", share("SHARE", exchange, False)),
            ("index", share(root, exchange, None, InstrumentKind.INDEX)),
            (
                "futures, current month",
                contract(root, exchange, Segment.EQUITY_FUTURES, month),
            ),
            (
                "futures, later months",
                contract(root, exchange, Segment.EQUITY_FUTURES, month + timedelta(days=70)),
            ),
            ("options", contract(root, exchange, Segment.EQUITY_OPTIONS, month)),
            ("currency derivatives", contract("USDINR", exchange, Segment.CURRENCY_FUTURES, month)),
        ]
    for name, root in (
        ("MCX metals, bullion, energy", "GOLD"),
        ("MCX cotton, CPO, kapas", "COTTON"),
        ("MCX other agricultural", "MENTHAOIL"),
    ):
        found.append((name, contract(root, Exchange.MCX, Segment.COMMODITY_FUTURES, day)))
    for exchange in (Exchange.NYSE, Exchange.NASDAQ):
        found.append(("US share", share("SHARE", exchange, None)))
    found.append(("currency pair", abroad("EURUSD", Exchange.FOREX)))
    for exchange in (Exchange.BINANCE, Exchange.COINBASE, Exchange.WAZIRX):
        found.append(("crypto", abroad("BTCUSDT", exchange)))
    return found


def _front_month(day: date, exchange: Exchange, overrides: "Overrides") -> date:
    from trademantra.markets.sessions.futures_preopen import front_month_expiry

    try:
        return front_month_expiry(day, exchange, overrides=overrides)
    except MissingFactError:  # a year without holiday list: every Indian row will say so
        return day


def _until(window: "PhaseWindow", instrument: Instrument, overrides: "Overrides") -> _Until:
    """The end of a phase.  A closed market is followed over nights and holidays to its next opening."""
    from trademantra.core.instrument import InstrumentKind
    from trademantra.markets.sessions import joins_closing_auction, window_at

    if instrument.kind is InstrumentKind.SHARE and joins_closing_auction(instrument) is None:
        with_auction, without = (
            _until(window_at(window.start_ns, reading, overrides=overrides), reading, overrides)
            for reading in (
                replace(instrument, has_derivatives=True),
                replace(instrument, has_derivatives=False),
            )
        )
        if with_auction.end_ns != without.end_ns:
            return _Until(
                min(with_auction.end_ns, without.end_ns),
                f"not known: a share of the closing auction stops then, another goes on until "
                f"{_clock(max(with_auction.end_ns, without.end_ns))}; --closing-auction or --no-closing-auction says which",
            )
        return with_auction
    end_ns = window.end_ns
    for _ in range(_LOOK_AHEAD_WINDOWS):
        try:
            following = window_at(end_ns, instrument, overrides=overrides)
        except MissingFactError as error:
            return _Until(end_ns, f"not known: {error.message}")
        if following.phase is not window.phase:
            return _Until(end_ns, following.phase.value)
        end_ns = following.end_ns
    return _Until(end_ns, f"{window.phase} still")


def _phase_json(
    instant: datetime, instrument: Instrument, window: "PhaseWindow", until: _Until
) -> dict[str, object]:
    return {
        "instant": instant.isoformat(),
        "exchange": instrument.exchange,
        "segment": instrument.segment,
        "symbol": instrument.symbol,
        **_window_json(window),
        "end": datetime_of(until.end_ns).isoformat(),
        "then": until.then,
    }


def _window_json(window: "PhaseWindow") -> dict[str, object]:
    random = window.random_from_ns
    return {
        "phase": window.phase,
        "start": datetime_of(window.start_ns).isoformat(),
        "end": datetime_of(window.end_ns).isoformat(),
        "random_end_from": None if random is None else datetime_of(random).isoformat(),
    }


def _overrides(path: Path | None) -> "Overrides":
    from trademantra.markets.sessions import NO_OVERRIDES, Overrides

    if path is None:
        return NO_OVERRIDES
    return Overrides.from_toml(text_of(path, hint="docs/sessions.md shows what it holds"), str(path))


def _word(text: str, words: type[_Word]) -> _Word | None:
    """A word of an enumeration in any case; None for nothing."""
    if not text:
        return None
    for word in words:
        if word.value.lower() == text.strip().lower():
            return word
    raise InvalidValueError(
        f"{text!r} is not a known {words.__name__.lower()}", hint=f"one of: {', '.join(words)}"
    )


def _clock(ns: int) -> str:
    return f"{datetime_of(ns):%H:%M}"


def _stamp(ns: int) -> str:
    return f"{datetime_of(ns):%a %Y-%m-%d %H:%M} IST"


def _random(window: "PhaseWindow") -> str:
    return "" if window.random_from_ns is None else f" ~{_clock(window.random_from_ns)}"
