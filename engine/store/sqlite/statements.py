"""The statements of the SQLite recorder, and the translation of SQLite's answers and errors.

Invariants: nothing here keeps a connection or a lock; every error of SQLite becomes one of ours.
"""

import contextlib
import functools
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from perdure.errors import StoreError
from perdure.store.recorder import Outcome, RecorderRefusal, StoredRow, Submission

TRACK: Final = (
    "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name)"
    " DO UPDATE SET notification_id = excluded.notification_id"
    " WHERE notification_id < excluded.notification_id"
)
MAX_ROWS: Final = 256
"""How many rows one statement inserts at most."""

LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""The error codes for a lock that another connection holds."""

_LAST_VERSION: Final = (
    "SELECT originator_version FROM stored_events WHERE originator_id = ?"
    " AND originator_version BETWEEN 0 AND 9223372036854775807"  # text sorts behind all numbers
    " ORDER BY originator_version DESC LIMIT 1"
)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours, with a sentence that a person can act on."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise RecorderRefusal(f"{path}: {error}", path=str(path)) from error
    except sqlite3.Error as error:
        sentence = _SENTENCES.get(error_code(error), str(error))
        if error_code(error) == sqlite3.SQLITE_CANTOPEN and not _can_open_files():
            sentence = "this process has too many files open (an engine needs about twelve)"
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        failure = StoreError(f"{path}: {sentence}", path=str(path), sqlite=name)
        failure.retryable = error_code(error) in (*LOCKED, sqlite3.SQLITE_FULL)
        raise failure from error


def _can_open_files() -> bool:
    """Whether the files of one more connection can be opened: the database and two beside it."""
    opened: list[int] = []
    try:
        for _ in range(3):
            opened.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - closed one by one
    except OSError:
        return False
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return True


def chosen_sessions(
    low: str | None, high: str | None, only: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """Return the WHERE clause for a range or a list of session ids, and its parameters."""
    if only:
        return " WHERE originator_id IN (SELECT value FROM json_each(?))", (json.dumps(only),)
    clauses = [
        (clause, value)
        for clause, value in (
            ("originator_id >= ?", low),
            (
                "(originator_id < ? OR originator_id IS NULL)"
                if low is None
                else "originator_id < ?",
                high,
            ),
        )
        if value is not None
    ]
    where = f" WHERE {' AND '.join(clause for clause, _ in clauses)}" if clauses else ""
    return where, tuple(value for _, value in clauses)


def roll_back(connection: sqlite3.Connection) -> None:
    """Roll back an open transaction; SQLite may have ended it itself, as where the disk is full."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@functools.cache
def inserting(rows: int) -> str:
    """Return the statement that inserts so many rows."""
    return (
        "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES "
        + ",".join(["(?,?,?,?)"] * rows)
    )


def parameters_of(rows: Sequence[StoredRow]) -> list[Any]:
    """Return the parameters of that statement."""
    parameters: list[Any] = []
    for row in rows:
        parameters += (row.session_id, row.version, row.topic, row.state)
    return parameters


def spans(submissions: Sequence[Submission], position: int) -> list[Outcome]:
    """Return the positions of each submission's rows, the first of which is at ``position``.

    They have no gap: SQLite gives a new row the largest rowid plus one, and one transaction wrote
    them all.
    """
    outcomes: list[Outcome] = []
    for submission in submissions:
        outcomes.append(range(position, position + len(submission)))
        position += len(submission)
    return outcomes


def newest_version(connection: sqlite3.Connection, session_id: str) -> int | None:
    """Return the newest version of a session, None where it has no event."""
    found = connection.execute(_LAST_VERSION, (session_id,)).fetchone()
    return None if found is None else int(found[0])


def error_code(error: BaseException | None) -> int:
    """Return SQLite's primary error code, 0 for an error of Python's own module, which has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def lenient_text(raw: bytes) -> str:
    """Decode a text column; damaged bytes become surrogates, for the checks to find.

    With a strict decoder, one damaged row would fail every query that reads it.
    """
    return raw.decode("utf-8", "surrogateescape")


_SENTENCES: Final = {
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_LOCKED: "the database is locked by another process",
    sqlite3.SQLITE_FULL: "the disk is full; nothing was written",
    sqlite3.SQLITE_READONLY: "the database is read-only",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database",
    sqlite3.SQLITE_TOOBIG: "an event is larger than SQLite can hold (1 GB)",
}
