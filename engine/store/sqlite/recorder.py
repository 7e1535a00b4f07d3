"""The SQLite recorder: the log in one file, written by one connection under an immediate lock.

Invariants: a write transaction takes SQLite's lock before it reads, so the versions that it read
are still the newest when it commits; positions rise in the order of commits, so every committed
position is settled; `insert_many` returns only after the transaction is on disk, as the durability
level promises.
"""

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from eventsourcing.persistence import IntegrityError, Tracking

from perdure.errors import EngineClosed
from perdure.store.recorder import (
    LARGEST_POSITION,
    Outcome,
    StaleAppend,
    StoredRow,
    Submission,
    check_dense,
)
from perdure.store.sqlite import schema
from perdure.store.sqlite.connections import CHECKPOINT_BYTES, Connections
from perdure.store.sqlite.file import Unacknowledged
from perdure.store.sqlite.reader import SQLiteReader
from perdure.store.sqlite.statements import (
    LOCKED,
    MAX_ROWS,
    TRACK,
    error_code,
    inserting,
    newest_version,
    parameters_of,
    roll_back,
    spans,
    translated,
)
from perdure.store.store import Durability

MAX_HURRY_SECONDS: Final = 0.001
"""How long a commit on the event loop may take on average, not counting its rows; on a disk that
syncs more slowly, commits get a thread."""

MAX_HURRY_BYTES: Final = 256 * 1024
"""How many bytes a commit on the event loop may have; they take far less than a millisecond."""

_ROW_SECONDS: Final = 10e-6
_TIDY_BYTES: Final = 4 * 1024 * 1024
_MAX_KNOWN: Final = 100_000


class SQLiteRecorder(SQLiteReader):
    """Records the log, and the positions of projections, in an SQLite file.

    - ``path``: the file; messages name it so.
    - ``durability``: "full" syncs every commit (WAL with synchronous=FULL), "normal" leaves syncing
      to checkpoints.
    - ``busy_timeout_seconds``: how long a commit waits for another writer.
    - ``readonly``: open an existing file and never write to it.
    - ``location``: the absolute path of the file, where ``path`` may lead elsewhere by now.

    Raises StoreError where the file cannot be opened or is not ours.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        busy_timeout_seconds: float = 5.0,
        readonly: bool = False,
        location: Path | None = None,
    ) -> None:
        self.readonly: Final = readonly
        self._known: dict[str, int] = {}
        self._patient = True
        self._pace_seconds = math.inf
        self._hurried_bytes = 0
        self._unsaved_bytes = 0
        self._log_bytes = 0
        self._write_lock: Final = threading.Lock()
        with contextlib.ExitStack() as opened, translated(path):
            connections = Connections(
                path,
                busy_timeout_seconds=busy_timeout_seconds,
                readonly=readonly,
                location=location,
            )
            self._writer: Final = connections.writer(durability)
            opened.callback(connections.release)
            opened.callback(self._writer.close)
            super().__init__(connections)
            opened.pop_all()

    def close(self) -> None:
        """Close every connection; SQLite copies the write-ahead log into the file."""
        with self._write_lock:
            super().close()
            self._writer.close()
            self._connections.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock, then commit; roll back on any error.

        Raises StoreError where SQLite refuses: locked, full, read-only, damaged.
        """
        with self._write_lock, translated(self.path):
            self._check_open()
            connection = self._writer
            if connection.in_transaction:
                connection.execute("ROLLBACK")  # an earlier failure could not roll back
            if not self._patient:
                self._set_patient(patient=True)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._known.clear()
                roll_back(connection)
                raise
            with self._giving_up():
                self._connections.file.check()
            self._tidy()

    def insert(self, rows: Sequence[StoredRow], tracking: Tracking | None = None) -> Sequence[int]:
        """Record the rows and the tracking in one transaction; return the rows' positions.

        Raises IntegrityError where a row does not follow, or the tracking is not further, and
        StoreError where SQLite refuses.
        """
        with self.transaction() as connection:
            outcome = self._insert_checked(connection, [rows])[0]
            if isinstance(outcome, Exception):
                raise outcome
            if tracking is not None:
                self.track(connection, tracking.application_name, tracking.notification_id)
        self._watcher.notify()
        return outcome

    def insert_many(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Record the submissions in one transaction, each accepted or refused on its own.

        A stale submission is refused before anything of it is written. If the transaction fails as
        a whole, each submission is tried again alone, so that one that cannot be written does not
        take the others with it.
        """
        try:
            outcomes = self._insert_at_once(submissions)
            if outcomes is None:
                with self.transaction() as connection:
                    outcomes = self._insert_checked(connection, submissions)
        except Unacknowledged as error:
            return [error] * len(submissions)
        except Exception as error:  # noqa: BLE001 - it is the outcome of each submission
            if len(submissions) == 1 or _is_hopeless(error):
                return [error] * len(submissions)
            return [outcome for one in submissions for outcome in self.insert_many([one])]
        self._watcher.notify()
        return outcomes

    def insert_now(self, submissions: Sequence[Submission]) -> list[Outcome] | None:
        """Record the submissions if there is no other writer and the last commits were fast.

        Returns the outcomes, or None where nothing was written; then call `insert_many`, which
        writes them or says why not. This never waits for a lock and never copies the write-ahead
        log into the file: now and then it declines, so that `insert_many` can do that.
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
        except Unacknowledged as error:
            return [error] * len(submissions)
        except Exception:  # noqa: BLE001 - the careful way meets any error again
            return None
        finally:
            self._write_lock.release()
        if outcomes is None:
            return None
        self._hurried_bytes += size + schema.PAGE_BYTES
        self._unsaved_bytes += size + schema.PAGE_BYTES
        self._watcher.notify()
        return outcomes

    def _insert_at_once(self, submissions: Sequence[Submission]) -> list[Outcome] | None:
        """Insert all rows with one statement if they follow the versions known here, else None.

        A lock that was not obtained in time is an error at once: the careful way would only wait
        for it again.
        """
        try:
            with self._write_lock:
                return self._insert_statement(submissions, patient=True)
        except Unacknowledged:
            raise
        except sqlite3.OperationalError as error:
            if error_code(error) in LOCKED:
                with translated(self.path):
                    raise
            return None
        except Exception:  # noqa: BLE001 - the careful way meets any error again
            return None

    def _insert_statement(
        self, submissions: Sequence[Submission], *, patient: bool
    ) -> list[Outcome] | None:
        """Insert all rows with one statement, under the write lock; None or an error if not done.

        One statement is one transaction, which takes SQLite's lock before it reads, as BEGIN
        IMMEDIATE does; and it is one call, during which other threads have the interpreter. A
        version known to be recorded stays recorded. So a row that follows it is either the next
        one, or its version is there already and the unique index refuses the whole statement. After
        that, as after any failure, nothing was written, and the careful way judges each submission
        alone.
        """
        if len(submissions) == 1:
            events = submissions[0]
        else:
            events = [event for submission in submissions for event in submission]
        count = len(events)
        if not 0 < count <= MAX_ROWS or self._writer.in_transaction:
            return None
        after = check_dense(events, self._known.__getitem__)
        if patient != self._patient:
            self._set_patient(patient=patient)
        changed = self._writer.total_changes
        start = time.perf_counter()
        last = self._writer.execute(inserting(count), parameters_of(events)).lastrowid
        self._keep_pace(time.perf_counter() - start - count * _ROW_SECONDS)
        with self._giving_up():
            self._check_inserted(changed, count, last)
            self._connections.file.check()
        self._known |= after
        if patient:
            self._unsaved_bytes += sum(len(event.state) for event in events) + schema.PAGE_BYTES
            self._tidy()
        return spans(submissions, (last or 0) - count + 1)

    def _tidy(self) -> None:
        """Copy the write-ahead log into the file once it is long; after a failure, try again later.

        It is long once this recorder has written `CHECKPOINT_BYTES`, or the file grew by as many.
        """
        size = self._connections.file.log_bytes
        if max(self._unsaved_bytes, size - self._log_bytes) < CHECKPOINT_BYTES:
            return
        with contextlib.suppress(sqlite3.Error):
            if self._connections.checkpoint(self._writer):
                self._unsaved_bytes, self._log_bytes = 0, size

    def _check_inserted(self, changed: int, count: int, last: int | None) -> None:
        """Raise Unacknowledged where the rows in the file are not the ones that were inserted.

        ``changed`` is the number of rows that the connection had changed before, ``count`` the
        number of rows inserted since, ``last`` the position of the last one. SQLite counts every
        row that a trigger changes, so a trigger that drops, alters or adds one shows in the number.
        """
        different = self._writer.total_changes - changed - count
        if different:
            raise Unacknowledged(
                f"{self.path}: a trigger changed the log while {count} events were written "
                f"({abs(different)} rows {'more' if different > 0 else 'fewer'} than given), so "
                "they are not acknowledged: `perdure audit` names the trigger",
                path=str(self.path),
            )
        if last is not None and not 0 < last <= LARGEST_POSITION:
            raise Unacknowledged(
                f"{self.path}: position {last} is beyond any that a log can reach, so the order of"
                " what follows would be left to chance: `perdure audit` names the event there",
                path=str(self.path),
            )

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Refuse every commit and read from now on, if the block raises Unacknowledged."""
        try:
            yield
        except Unacknowledged as lost:
            self._lost = lost
            raise

    def _set_patient(self, *, patient: bool) -> None:
        """Set whether the writer waits for locks."""
        self._patient = patient
        timeout = int(self._connections.busy_timeout_seconds * 1000) if patient else 0
        self._writer.execute(f"PRAGMA busy_timeout = {timeout}")

    def _keep_pace(self, seconds: float) -> None:
        """Add the duration of a commit, without its rows, to the moving average."""
        pace = self._pace_seconds
        self._pace_seconds = seconds if pace == math.inf else pace + (seconds - pace) / 4

    def _insert_checked(
        self, connection: sqlite3.Connection, submissions: Sequence[Submission]
    ) -> list[Outcome]:
        """Insert the submissions that follow the log, inside a transaction; return all outcomes."""
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
        changed = connection.total_changes
        for start in range(0, len(events), MAX_ROWS):
            some = events[start : start + MAX_ROWS]
            last = connection.execute(inserting(len(some)), parameters_of(some)).lastrowid or 0
        if events:
            with self._giving_up():
                self._check_inserted(changed, len(events), last)
        self._known |= newest
        outcomes = spans(fresh, last - len(events) + 1)
        return [stale.get(n, outcome) for n, outcome in enumerate(outcomes)]

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record the position of a projection. Raises IntegrityError unless it is further."""
        with self.transaction() as connection:
            self.track(connection, tracking.application_name, tracking.notification_id)

    def track(self, connection: sqlite3.Connection, name: str, position: int) -> None:
        """Record the position of a projection inside a transaction.

        Raises IntegrityError unless it is further than the last one.
        """
        if connection.execute(TRACK, (name, position)).rowcount != 1:
            raise IntegrityError(f"{name} has already tracked position {position}")


def _is_hopeless(error: Exception) -> bool:
    """Whether trying each submission alone would fail or wait again, once for each."""
    return isinstance(error, EngineClosed) or error_code(error.__cause__) in LOCKED
