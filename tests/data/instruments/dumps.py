"""Files as brokers write them, made of plain facts."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from trademantra.core.instrument import plain

KITE_HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Option:
    """An index option of NSE as a test sees it."""

    token: int
    underlying: str
    expiry: date
    strike: Decimal
    right: str
    lot: int = 65

    @property
    def kite_symbol(self) -> str:
        month = "123456789OND"[self.expiry.month - 1]
        return f"{self.underlying}{self.expiry:%y}{month}{self.expiry:%d}{plain(self.strike)}{self.right}"

    @property
    def angel_symbol(self) -> str:
        day = f"{self.expiry.day:02}{_MONTHS[self.expiry.month - 1]}{self.expiry:%y}"
        return f"{self.underlying}{day}{plain(self.strike)}{self.right}"

    @property
    def key(self) -> str:
        return f"NSE:{self.underlying}:{self.expiry}:{plain(self.strike)}:{self.right}"


def symbol_of(option: Option, broker: str) -> str:
    return option.kite_symbol if broker == "kite" else option.angel_symbol


def kite_line(option: Option) -> str:
    return (
        f"{option.token},{option.token // 256},{option.kite_symbol},{option.underlying},0,{option.expiry},"
        f"{plain(option.strike)},0.05,{option.lot},{option.right},NFO-OPT,NFO"
    )


def angel_record(option: Option) -> dict[str, str]:
    return {
        "token": str(option.token),
        "symbol": option.angel_symbol,
        "name": option.underlying,
        "expiry": f"{option.expiry.day:02}{_MONTHS[option.expiry.month - 1]}{option.expiry:%Y}",
        "strike": f"{option.strike * 100:.6f}",
        "lotsize": str(option.lot),
        "instrumenttype": "OPTIDX",
        "exch_seg": "NFO",
        "tick_size": "5.000000",
    }


def kite_file(folder: Path, lines: Iterable[str], name: str = "kite.csv") -> Path:
    file = folder / name
    file.write_text("\n".join([KITE_HEADER, *lines]) + "\n")
    return file


def write_options(folder: Path, broker: str, options: Sequence[Option]) -> Path:
    """A file of the broker (kite or angelone) with these options."""
    if broker == "kite":
        return kite_file(folder, map(kite_line, options))
    file = folder / "angel.json"
    file.write_text(json.dumps([angel_record(option) for option in options]))
    return file
