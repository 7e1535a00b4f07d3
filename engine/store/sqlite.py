"""The SQLite recorder: the log in one file, written by one connection under an immediate lock.

Invariants: a write transaction takes the lock before it reads, so what it decided still holds when
it commits; positions rise in commit order, so a reader who has seen one has seen all before it;
`insert_many` returns only after the transaction is on disk as the durability level promises.
"""

import contextlib
import math
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
from engine.store.recording import (
    Outcome,
    RecorderError,
    StaleAppend,
    check_dense,
    stored_event,
)
from engine.store.statements import (
    TRACK,
    chosen_sessions,
    error_code,
    inserting,
    lenient_text,
    newest_version,
    parameters_of,
    spans,
    translated,
)
from engine.store.watching import RecorderSubscription, Watcher

Durability = Literal["full", "normal"]

CHECKPOINT_PAGES: Final = 4000
"""Pages the write-ahead log gathers (32 MB) before they are copied into the file. The more it
gathers, the fewer pages are copied twice; SQLite's own 1,000 cost many sessions a fifth of their
throughput."""

MAX_HURRY_SECONDS: Final = 0.001
"""What commits may take on average that hold the event loop up, apart from their rows; on a disk
that syncs more slowly they get a thread."""

MAX_HURRY_BYTES: Final = 256 * 1024
"""How much may be committed while the event loop is held up: well below a millisecond's worth."""

_ROW_SECONDS: Final = 10e-6
_TIDY_BYTES: Final = 4 * 1024 * 1024
_AFTER: Final = (
    "SELECT originator_id, originator_version, topic, state, position FROM stored_events"
    " WHERE position > ? ORDER BY position LIMIT ?"
)
_MAX_KNOWN: Final = 100_000
_MAX_ROWS: Final = 256
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
        self._patient = True
        self._pace_seconds = math.inf
        self._hurried_bytes = 0
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
            if error_code(error) not in _NO_INDEX or schema.companion_bytes(self.path, "-wal"):
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
                if error_code(error) not in _LOCKED or time.monotonic() > deadline:
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
            if not self._patient:
                self._set_patient(patient=True)
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

    def insert_now(self, submissions: Sequence[Sequence[StoredEvent]]) -> list[Outcome] | None:
        """Insert the submissions if nobody else is writing and the last commits were fast.

        Returns what `insert_many` does, or None where nothing was written: then that says why, or
        writes them. Never waits for a lock and never copies the write-ahead log into the file;
        every so often it declines, so that a commit that may do so comes in between.
        """
        size = 0
        for submission in submissions:
            for event in submission:
                size += len(event.state)
        if size > MAX_HURRY_BYTES or self._pace_seconds > MAX_HURRY_SECONDS:
            return None
        if self._hurried_bytes > _TIDY_BYTES:
            self._hurried_bytes = 0
            return None
        if not self._write_lock.acquire(blocking=False):
            return None
        try:
            outcomes = self._insert_statement(submissions, patient=False)
        except Exception:  # noqa: BLE001 - whatever it is, the careful way finds it again
            return None
        finally:
            self._write_lock.release()
        if outcomes is None:
            return None
        self._hurried_bytes += size + schema.PAGE_BYTES
        self._watcher.notify()
        return outcomes

    def _insert_at_once(self, submissions: Sequence[Sequence[StoredEvent]]) -> list[Outcome] | None:
        """Insert everything with one statement, if it all follows what we know; else None.

        Only a lock that was waited for in vain is an error at once, because waiting again would
        only take that much longer.
        """
        try:
            with self._write_lock:
                return self._insert_statement(submissions, patient=True)
        except sqlite3.OperationalError as error:
            if error_code(error) in _LOCKED:
                with translated(self.path):
                    raise
            return None
        except Exception:  # noqa: BLE001 - whatever it is, the careful way finds it again
            return None

    def _insert_statement(
        self, submissions: Sequence[Sequence[StoredEvent]], *, patient: bool
    ) -> list[Outcome] | None:
        """Insert everything with one statement, under the write lock; None or an error if not so.

        One statement is one transaction, which takes the write lock before it reads, as BEGIN
        IMMEDIATE does; and it is one call, during which the event loop has the interpreter to
        itself. A version we know to be recorded stays recorded, so an event that follows it either
        is the next one or meets its own version there already, and the unique index refuses the
        whole statement. Then, as after any failure, nothing was written, and the careful way
        judges each submission alone.
        """
        if len(submissions) == 1:
            events = submissions[0]
        else:
            events = [event for submission in submissions for event in submission]
        count = len(events)
        if not 0 < count <= _MAX_ROWS or self._writer.in_transaction:
            return None
        after = check_dense(events, self._known.__getitem__)
        if patient != self._patient:
            self._set_patient(patient=patient)
        start = time.perf_counter()
        last = self._writer.execute(inserting(count), parameters_of(events)).lastrowid
        self._keep_pace(time.perf_counter() - start - count * _ROW_SECONDS)
        self._known |= after
        return spans(submissions, (last or 0) - count + 1)

    def _set_patient(self, *, patient: bool) -> None:
        """Let the writer wait for locks, and tidy its log up after a commit; or neither."""
        self._patient = patient
        timeout = int(self._busy_timeout_seconds * 1000) if patient else 0
        self._writer.execute(f"PRAGMA busy_timeout = {timeout}")
        pages = CHECKPOINT_PAGES if patient else 0
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {pages}")

    def _keep_pace(self, seconds: float) -> None:
        """Take into account how long a commit took, its rows apart; the first stands for itself."""
        pace = self._pace_seconds
        self._pace_seconds = seconds if pace == math.inf else pace + (seconds - pace) / 4

    def _insert_checked(
        self, connection: sqlite3.Connection, submissions: Sequence[Sequence[StoredEvent]]
    ) -> list[Outcome]:
        """Insert the submissions that follow what is recorded, inside a transaction."""
        if len(self._known) > _MAX_KNOWN:
            self._known.clear()
        newest: dict[str, int] = {}

        def last_version(session_id: str) -> int | None:
            return newest.get(session_id) or newest_version(connection, session_id)

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
            last = connection.execute(inserting(len(some)), parameters_of(some)).lastrowid or 0
        self._known |= newest
        outcomes = spans(fresh, last - len(events) + 1)
        return [stale.get(n, outcome) for n, outcome in enumerate(outcomes)]

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record how far a projection has come. Raises IntegrityError unless that is further."""
        with self.transaction() as connection:
            self.track(connection, tracking)

    def track(self, connection: sqlite3.Connection, tracking: Tracking) -> None:
        """Record tracking inside a transaction. Raises IntegrityError unless it is further."""
        name, position = tracking.application_name, tracking.notification_id
        if connection.execute(TRACK, (name, position)).rowcount != 1:
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
                return newest_version(self._probe, session_id)
        except sqlite3.Error:
            with self._probe_lock, translated(self.path):
                self._check_open()
                return newest_version(self._probe, session_id)

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
        return [stored_event(originator_id, *row) for row in rows]

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

    def notifications_after(self, position: int, limit: int) -> Sequence[Notification]:
        """Return a few events from after a position, on the connection that no long read uses."""
        with self._probe_lock, translated(self.path):
            self._check_open()
            rows = self._probe.execute(_AFTER, (position, limit)).fetchall()
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
        chosen, parameters = chosen_sessions(low, high, only)
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
                    if self._closed:
                        self._check_open()

    def session_ids(self) -> list[Any]:
        """Return every distinct session id in the log, in order, of whatever type."""
        return [
            found
            for (found,) in self.read(
                "SELECT DISTINCT originator_id FROM stored_events ORDER BY originator_id"
            )
        ]

    def sizes(self) -> list[tuple[Any, int]]:
        """Return every distinct session id in the log, in order, with how many events it has."""
        return self.read(
            "SELECT originator_id, count(*) FROM stored_events"
            " GROUP BY originator_id ORDER BY originator_id"
        )

    def integrity_problems(self) -> list[str]:
        """Return what is wrong with the file's pages and indexes, and with the table's schema."""
        with translated(self.path):
            self._check_open()
            with contextlib.closing(self.connect()) as connection:  # it takes long: no one waits
                rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
                declared = connection.execute(
                    "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'stored_events'"
                ).fetchall()
        return [problem for (problem,) in rows if problem != "ok"] + schema.changes(declared)

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


def _is_hopeless(error: Exception) -> bool:
    """Whether trying each submission alone would only fail, or wait, once more for each."""
    return isinstance(error, EngineClosed) or error_code(error.__cause__) in _LOCKED
