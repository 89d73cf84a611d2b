"""One import: the rows of a broker's files against what is stored, in one transaction."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from trademantra.core.errors import DataConflictError
from trademantra.data.instruments.readers.rows import CONTRACTS, SCALE
from trademantra.data.instruments.schema import day_number, day_of, writing

_BATCH = 20_000
# A file cut short in the download would close what it lacks; nobody's list loses half of its live contracts a day.
_SMALLEST_GUARDED_VENUE = 1_000
_LISTED = (
    "venue",
    "token",
    "exchange_token",
    "symbol",
    "exchange",
    "root",
    "series",
    "name",
    "lot",
    "tick",
    "freeze",
    "multiplier",
    "unit",
)
_DEFINED = ("segment", "kind", "underlying", "expiry", "strike", "right", "isin")
_SAME_IN_SEGMENT = (
    *(name for name in _LISTED if name != "token"),
    "segment",
    "kind",
    "underlying",
    "right",
    "isin",
)
_STAGED = (*_LISTED, *_DEFINED, "identity")


@dataclass(frozen=True, slots=True)
class Changes:
    """What one import did: `opened` and `closed` count listing rows (a change closes one and opens one)."""

    rows: int
    opened: int
    closed: int
    new_contracts: int


def store(
    path: Path, broker: str, as_of: date, rows: pl.DataFrame, files: Sequence[str], *, allow_shrink: bool
) -> Changes:
    """Make the master agree with `rows` (`readers.rows.COLUMNS`, unique by `uniqueness.unique_rows`) from `as_of` on.

    Errors: `DataConflictError` when `as_of` is before the newest import of one of the venues, and when more than
    half of a venue's live listings would vanish (unless `allow_shrink`).
    """
    day = day_number(as_of)
    venues = sorted(rows["venue"].unique())
    with writing(path) as connection:
        _refuse_older(connection, broker, venues, day)
        _stage(connection, rows)
        _name_without_isin(connection)
        _learn_isins(connection)
        before = _contracts(connection)
        columns = ", ".join(_DEFINED)
        connection.execute(
            f"INSERT OR IGNORE INTO contract (identity, exchange, root, {columns}) "  # noqa: S608 (constants above)
            f"SELECT identity, exchange, root, {columns} FROM incoming"
        )
        connection.execute(
            "UPDATE incoming SET contract = (SELECT id FROM contract c WHERE c.identity = incoming.identity)"
        )
        # An ISIN is a surer witness of kind and present name than the first file that listed the symbol.
        connection.execute(
            "UPDATE contract SET root = i.root, kind = i.kind FROM incoming i WHERE i.contract = contract.id "
            "AND i.isin IS NOT NULL AND (contract.root IS NOT i.root OR contract.kind IS NOT i.kind)"
        )
        closed = _close(connection, broker, venues, day, allow_shrink=allow_shrink)
        opened = _open(connection, broker, day)
        _log(connection, broker, venues, day, rows, files)
        return Changes(rows.height, opened, closed, _contracts(connection) - before)


def _refuse_older(connection: sqlite3.Connection, broker: str, venues: Sequence[str], day: int) -> None:
    newest = connection.execute(
        "SELECT venue, max(as_of) FROM import WHERE broker = ? AND venue IN (SELECT value FROM json_each(?)) "
        "GROUP BY venue ORDER BY 2 DESC LIMIT 1",
        (broker, json.dumps(venues)),
    ).fetchone()
    if newest and newest[1] > day:
        raise DataConflictError(
            f"a {broker} file of {day_of(newest[1])} with {newest[0]} is already imported; "
            f"one of {day_of(day)} would rewrite what was known since",
            hint="import files in the order of their dates, or build a new master from the oldest on",
        )


def _stage(connection: sqlite3.Connection, rows: pl.DataFrame) -> None:
    kinds = {
        "expiry": "INTEGER",
        "strike": "INTEGER",
        "lot": "INTEGER",
        "tick": "INTEGER",
        "freeze": "INTEGER",
        "multiplier": "INTEGER",
    }
    columns = ", ".join(f"{name} {kinds.get(name, 'TEXT')}" for name in _STAGED)
    connection.execute(f"CREATE TEMP TABLE incoming ({columns}, contract INTEGER)")
    for part in rows.partition_by("exchange", "venue", "segment", "kind"):
        # In the order of the index on tokens (a third faster than in that of the file), and what is the same in
        # every row of a segment goes into the statement: half of the columns need no value a row.
        same = {name: part[name][0] for name in _SAME_IN_SEGMENT if part[name].n_unique() == 1}
        bound = [name for name in _STAGED if name not in same]
        values = ", ".join(_literal(same[name]) if name in same else "?" for name in _STAGED)
        statement = f"INSERT INTO incoming ({', '.join(_STAGED)}) VALUES ({values})"  # noqa: S608 (quoted by _literal)
        for batch in part.sort("token").iter_slices(_BATCH):
            ready = batch.with_columns(pl.col("expiry").cast(pl.Int32), identity=_identity())
            connection.executemany(statement, ready.select(bound).iter_rows())


def _literal(value: str | int | None) -> str:
    """A value as SQL writes it.

    >>> _literal("D'ART"), _literal(5), _literal(None)
    ("'D''ART'", '5', 'NULL')
    """
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _identity() -> pl.Expr:
    """Canonical text of the fields that make a contract one and the same; null for a security without ISIN."""
    number = (pl.col("strike") // SCALE).cast(pl.String)
    fraction = (pl.col("strike") % SCALE).cast(pl.String).str.zfill(8).str.strip_chars_end("0")
    strike = pl.when(fraction == "").then(number).otherwise(pl.concat_str(number, pl.lit("."), fraction))
    stem = pl.concat_str(
        "exchange", pl.lit(":"), "underlying", pl.lit(":"), pl.col("expiry").dt.to_string("iso")
    )
    return (
        pl.when(pl.col("kind") == "option")
        .then(pl.concat_str(stem, pl.lit(":"), strike, pl.lit(":"), "right"))
        .when(pl.col("kind").is_in(CONTRACTS))
        .then(pl.concat_str(stem, pl.lit(":FUT")))
        .when(pl.col("segment") == "index")
        .then(pl.concat_str("exchange", pl.lit(":index:"), "root"))
        .when(pl.col("isin").is_not_null())
        .then(pl.concat_str("exchange", pl.lit(":"), "isin"))
    )


def _name_without_isin(connection: sqlite3.Connection) -> None:
    """Find the contract of each security whose row has no ISIN (Kite, Angel One).

    First by the exchange's symbol, which one share holds at a time (a debt of the company may go by it too), then
    by the exchange's number together with the bare symbol (a debenture that one broker calls MOTHERSON-D1 and
    another by its ISIN).  What is found nowhere is a contract of its own, by its symbol.
    """
    if not connection.execute("SELECT EXISTS (SELECT 1 FROM incoming WHERE identity IS NULL)").fetchone()[0]:
        return
    by_root = (
        "SELECT c.identity FROM contract c JOIN listing l ON l.contract = c.id WHERE c.exchange = incoming.exchange "
        "AND c.root = incoming.root AND c.segment = 'equity' AND (c.kind = 'bond') = (incoming.kind = 'bond') "
        "AND c.isin IS NOT NULL AND l.valid_to IS NULL ORDER BY l.valid_from DESC, c.id DESC LIMIT 1"
    )
    connection.execute(f"UPDATE incoming SET identity = ({by_root}) WHERE identity IS NULL")  # noqa: S608
    if connection.execute("SELECT EXISTS (SELECT 1 FROM incoming WHERE identity IS NULL)").fetchone()[0]:
        connection.execute(
            "CREATE TEMP TABLE numbered AS SELECT l.exchange, l.exchange_token, c.root, c.identity FROM listing l "
            "JOIN contract c ON c.id = l.contract WHERE l.valid_to IS NULL AND c.isin IS NOT NULL "
            "AND c.identity NOT IN (SELECT identity FROM incoming WHERE identity IS NOT NULL)"
        )
        connection.execute("CREATE INDEX temp.numbered_token ON numbered (exchange, exchange_token)")
        connection.execute(
            "UPDATE incoming SET identity = (SELECT n.identity FROM numbered n WHERE n.exchange = incoming.exchange "
            "AND n.exchange_token = incoming.exchange_token AND substr(n.root, 1, instr(n.root || '-', '-') - 1) "
            "= substr(incoming.root, 1, instr(incoming.root || '-', '-') - 1)) WHERE identity IS NULL"
        )
    connection.execute("UPDATE incoming SET identity = exchange || ':symbol:' || root WHERE identity IS NULL")
    connection.execute(  # two rows found one contract: neither may have it
        "UPDATE incoming SET identity = exchange || ':symbol:' || root WHERE isin IS NULL AND segment = 'equity' "
        "AND identity IN (SELECT identity FROM incoming WHERE segment = 'equity' GROUP BY identity HAVING count(*) > 1)"
    )


def _learn_isins(connection: sqlite3.Connection) -> None:
    """Give a security that was known by its symbol alone the ISIN that a file now tells."""
    connection.execute(
        "UPDATE contract SET identity = i.identity, isin = i.isin FROM incoming i WHERE i.isin IS NOT NULL "
        "AND contract.isin IS NULL AND contract.exchange = i.exchange AND contract.root = i.root "
        "AND contract.segment = 'equity' AND (contract.kind = 'bond') = (i.kind = 'bond') "
        "AND EXISTS (SELECT 1 FROM listing l WHERE l.contract = contract.id AND l.valid_to IS NULL) "
        "AND NOT EXISTS (SELECT 1 FROM contract other WHERE other.identity = i.identity)"
    )


def _close(
    connection: sqlite3.Connection, broker: str, venues: Sequence[str], day: int, *, allow_shrink: bool
) -> int:
    """Close the open listings of these venues that the incoming rows lack or contradict."""
    scope = (broker, json.dumps(venues))
    if not connection.execute(
        "SELECT EXISTS (SELECT 1 FROM listing WHERE broker = ? AND venue IN (SELECT value FROM json_each(?)) "
        "AND valid_to IS NULL)",
        scope,
    ).fetchone()[0]:
        return 0
    connection.execute("CREATE UNIQUE INDEX temp.incoming_token ON incoming (venue, token, exchange)")
    same = " AND ".join(f"i.{name} IS listing.{name}" for name in (*_LISTED, "contract"))
    if not allow_shrink:
        shrunk = connection.execute(
            "SELECT l.venue, count(*), count(i.token) FROM listing l JOIN contract c ON c.id = l.contract "
            "LEFT JOIN incoming i ON i.venue = l.venue AND i.exchange = l.exchange AND i.token = l.token "
            "WHERE l.broker = ? AND l.venue IN (SELECT value FROM json_each(?)) AND l.valid_to IS NULL "
            "AND (c.expiry IS NULL OR c.expiry >= ?) GROUP BY l.venue HAVING count(*) >= ? AND count(i.token) * 2 < count(*)",
            (*scope, day, _SMALLEST_GUARDED_VENUE),
        ).fetchone()
        if shrunk:
            raise DataConflictError(
                f"of {shrunk[1]} live {broker} listings of {shrunk[0]} this file has only {shrunk[2]}; "
                "it may have been cut short",
                hint="fetch it again; if the file is right, import it with --allow-shrink",
            )
    return connection.execute(
        "UPDATE listing SET valid_to = max(?, valid_from) WHERE broker = ? "  # noqa: S608 (constants above)
        "AND venue IN (SELECT value FROM json_each(?)) AND valid_to IS NULL "
        f"AND NOT EXISTS (SELECT 1 FROM incoming i WHERE {same})",
        (day, *scope),
    ).rowcount


def _open(connection: sqlite3.Connection, broker: str, day: int) -> int:
    columns = ", ".join((*_LISTED, "contract"))
    return connection.execute(
        f"INSERT INTO listing ({columns}, broker, valid_from) SELECT {columns}, ?, ? FROM incoming i "  # noqa: S608
        "WHERE NOT EXISTS (SELECT 1 FROM listing l WHERE l.broker = ? AND l.exchange = i.exchange "
        "AND l.venue = i.venue AND l.token = i.token AND l.valid_to IS NULL)",
        (broker, day, broker),
    ).rowcount


def _log(
    connection: sqlite3.Connection,
    broker: str,
    venues: Sequence[str],
    day: int,
    rows: pl.DataFrame,
    files: Sequence[str],
) -> None:
    """Remember up to when each venue is known.  The same file once more leaves no trace."""
    stated = dict(rows.group_by("venue").len().iter_rows())
    changed = {
        venue: (opened, closed)
        for venue, opened, closed in connection.execute(
            "SELECT venue, sum(valid_from = ?1), coalesce(sum(valid_to = ?1), 0) FROM listing WHERE broker = ?2 GROUP BY 1",
            (day, broker),
        )
    }
    for venue in venues:
        entry = (json.dumps(sorted(Path(file).name for file in files)), stated[venue], *changed[venue])
        last = connection.execute(
            "SELECT files, rows, opened, closed FROM import WHERE broker = ? AND venue = ? AND as_of = ? "
            "ORDER BY id DESC LIMIT 1",
            (broker, venue, day),
        ).fetchone()
        if last is None or last[1:] != entry[1:]:
            connection.execute(
                "INSERT INTO import (files, rows, opened, closed, broker, venue, as_of) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*entry, broker, venue, day),
            )


def _contracts(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count(*) FROM contract").fetchone()[0]
    return count
