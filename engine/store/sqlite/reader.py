"""The reading half of the SQLite recorder: the log by session, position, scan and listening.

Invariants: nothing here writes, and no commit waits for a read. There are three kinds of
connection: the reader, for reads of any length; the probe, which only short reads on the event loop
use; and one of its own for each scan.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from perdure.errors import EngineClosed, StoreError
from perdure.store.eventsourcing_recorder import EventsourcingRecorder
from perdure.store.recorder import EventPlace, Listener, PositionedRow, StoredRow
from perdure.store.sqlite import schema
from perdure.store.sqlite.connections import Connections
from perdure.store.sqlite.copy import Progress, copy_file
from perdure.store.sqlite.file import Unacknowledged
from perdure.store.sqlite.statements import chosen_sessions, newest_version, translated
from perdure.store.sqlite.watcher import Watcher

_ROWS_AFTER: Final = (
    "SELECT originator_id, originator_version, topic, position, state FROM stored_events"
    " WHERE position > ? AND position <= 9223372036854775807"  # text sorts behind all numbers
    " ORDER BY position LIMIT ?"
)
_PLACES_AFTER: Final = (
    "SELECT position, originator_id, CAST(originator_version AS INTEGER) FROM stored_events"
    " WHERE position > ? ORDER BY position LIMIT ?"
)
_NEWEST: Final = "SELECT max(position) FROM stored_events"
_LARGEST: Final = 2**63 - 1


class SQLiteReader(EventsourcingRecorder):
    """Reads the log in the SQLite file that the connections are to."""

    def __init__(self, connections: Connections) -> None:
        self.path: Final = connections.path
        self.location: Final = connections.location
        self._connections: Final = connections
        self._closed = False
        self._lost: StoreError | None = None
        self._read_lock: Final = threading.Lock()
        self._probe_lock: Final = threading.Lock()
        with contextlib.ExitStack() as opened, translated(self.path):
            self._reader: Final = opened.enter_context(contextlib.closing(connections.reader()))
            self._probe: Final = opened.enter_context(contextlib.closing(connections.reader()))
            self._opened: Final = opened.pop_all()
        self._watcher: Final = Watcher(self._data_version)

    def close(self) -> None:
        """Close the reading connections, and set every listener a last time."""
        with self._read_lock, self._probe_lock:
            self._closed = True
            self._opened.close()
        self._watcher.close()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed(f"{self.path} was closed")
        if self._lost is not None:
            raise self._lost

    def read(
        self, statement: str, parameters: Sequence[Any] = (), *, most_bytes: int | None = None
    ) -> list[Any]:
        """Return all rows of a query on the reader.

        ``most_bytes`` ends them with the row whose last column brings the sum to so many bytes.
        """
        with self._read_lock, translated(self.path):
            self._check_open()
            cursor = self._reader.execute(statement, parameters)
            return cursor.fetchall() if most_bytes is None else _first_of(cursor, most_bytes)

    def last_version(self, session_id: str) -> int | None:
        """Return the newest version of a session, None where it has no event."""
        if self._lost is not None:
            raise self._lost
        try:
            with self._probe_lock:
                return newest_version(self._probe, session_id)
        except sqlite3.Error:
            with self._probe_lock, translated(self.path):
                self._check_open()
                return newest_version(self._probe, session_id)

    def select_rows(
        self,
        session_id: str,
        *,
        after: int | None = None,
        upto: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        most_bytes: int | None = None,
    ) -> Sequence[StoredRow]:
        """Return a session's rows by range of versions."""
        rows = self.read(
            "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = ?"
            " AND originator_version > ? AND originator_version <= ?"
            f" ORDER BY originator_version {'DESC' if newest_first else 'ASC'} LIMIT ?",
            (
                session_id,
                -1 if after is None else after,
                _LARGEST if upto is None else upto,
                -1 if limit is None else limit,
            ),
            most_bytes=most_bytes,
        )
        return [StoredRow(session_id, version, topic, state) for version, topic, state in rows]

    def page_after(
        self, position: int, limit: int, *, most_bytes: int | None = None
    ) -> Sequence[PositionedRow]:
        """Return the rows after a position."""
        return _positioned(self.read(_ROWS_AFTER, (position, limit), most_bytes=most_bytes))

    def rows_after(self, position: int, limit: int) -> Sequence[PositionedRow]:
        """Return a few rows after a position, read on the probe."""
        with self._probe_lock, translated(self.path):
            self._check_open()
            rows = self._probe.execute(_ROWS_AFTER, (position, limit)).fetchall()
        return _positioned(rows)

    def places_after(self, position: int, limit: int) -> Sequence[EventPlace]:
        """Return the places of a few rows after a position, read on the probe."""
        with self._probe_lock, translated(self.path):
            self._check_open()
            return self._probe.execute(_PLACES_AFTER, (position, limit)).fetchall()

    def settled_position(self) -> int:
        """Return the newest position, 0 where nothing is recorded; a commit settles its own."""
        with self._probe_lock, translated(self.path):
            self._check_open()
            newest: int | None = self._probe.execute(_NEWEST).fetchone()[0]
        return newest or 0

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the position of a projection, None where it has not begun.

        Raises StoreError where the table holds something else.
        """
        rows = self.read(
            "SELECT notification_id FROM tracking WHERE application_name = ?", (application_name,)
        )
        if not rows:
            return None
        position: int = rows[0][0]
        if type(position) is not int:
            raise StoreError(
                f"{self.path}: {application_name} has come to {position!r}, which is no position",
                path=str(self.path),
            )
        return position

    def scan(
        self,
        low: str | None = None,
        high: str | None = None,
        only: Sequence[str] = (),
        *,
        indexed: bool = True,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows by session, version and position, read on a connection of its own.

        ``indexed`` False reads the table itself: the index holds a copy of ids and versions, which
        may disagree with the table in a damaged file. The scan raises EngineClosed at its next row
        once the recorder was closed.
        """
        chosen, parameters = chosen_sessions(low, high, only)
        table = "stored_events" if indexed else "stored_events NOT INDEXED"
        with translated(self.path):
            self._check_open()
            with contextlib.closing(self._connections.reader()) as connection:
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
        """Return every session id in the log, in order, of any type where one is damaged."""
        return [
            found
            for (found,) in self.read(
                "SELECT DISTINCT originator_id FROM stored_events ORDER BY originator_id"
            )
        ]

    def sizes(self) -> list[tuple[Any, int]]:
        """Return every session id in the log, in order, with the number of its events."""
        return self.read(
            "SELECT originator_id, count(*) FROM stored_events"
            " GROUP BY originator_id ORDER BY originator_id"
        )

    def integrity_problems(self) -> list[str]:
        """Return a sentence for each problem of the file's pages, indexes and schema."""
        with translated(self.path):
            self._check_open()
            connection = self._connections.reader()  # of its own: the check takes long
            with contextlib.closing(connection):
                rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
                declared = connection.execute(
                    "SELECT type, name, tbl_name, sql FROM sqlite_master"
                ).fetchall()
        return [problem for (problem,) in rows if problem != "ok"] + schema.changes(declared)

    def copy_to(self, target: Path, progress: Progress | None = None) -> Path:
        """Copy the file as it is now to a partial file beside ``target``; see `copy_file`."""
        with translated(self.path):
            self._check_open()
            with contextlib.closing(self._connections.reader()) as connection:
                return copy_file(connection, self.path, target, progress)

    # Watching

    def listen(self, listener: Listener) -> None:
        """Call ``listener.set()`` after every commit, of this process or another."""
        self._watcher.add(listener)

    def unlisten(self, listener: Listener) -> None:
        """End what `listen` began."""
        self._watcher.remove(listener)

    def _data_version(self) -> int:
        """Return a number that changes when any other connection commits."""
        with self._probe_lock, translated(self.path):
            self._check_open()
            try:
                self._connections.file.check_database()
            except Unacknowledged as lost:
                self._lost = lost
                raise
            return int(self._probe.execute("PRAGMA data_version").fetchone()[0])


def _positioned(rows: Iterable[tuple[Any, ...]]) -> list[PositionedRow]:
    return [
        PositionedRow(session_id, version, topic, state, position)
        for session_id, version, topic, position, state in rows
    ]


def _first_of(cursor: sqlite3.Cursor, most_bytes: int) -> list[Any]:
    rows = []
    with contextlib.closing(cursor):
        for row in cursor:
            rows.append(row)
            if isinstance(row[-1], bytes):  # a damaged state may be of another type
                most_bytes -= len(row[-1])
                if most_bytes <= 0:
                    break
    return rows
