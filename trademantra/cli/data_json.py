"""`tm data` for programs: plain numbers, ISO times, and keys that stay."""

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

import typer

from trademantra.core.time import datetime_of
from trademantra.data.audit import Audit
from trademantra.data.imports.model import FileReport, ImportReport, SeriesReport
from trademantra.data.store import Entry

if TYPE_CHECKING:
    from pathlib import Path

    from trademantra.engine.bars import Bars

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def zone_of_entry(entry: Entry) -> ZoneInfo:
    """Zone in which a series is shown: its own."""
    return ZoneInfo(entry.info.timezone) if entry.info.timezone else entry.series.zone


def print_json(value: Json) -> None:
    """Print a value on one line."""
    typer.echo(json.dumps(value, ensure_ascii=sys.stdout.encoding.lower() != "utf-8", allow_nan=False))


def report_json(report: ImportReport, rejects: "Path") -> Json:
    """`tm data import`."""
    return {
        "written": report.written,
        "rejected": report.rejected,
        "rejects_file": str(rejects) if report.rejected else None,
        "exact_duplicates": report.doubles,
        "files": [file_json(file) for file in report.files],
        "series": [series_json(each) for each in report.series],
    }


def file_json(file: FileReport) -> Json:
    """One imported file."""
    return {
        "file": file.file,
        "format": file.format,
        "exchange": file.exchange,
        "timeframe": str(file.timeframe),
        "timeframe_from": file.timeframe_from,
        "stamp": str(file.stamp),
        "times": file.zone,
        "adjusted": file.adjusted,
        "rows": file.rows,
        "rejected": file.rejected,
        "left_out": dict(file.left_out),
        "changed": dict(file.changed),
        "notices": list(file.notices),
        "fields": [
            {"field": shown.field, "column": shown.column, "sample": shown.sample, "read_as": shown.read_as}
            for shown in file.fields
        ],
    }


def series_json(each: SeriesReport) -> Json:
    """One series of an import."""
    zone = each.series.zone
    return {
        "series": str(each.series),
        "bars": each.bars,
        "new": each.new,
        "same": each.same,
        "changed": each.changed,
        "first": datetime_of(each.first_ns, zone).isoformat(),
        "last": datetime_of(each.last_ns, zone).isoformat(),
    }


def entry_json(entry: Entry) -> dict[str, Json]:
    """A stored series."""
    zone = zone_of_entry(entry)
    return {
        "series": str(entry.series),
        "exchange": entry.series.exchange,
        "symbol": entry.series.symbol,
        "timeframe": str(entry.series.timeframe),
        "bars": entry.rows,
        "first": datetime_of(entry.first_ns, zone).isoformat(),
        "last": datetime_of(entry.last_ns, zone).isoformat(),
        "bytes": entry.bytes,
        "source": entry.info.source,
        "adjusted": entry.info.adjusted,
        "synthetic": entry.info.synthetic,
        "label": entry.info.label,
    }


def audit_json(each: Audit) -> Json:
    """`tm data check` of one series."""
    report = each.report
    return {
        "series": str(each.entry.series),
        "bars": report.bars,
        "expected": report.expected,
        "missing": report.missing,
        "clean": report.is_clean,
        "remarks": list(each.remarks),
        "findings": [
            {
                "fault": str(finding.fault),
                "first": datetime_of(finding.first_ns, report.zone).isoformat(),
                "last": datetime_of(finding.last_ns, report.zone).isoformat(),
                "bars": finding.bars,
                "detail": finding.detail,
            }
            for finding in report.findings
        ],
    }


def numbers(bars: "Bars", i: int) -> dict[str, float]:
    """Prices and volume of a bar by name."""
    return {name: float(getattr(bars, name)[i]) for name in ("open", "high", "low", "close", "volume")}


def bars_json(
    entry: Entry, bars: "Bars", begin: int, *, adjusted: bool, made_from: str | None = None
) -> Json:
    """`tm data show`: the series, and bars from `begin` on; counts and times of bars that were made are their own."""
    zone = zone_of_entry(entry)
    if made_from is not None:
        entry = replace(entry, rows=len(bars), first_ns=int(bars.ts[0]), last_ns=int(bars.ts[-1]))
    return {
        **entry_json(entry),
        "made_from": made_from,
        "adjusted_on_read": adjusted,
        "range_bars": len(bars),
        "shown": [
            {"ts": datetime_of(int(bars.ts[i]), zone).isoformat(), **numbers(bars, i)}
            for i in range(begin, len(bars))
        ],
    }
