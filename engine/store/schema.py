"""The SQLite file: what is in it, whether it is ours, and how it is made.

Invariants: a file that is not ours, or is from a newer version, is refused before SQLite may change
a byte of it; a new file is complete or empty, whatever instant its making is cut off; everything
but ``stored_events`` is derived and can be dropped.
"""

import sqlite3
from pathlib import Path
from typing import Final

from engine.errors import StoreError, Unsupported
from engine.store.recording import RecorderError

APPLICATION_ID: Final = 0x70657264  # "perd"
SCHEMA_VERSION: Final = 1

PAGE_BYTES: Final = 8192
"""A turn of a few kilobytes wastes half of SQLite's usual 4096-byte page."""

_MAGIC: Final = b"SQLite format 3\x00"
_USER_VERSION_AT: Final = 60
_APPLICATION_ID_AT: Final = 68
_HEADER_LENGTH: Final = 100
_PEEK_LENGTH: Final = _HEADER_LENGTH + 8
_LEAF_PAGE: Final = 0x0D

LOG: Final = """
CREATE TABLE stored_events (
  position INTEGER PRIMARY KEY,
  originator_id TEXT NOT NULL,
  originator_version INTEGER NOT NULL,
  topic TEXT NOT NULL,
  state BLOB NOT NULL,
  UNIQUE (originator_id, originator_version)
)"""

DERIVED: Final = (
    """
CREATE TABLE IF NOT EXISTS tracking (
  application_name TEXT PRIMARY KEY,
  notification_id INTEGER NOT NULL
) WITHOUT ROWID""",
    """
CREATE TABLE IF NOT EXISTS snapshots (
  session_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  state BLOB NOT NULL
)""",
    """
CREATE TABLE IF NOT EXISTS catalog (
  session_id TEXT PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  phase TEXT NOT NULL,
  entry BLOB NOT NULL
)""",
    "CREATE INDEX IF NOT EXISTS catalog_by_phase ON catalog (phase, position)",
    """
CREATE TABLE IF NOT EXISTS catalog_labels (
  label TEXT NOT NULL,
  value TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (label, value, position)
) WITHOUT ROWID""",
)

_DERIVED_NAMES: Final = frozenset(
    ("tracking", "snapshots", "catalog", "catalog_by_phase", "catalog_labels")
)


def identify(path: Path) -> None:
    """Look at the file's first bytes, without SQLite, and refuse what is plainly not ours.

    Raises StoreError for a missing folder, a directory, another kind of file or another
    application's database, and Unsupported for one written by a newer perdure.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a directory, not a database", path=str(path))
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} does not exist", path=str(path))
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            header = file.read(_PEEK_LENGTH)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", path=str(path)) from error
    if not header:
        return
    if len(header) < _PEEK_LENGTH or not header.startswith(_MAGIC):
        raise StoreError(f"{path} is not an SQLite database", path=str(path))
    application = _number(header, _APPLICATION_ID_AT)
    if application == 0 and not _has_tables(header):
        return  # empty: made by someone's hand, or our own making was cut off
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is the database of another application", path=str(path))
    version = _number(header, _USER_VERSION_AT)
    if version > SCHEMA_VERSION:
        raise Unsupported(
            f"{path} was written by a newer perdure (schema {version}; "
            f"this version knows {SCHEMA_VERSION})",
            path=str(path),
            found=version,
            known=SCHEMA_VERSION,
        )


def create(connection: sqlite3.Connection) -> None:
    """Make the tables that are missing, in one transaction, and mark the file as ours.

    The log comes with the mark, in a rollback journal, so the mark is in the file's header before
    the write-ahead log exists. Derived tables are made anew whenever they are missing.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise RecorderError("this is the database of another application")
                connection.execute(LOG)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    names = _names(connection)
    if "stored_events" not in names:
        raise RecorderError("the table stored_events is missing from a database of ours")
    if not names >= _DERIVED_NAMES:
        connection.execute("BEGIN IMMEDIATE")
        for statement in DERIVED:
            connection.execute(statement)
        connection.execute("COMMIT")


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _number(header: bytes, at: int) -> int:
    return int.from_bytes(header[at : at + 4], "big")


def _has_tables(header: bytes) -> bool:
    """Whether the schema's root page, which begins behind the file header, has any entry."""
    kind, entries = header[_HEADER_LENGTH], header[_HEADER_LENGTH + 3 : _HEADER_LENGTH + 5]
    return kind != _LEAF_PAGE or entries != b"\x00\x00"
