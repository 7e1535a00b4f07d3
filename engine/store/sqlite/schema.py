"""The SQLite file: its tables, whether it is ours, and how it is created.

Invariants: a file that is not ours, or is from a newer version, is refused before SQLite may change
a byte of it; a new file is complete or empty, even if its creation is cut off; every table but
``stored_events`` is derived and can be dropped.
"""

import contextlib
import functools
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from perdure.errors import StoreError, Unsupported
from perdure.store.recorder import LARGEST_POSITION
from perdure.store.sqlite.statements import roll_back

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

_CATALOG: Final = (
    """
CREATE TABLE tracking (
  application_name TEXT PRIMARY KEY,
  notification_id INTEGER NOT NULL
) WITHOUT ROWID""",
    """
CREATE TABLE catalog (
  session_id TEXT PRIMARY KEY,
  position INTEGER NOT NULL UNIQUE,
  phase TEXT NOT NULL,
  entry BLOB NOT NULL
)""",
    "CREATE INDEX catalog_by_phase ON catalog (phase, position)",
    """
CREATE TABLE catalog_labels (
  label TEXT NOT NULL,
  value TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (label, value, position)
) WITHOUT ROWID""",
)

DERIVED: Final = (
    _CATALOG,
    (
        """
CREATE TABLE snapshots (
  session_id TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  state BLOB NOT NULL
)""",
    ),
    (
        """
CREATE TABLE leases (
  epoch TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  expires_at TEXT NOT NULL
) WITHOUT ROWID""",
    ),
)
"""The derived tables, in groups that are created together: one table says how far the others of its
group were derived."""

_DERIVED_NAMES: Final = frozenset(
    name
    for statements in DERIVED
    for statement in statements
    for name in (statement.split()[2], f"sqlite_autoindex_{statement.split()[2]}_1")
)

_OBJECTS: Final = "SELECT type, name, tbl_name, sql FROM sqlite_master"

_CONSISTENT: Final = """
SELECT CASE WHEN EXISTS (SELECT 1 FROM catalog)
  THEN EXISTS (
    SELECT 1 FROM tracking WHERE application_name = 'catalog'
    AND typeof(notification_id) = 'integer'
    AND notification_id BETWEEN 1 AND (SELECT max(position) FROM stored_events)
  )
  ELSE NOT EXISTS (SELECT 1 FROM tracking WHERE application_name = 'catalog')
END"""


def identify(path: Path, *, named: Path | None = None, readonly: bool = False) -> None:
    """Look at the file's first bytes, without SQLite, and refuse a file that is not ours.

    Messages name the file ``named``, if that is given. Raises StoreError for a missing folder, a
    missing file that is to be read, a read-only file that is to be written, a directory, another
    kind of file and the database of another application; Unsupported for a file of a newer perdure.
    """
    named = named or path
    has_log = bool(companion_bytes(path, "-wal"))  # looked for first: the mark comes before it
    header = _peek(path, named, readonly=readonly)
    unmarked = not header.strip(b"\x00") or (
        header.startswith(_MAGIC)
        and len(header) == _PEEK_LENGTH
        and _number(header, _APPLICATION_ID_AT) == 0
        and not _has_tables(header)
    )
    if header and not header.strip(b"\x00") and not companion_bytes(path, "-journal"):
        raise StoreError(f"{named} is not an SQLite database", path=str(named))
    if unmarked:
        # Empty: it was created by hand, or our own creation was cut off, and SQLite will roll back
        # from the journal beside it. In neither case is there a write-ahead log beside it.
        if has_log and not path.exists():
            raise StoreError(
                f"there is no database at {named}, but a write-ahead log of one that is gone"
                f" ({path}-wal): bring the database back, or move the log away",
                path=str(named),
            )
        if has_log:
            raise StoreError(
                f"{named} is empty, and the write-ahead log beside it ({path}-wal) is that of"
                " another application, or of another file: move it away, or bring its file back",
                path=str(named),
            )
        return
    if len(header) < _PEEK_LENGTH or not header.startswith(_MAGIC):
        raise StoreError(f"{named} is not an SQLite database", path=str(named))
    if _number(header, _APPLICATION_ID_AT) != APPLICATION_ID:
        raise StoreError(f"{named} is the database of another application", path=str(named))
    _check_version(_number(header, _USER_VERSION_AT), named)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not ours as SQLite reads it, with its write-ahead log.

    Raises StoreError for a file without a log in it, Unsupported for one of a newer perdure.
    """
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} holds no sessions: it was never written to", path=str(path))
    _check_version(_pragma(connection, "user_version"), path)
    if "stored_events" not in _names(connection):
        raise StoreError(f"the table stored_events is missing from {path}", path=str(path))


def create(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables that are missing, in one transaction, and mark the file as ours.

    The log and the mark are written with a rollback journal, so the mark is in the file's header
    before a write-ahead log exists. Derived tables are created again whenever they are missing.
    """
    if _pragma(connection, "application_id") != APPLICATION_ID:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # later, that takes a whole VACUUM
        with _transaction(connection):
            if _pragma(connection, "application_id") != APPLICATION_ID:
                if _names(connection):
                    raise StoreError(
                        f"{path} is the database of another application", path=str(path)
                    )
                connection.execute(LOG)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    check(connection, path)
    if _spoilt(connection):
        with _transaction(connection):
            for statements in _spoilt(connection):
                _make_anew(connection, statements)
    check_unchanged(connection, path)


def check_unchanged(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse to write to a file with objects that may change the log, or with absurd positions.

    Raises StoreError for an object that perdure does not make, which may be a trigger or an index
    that refuses rows, and for a position that no log can reach.
    """
    problems = changes(connection.execute(_OBJECTS).fetchall())
    if problems:
        raise StoreError(
            f"{path} is not as perdure made it: {'; '.join(problems)}. Remove it with sqlite3, or"
            " restore a backup; readonly=True opens the file as it is",
            path=str(path),
            problems=problems,
        )
    try:
        (last,) = connection.execute("SELECT max(position) FROM stored_events").fetchone()
    except sqlite3.DatabaseError:
        return  # damaged pages, which the audit finds
    if last is not None and not 0 < last <= LARGEST_POSITION:
        raise StoreError(
            f"{path}: an event lies at position {last}, beyond any that a log can reach, so SQLite"
            " would place what follows at random: `perdure audit` names the event",
            path=str(path),
        )


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def _spoilt(connection: sqlite3.Connection) -> list[Sequence[str]]:
    """Return the groups of derived tables that are missing, changed or contradict the log."""
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master")}
    return [
        statements
        for statements in DERIVED
        if not {statement.strip() for statement in statements} <= found
        or (statements is _CATALOG and not _consistent(connection))
    ]


def _consistent(connection: sqlite3.Connection) -> bool:
    """Whether the catalog agrees with the position up to which it was derived."""
    try:
        return bool(connection.execute(_CONSISTENT).fetchone()[0])
    except sqlite3.DatabaseError:
        return True  # damaged pages, which a listing does without and the audit finds


def _make_anew(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    names = [statement.split()[2] for statement in statements]
    found = connection.execute("SELECT type, name FROM sqlite_master WHERE type != 'trigger'")
    for kind, name in sorted(found.fetchall()):  # an index before its table, which takes it along
        if name in names:
            connection.execute(f"DROP {kind} {name}")
    for statement in statements:
        connection.execute(statement)


def changes(found: list[Any]) -> list[str]:
    """Return a sentence for each difference between the file's schema and the one `create` makes.

    ``found`` has the type, name, table and SQL of every object. They are compared letter by letter:
    SQLite obeys a trigger whose type is written in capital letters, and an additional index may
    refuse rows. Derived tables may be missing or changed, as they are created again; the tables
    that ANALYZE keeps are SQLite's own.
    """
    problems = [
        f"there is {_named(str(kind).lower(), name, table)}"
        for kind, name, table, sql in found
        if (kind, name, table, sql) not in _made()
        and not (kind in ("table", "index") and name in _DERIVED_NAMES and table != "stored_events")
        and not (kind == "table" and str(name).startswith("sqlite_stat"))
        and (kind, name) != ("table", "stored_events")
    ]
    if ("table", "stored_events", "stored_events", LOG.strip()) not in found:
        problems.append("the table stored_events is not the one that perdure makes")
    return problems


def _named(kind: str, name: Any, table: Any) -> str:
    article = "an" if kind[:1] in "aeiou" else "a"
    where = "the log" if table == "stored_events" else table
    return f"{article} {kind} {name!r}" + (f" on {where}" if table != name else "")


@functools.cache
def _made() -> frozenset[Any]:
    """Return type, name, table and SQL of every object that perdure makes, as SQLite keeps them."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for statement in (LOG, *(one for statements in DERIVED for one in statements)):
            connection.execute(statement)
        return frozenset(connection.execute(_OBJECTS))


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def companion_bytes(path: Path, suffix: str) -> int:
    """Return the size of the file that SQLite keeps beside the database, 0 where there is none."""
    try:
        return Path(f"{path}{suffix}").stat().st_size
    except OSError:
        return 0


def _peek(path: Path, named: Path, *, readonly: bool) -> bytes:
    """Return the file's first bytes, none for a new file. Raises StoreError as `identify` does."""
    try:
        if path.is_dir():
            raise StoreError(f"{named} is a directory, not a database", path=str(named))
        if not path.parent.is_dir():
            raise StoreError(f"the folder {named.parent} does not exist", path=str(named))
        if not path.exists():
            if readonly:
                raise StoreError(f"there is no database at {named}", path=str(named))
            return b""
        if not path.is_file():
            raise StoreError(f"{named} is not a file", path=str(named))
        if not readonly and not os.access(path, os.W_OK):
            raise StoreError(
                f"{named} is read-only, so nothing is recorded there; "
                "readonly=True opens it to be read",
                path=str(named),
            )
        with path.open("rb") as file:
            return file.read(_PEEK_LENGTH)
    except OSError as error:
        raise StoreError(f"cannot read {named}: {error.strerror}", path=str(named)) from error


def _check_version(version: int, path: Path) -> None:
    if version > SCHEMA_VERSION:
        raise Unsupported(
            f"{path} was written by a newer perdure (schema {version}; "
            f"this version knows {SCHEMA_VERSION})",
            path=str(path),
            found=version,
            known=SCHEMA_VERSION,
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _number(header: bytes, at: int) -> int:
    return int.from_bytes(header[at : at + 4], "big")


def _has_tables(header: bytes) -> bool:
    """Whether the schema's root page, which begins behind the file header, has any entry."""
    kind, entries = header[_HEADER_LENGTH], header[_HEADER_LENGTH + 3 : _HEADER_LENGTH + 5]
    return kind != _LEAF_PAGE or entries != b"\x00\x00"
