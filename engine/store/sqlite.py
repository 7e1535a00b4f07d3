"""The SQLite recorder: the log in one file, written by one connection under an immediate lock.

Invariants: a write transaction takes the lock before it reads, so what it decided still holds when
it commits; positions rise in commit order, so a reader who has seen one has seen all before it;
`insert_many` returns only after the transaction is on disk as the durability level promises.
"""

import contextlib
import functools
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from eventsourcing.persistence import (
    IntegrityError,
    Notification,
    ProcessRecorder,
    StoredEvent,
    Subscription,
    Tracking,
)

from engine.errors import EngineClosed
from engine.store import schema
from engine.store.recording import Outcome, RecorderError, RecorderRefusal, StaleAppend, check_dense
from engine.store.watching import RecorderSubscription, Watcher

Durability = Literal["full", "normal"]

CHECKPOINT_PAGES: Final = 4000
"""Pages the write-ahead log gathers (32 MB) before they are copied into the file. The more it
gathers, the fewer pages are copied twice; SQLite's own 1,000 cost many sessions a fifth of their
throughput."""

_MAX_KNOWN: Final = 100_000
_MAX_ROWS: Final = 256
_LAST_VERSION: Final = (
    "SELECT originator_version FROM stored_events WHERE originator_id = ?"
    " AND originator_version BETWEEN 0 AND 9223372036854775807"  # text sorts behind all numbers
    " ORDER BY originator_version DESC LIMIT 1"
)
_TRACK: Final = (
    "INSERT INTO tracking VALUES (?, ?) ON CONFLICT (application_name)"
    " DO UPDATE SET notification_id = excluded.notification_id"
    " WHERE notification_id < excluded.notification_id"
)
_LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_INDEX: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class SQLiteRecorder(ProcessRecorder):
    """Records streams, notifications and tracking in the SQLite file at ``path``.

    ``durability`` "full" syncs every commit (WAL with synchronous=FULL), "normal" leaves syncing
    to checkpoints. ``busy_timeout_seconds`` is how long to wait for another writer.
    ``readonly`` opens an existing file without ever writing to it.
    Raises StoreError where the file cannot be opened or is not ours.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        busy_timeout_seconds: float = 5.0,
        readonly: bool = False,
    ) -> None:
        self.path: Final = path
        self.durability: Final = durability
        self.readonly: Final = readonly
        self._busy_timeout_seconds: Final = busy_timeout_seconds
        schema.identify(path, readonly=readonly)
        self._closed = False
        self._known: dict[str, int] = {}
        self._write_lock: Final = threading.Lock()
        self._read_lock: Final = threading.Lock()
        self._probe_lock: Final = threading.Lock()
        with contextlib.ExitStack() as opened, translated(path):
            self._mode = self._reading_mode() if readonly else "rw"
            self._writer: Final = opened.enter_context(contextlib.closing(self._prepared_writer()))
            self._reader: Final = opened.enter_context(contextlib.closing(self.connect()))
            self._probe: Final = opened.enter_context(contextlib.closing(self.connect()))
            self._connections: Final = opened.pop_all()
        self._watcher: Final = Watcher(self._data_version)

    # Connections

    def connect(self) -> sqlite3.Connection:
        """Return a connection for reading, which whoever asked closes."""
        connection = self._connect(f"mode={self._mode}")
        try:
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, query: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path.absolute()))}?{query}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=self._busy_timeout_seconds,
            cached_statements=2 * _MAX_ROWS,
        )
        connection.text_factory = lenient_text
        return connection

    def _prepared_writer(self) -> sqlite3.Connection:
        connection = self._connect(f"mode={self._mode if self.readonly else 'rwc'}")
        try:
            if self.readonly:
                schema.check(connection, self.path)
                return connection
            schema.create(connection, self.path)
            self._use_write_ahead_log(connection)
            level = {"full": "FULL", "normal": "NORMAL"}[self.durability]
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute("PRAGMA fullfsync = ON")  # on macOS a plain fsync stops at the drive
        except BaseException:
            connection.close()
            raise
        return connection

    def _reading_mode(self) -> str:
        """Return how to open the file for reading only.

        Readers of a write-ahead log share an index in a file beside it. Where that cannot be made
        (a read-only folder or medium) and there is no log to read, nobody writes either, and the
        file can be read as it is.
        """
        connection = self._connect("mode=ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) not in _NO_INDEX or schema.companion_bytes(self.path, "-wal"):
                raise
            return "ro&immutable=1"
        finally:
            connection.close()
        return "ro"

    def _use_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL; SQLite does not wait for this lock by itself."""
        deadline = time.monotonic() + self._busy_timeout_seconds
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                if _code(error) not in _LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                if mode != "wal":
                    raise RecorderError(
                        f"{self.path} cannot use a write-ahead log (it stays in {mode!r} mode)",
                        path=str(self.path),
                    )
                return

    def close(self) -> None:
        """Close every connection; SQLite folds the write-ahead log into the file."""
        with self._write_lock, self._read_lock, self._probe_lock:
            self._closed = True
            self._connections.close()
        self._watcher.close()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed(f"{self.path} was closed")

    # Writing

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock, then commit; roll back on any error.

        Raises StoreError (a RecorderError) where SQLite refuses: locked, full, read-only, damaged.
        """
        with self._write_lock, translated(self.path):
            self._check_open()
            connection = self._writer
            if connection.in_transaction:
                connection.execute("ROLLBACK")  # what an earlier failure could not roll back
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._known.clear()
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert the events in one transaction, with tracking if given; return their positions."""
        tracking: Tracking | None = kwargs.get("tracking")
        with self.transaction() as connection:
            outcome = self._insert_checked(connection, [stored_events])[0]
            if isinstance(outcome, Exception):
                raise outcome
            if tracking is not None:
                self.track(connection, tracking)
        self._watcher.notify()
        return list(outcome)

    def insert_many(self, submissions: Sequence[Sequence[StoredEvent]]) -> list[Outcome]:
        """Insert the submissions in one transaction, each accepted or refused on its own.

        Returns for each its positions, or the error that refused it. A stale submission is refused
        before it writes anything. If the shared transaction fails as a whole, each submission is
        tried alone, so that one that cannot be written does not take the others with it.
        """
        try:
            outcomes = self._insert_at_once(submissions)
            if outcomes is None:
                with self.transaction() as connection:
                    outcomes = self._insert_checked(connection, submissions)
        except Exception as error:  # noqa: BLE001 - it is the outcome of each submission
            if len(submissions) == 1 or _is_hopeless(error):
                return [error] * len(submissions)
            return [outcome for one in submissions for outcome in self.insert_many([one])]
        self._watcher.notify()
        return outcomes

    def _insert_at_once(self, submissions: Sequence[Sequence[StoredEvent]]) -> list[Outcome] | None:
        """Insert everything with one statement, if it all follows what we know; else None.

        One statement is one transaction, which takes the write lock before it reads, as BEGIN
        IMMEDIATE does; and it is one call, during which the event loop has the interpreter to
        itself. A version we know to be recorded stays recorded, so an event that follows it either
        is the next one or meets its own version there already, and the unique index refuses the
        whole statement. Then, as after any failure, nothing was written and None sends the
        submissions the careful way, where each is judged alone. Only a lock that was waited for in
        vain is an error at once, because waiting again would only take that much longer.
        """
        events = [event for submission in submissions for event in submission]
        if not 0 < len(events) <= _MAX_ROWS:
            return None
        known = self._known
        try:
            after = check_dense(events, known.__getitem__)
            with self._write_lock:
                if self._writer.in_transaction:
                    return None
                last = self._writer.execute(_inserting(len(events)), _parameters(events)).lastrowid
        except sqlite3.OperationalError as error:
            if _code(error) in _LOCKED:
                with translated(self.path):
                    raise
            return None
        except Exception:  # noqa: BLE001 - whatever it is, the careful way finds it again
            return None
        known |= after
        return _spans(submissions, (last or 0) - len(events) + 1)

    def _insert_checked(
        self, connection: sqlite3.Connection, submissions: Sequence[Sequence[StoredEvent]]
    ) -> list[Outcome]:
        """Insert the submissions that follow what is recorded, inside a transaction."""
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
        newest: dict[str, int] = {}

        def last_version(session_id: str) -> int | None:
            return newest.get(session_id) or _newest(connection, session_id)

        stale: dict[int, StaleAppend] = {}
        for place, submission in enumerate(submissions):
            try:
                newest |= check_dense(submission, last_version)
            except StaleAppend as refusal:
                stale[place] = refusal
        fresh = [() if n in stale else one for n, one in enumerate(submissions)]
        events = [event for submission in fresh for event in submission]
        last = 0
        for start in range(0, len(events), _MAX_ROWS):
            some = events[start : start + _MAX_ROWS]
            last = connection.execute(_inserting(len(some)), _parameters(some)).lastrowid or 0
        self._known |= newest
        outcomes = _spans(fresh, last - len(events) + 1)
        return [stale.get(n, outcome) for n, outcome in enumerate(outcomes)]

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record how far a projection has come. Raises IntegrityError unless that is further."""
        with self.transaction() as connection:
            self.track(connection, tracking)

    def track(self, connection: sqlite3.Connection, tracking: Tracking) -> None:
        """Record tracking inside a transaction. Raises IntegrityError unless it is further."""
        name, position = tracking.application_name, tracking.notification_id
        if connection.execute(_TRACK, (name, position)).rowcount != 1:
            raise IntegrityError(f"{name} has already tracked position {position}")

    # Reading

    def read(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query on the shared read connection."""
        with self._read_lock, translated(self.path):
            self._check_open()
            return self._reader.execute(statement, parameters).fetchall()

    def last_version(self, session_id: str) -> int | None:
        """Return the newest version of a stream, or None where it has no event."""
        try:
            with self._probe_lock:
                return _newest(self._probe, session_id)
        except sqlite3.Error:
            with self._probe_lock, translated(self.path):
                self._check_open()
                return _newest(self._probe, session_id)

    def select_events(
        self,
        originator_id: Any,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a stream's events by range of versions."""
        rows = self.read(
            "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = ?"
            " AND originator_version > ? AND originator_version <= ?"
            f" ORDER BY originator_version {'DESC' if desc else 'ASC'} LIMIT ?",
            (
                str(originator_id),
                -1 if gt is None else gt,
                _LARGEST if lte is None else lte,
                -1 if limit is None else limit,
            ),
        )
        return [StoredEvent(originator_id, *row) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Return events of all streams by range of positions."""
        first = 1 if start is None else start + (not inclusive_of_start)
        chosen = f" AND topic IN ({','.join('?' * len(topics))})" if topics else ""
        rows = self.read(
            "SELECT originator_id, originator_version, topic, state, position FROM stored_events"
            f" WHERE position >= ? AND position <= ?{chosen} ORDER BY position LIMIT ?",
            (first, _LARGEST if stop is None else stop, *topics, limit),
        )
        return [
            Notification(originator_id=a, originator_version=b, topic=c, state=d, id=e)
            for a, b, c, d, e in rows
        ]

    def max_notification_id(self) -> int | None:
        """Return the newest position, or None where nothing is recorded."""
        newest: int | None = self.read("SELECT max(position) FROM stored_events")[0][0]
        return newest

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return how far a projection has come, or None where it has not begun."""
        rows = self.read(
            "SELECT notification_id FROM tracking WHERE application_name = ?", (application_name,)
        )
        return int(rows[0][0]) if rows else None

    def scan(
        self,
        low: str | None = None,
        high: str | None = None,
        only: Sequence[str] = (),
        *,
        indexed: bool = True,
    ) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
        """Yield raw rows (position, session id, version, topic, state), a session at a time.

        Sessions come in the order of their ids from ``low`` (included) to ``high`` (excluded), or
        are just those in ``only``. The columns are as SQLite holds them: of any type, if someone
        changed them. ``indexed`` False reads the table itself, for when the index, which holds a
        copy of ids and versions, may not agree with it. Reads on a connection of its own, so a long
        scan stands in nobody's way; the next row after the recorder was closed is EngineClosed.
        """
        chosen, parameters = _chosen(low, high, only)
        table = "stored_events" if indexed else "stored_events NOT INDEXED"
        with translated(self.path):
            self._check_open()
            with contextlib.closing(self.connect()) as connection:
                for row in connection.execute(
                    "SELECT position, originator_id, originator_version, topic, state"
                    f" FROM {table}{chosen}"
                    " ORDER BY originator_id, originator_version, position",
                    parameters,
                ):
                    yield row
                    self._check_open()

    def session_ids(self) -> list[Any]:
        """Return every distinct session id in the log, in order, of whatever type."""
        return [
            found
            for (found,) in self.read(
                "SELECT DISTINCT originator_id FROM stored_events ORDER BY originator_id"
            )
        ]

    def integrity_problems(self) -> list[str]:
        """Return what is wrong with the file's pages and indexes, and with the table's schema."""
        rows = self.read("PRAGMA integrity_check(20)")
        return [problem for (problem,) in rows if problem != "ok"] + schema.changes(
            self.read("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'stored_events'")
        )

    # Watching

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription["SQLiteRecorder"]:
        """Return an iterator over events from after position ``gt``, old ones and new ones."""
        return RecorderSubscription(recorder=self, gt=gt, topics=topics)

    def listen(self, event: Any) -> None:
        """Call ``event.set()`` after every commit, of this process or another."""
        self._watcher.add(event)

    def unlisten(self, event: Any) -> None:
        """Stop what `listen` began."""
        self._watcher.remove(event)

    def _data_version(self) -> int:
        """Return a number that changes when any other connection commits."""
        with self._probe_lock, translated(self.path):
            self._check_open()
            return int(self._probe.execute("PRAGMA data_version").fetchone()[0])


_LARGEST: Final = 2**63 - 1


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with a sentence that a person can act on."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise RecorderRefusal(f"{path}: {error}", path=str(path)) from error
    except sqlite3.Error as error:
        sentence = _SENTENCES.get(_code(error), str(error))
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise RecorderError(f"{path}: {sentence}", path=str(path), sqlite=name) from error


def _chosen(low: str | None, high: str | None, only: Sequence[str]) -> tuple[str, tuple[str, ...]]:
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


@functools.cache
def _inserting(rows: int) -> str:
    return (
        "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES "
        + ",".join(["(?,?,?,?)"] * rows)
    )


def _parameters(events: Sequence[StoredEvent]) -> list[Any]:
    parameters: list[Any] = []
    for event in events:
        parameters += (str(event.originator_id), event.originator_version, event.topic, event.state)
    return parameters


def _spans(submissions: Sequence[Sequence[StoredEvent]], position: int) -> list[Outcome]:
    """Return the positions of each submission's events, which follow each other from the first.

    SQLite gives a new row the largest rowid plus one, and nobody else writes meanwhile.
    """
    outcomes: list[Outcome] = []
    for submission in submissions:
        outcomes.append(range(position, position + len(submission)))
        position += len(submission)
    return outcomes


def _newest(connection: sqlite3.Connection, session_id: str) -> int | None:
    found = connection.execute(_LAST_VERSION, (session_id,)).fetchone()
    return None if found is None else int(found[0])


def _is_hopeless(error: Exception) -> bool:
    """Whether trying each submission alone would only fail, or wait, once more for each."""
    return isinstance(error, EngineClosed) or _code(error.__cause__) in _LOCKED


def _code(error: BaseException | None) -> int:
    """Return SQLite's primary error code, or 0: what Python's module raises itself has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def lenient_text(raw: bytes) -> str:
    """Decode a text column; damaged bytes become surrogates, for the checks to find.

    A strict decoder would make one damaged row fail every query that meets it.
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
