"""A store in memory: it lasts as long as the process.

Invariants: versions are dense in every stream; a refused submission has changed nothing; a row is
kept as the object that was submitted, and read as it is.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

from eventsourcing.persistence import IntegrityError, Tracking

from perdure.errors import EngineClosed, InvalidArgument, PerdureError
from perdure.store.derived import CatalogRow
from perdure.store.eventsourcing_recorder import EventsourcingRecorder
from perdure.store.leases import LONGEST_LEASE_SECONDS, Lease
from perdure.store.recorder import (
    EventPlace,
    Listener,
    Outcome,
    PositionedRow,
    StoredRow,
    Submission,
    check_dense,
    set_all,
)
from perdure.store.store import Durability, Settle, Store


class MemoryRecorder(EventsourcingRecorder):
    """A log in this process only. Every position is settled at once, and there are no gaps.

    A subclass may keep the rows elsewhere as well, in `keep`, and be read from memory.
    """

    readonly = False

    def __init__(self) -> None:
        self._write_lock: Final = threading.Lock()
        self._lock: Final = threading.Lock()
        self._closed = False
        self._rows: Final[list[StoredRow]] = []
        self._places: Final[dict[str, list[int]]] = {}
        self._tracked: Final[dict[str, int]] = {}
        self._listeners: Final[set[Listener]] = set()

    def last_version(self, session_id: str) -> int | None:
        """Return the newest version of a session, None where it has no event."""
        self._check_open()
        with self._lock:
            places = self._places.get(session_id)
            return self._rows[places[-1]].version if places else None

    def select_rows(
        self,
        session_id: str,
        *,
        after: int | None = None,
        upto: int | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        most_bytes: int | None = None,  # noqa: ARG002 - the rows are in memory already
    ) -> Sequence[StoredRow]:
        """Return a session's rows by range: versions are dense, so nothing is searched."""
        self._check_open()
        with self._lock:
            places = self._places.get(session_id)
            if not places:
                return []
            first = self._rows[places[0]].version
            low = 0 if after is None else max(0, after + 1 - first)
            high = len(places) if upto is None else max(0, upto + 1 - first)
            chosen = places[low:high]
            if newest_first:
                chosen.reverse()
            return [self._rows[place] for place in chosen[:limit]]

    def page_after(
        self,
        position: int,
        limit: int,
        *,
        most_bytes: int | None = None,  # noqa: ARG002 - the rows are in memory already
    ) -> Sequence[PositionedRow]:
        """Return the rows after a position."""
        self._check_open()
        start = max(position, 0)
        with self._lock:
            found = self._rows[start : start + limit]
        return [
            PositionedRow(row.session_id, row.version, row.topic, row.state, place)
            for place, row in enumerate(found, start + 1)
        ]

    def rows_after(self, position: int, limit: int) -> Sequence[PositionedRow]:
        """Return a few rows after a position."""
        return self.page_after(position, limit)

    def places_after(self, position: int, limit: int) -> Sequence[EventPlace]:
        """Return the places of a few rows after a position."""
        self._check_open()
        with self._lock:
            found = self._rows[position : position + limit]
        return [
            (place, row.session_id, row.version) for place, row in enumerate(found, position + 1)
        ]

    def settled_position(self) -> int:
        """Return the newest position, 0 where nothing is recorded."""
        self._check_open()
        with self._lock:
            return len(self._rows)

    def insert(self, rows: Sequence[StoredRow], tracking: Tracking | None = None) -> Sequence[int]:
        """Record the rows and the tracking together; return the rows' positions.

        Raises IntegrityError where a row does not follow, or the tracking is not further.
        """
        with self._write_lock:
            self._check_open()
            check_dense(rows, self.last_version)
            if tracking is not None:
                self._check_further(tracking)
            self.keep(rows)
            with self._lock:
                if tracking is not None:
                    self._tracked[tracking.application_name] = tracking.notification_id
                start = len(self._rows)
                for place, row in enumerate(rows, start):
                    self._rows.append(row)
                    self._places.setdefault(row.session_id, []).append(place)
        self._notify()
        return range(start + 1, start + len(rows) + 1)

    def keep(self, rows: Sequence[StoredRow]) -> None:
        """Do nothing; a subclass may keep the rows of a submission elsewhere.

        It is called with rows that follow the log, before they can be read, for one submission at a
        time. An error that it raises refuses the submission.
        """

    def insert_many(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Record each submission on its own; return its positions or the error that refused it."""
        outcomes: list[Outcome] = []
        for submission in submissions:
            try:
                outcomes.append(self.insert(submission))
            except PerdureError as refusal:
                outcomes.append(refusal)
        return outcomes

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record the position of a projection. Raises IntegrityError unless it is further."""
        with self._write_lock:
            self._check_further(tracking)
            self._tracked[tracking.application_name] = tracking.notification_id

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the position of a projection, None where it has not begun."""
        return self._tracked.get(application_name)

    def listen(self, listener: Listener) -> None:
        """Call ``listener.set()`` after every commit."""
        self._listeners.add(listener)

    def unlisten(self, listener: Listener) -> None:
        """End what `listen` began."""
        self._listeners.discard(listener)

    def scan(
        self,
        low: str | None = None,
        high: str | None = None,
        only: Sequence[str] = (),
        *,
        indexed: bool = True,  # noqa: ARG002 - there is no copy that could differ
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows by session, version and position."""
        self._check_open()
        with self._lock:
            rows = [
                (place, row.session_id, row.version, row.topic, row.state)
                for place, row in enumerate(self._rows, 1)
            ]
        for row in sorted(rows, key=itemgetter(1, 2, 0)):
            in_range = (low is None or row[1] >= low) and (high is None or row[1] < high)
            if row[1] in only if only else in_range:
                yield row

    def session_ids(self) -> list[Any]:
        """Return every session id in the log, in order."""
        self._check_open()
        with self._lock:
            return sorted(self._places)

    def sizes(self) -> list[tuple[Any, int]]:
        """Return every session id in the log, in order, with the number of its events."""
        self._check_open()
        with self._lock:
            return sorted((name, len(places)) for name, places in self._places.items())

    def integrity_problems(self) -> list[str]:
        """Return nothing: memory has no pages to be damaged."""
        self._check_open()
        return []

    def close(self) -> None:
        """Refuse every call from now on, and set every listener a last time."""
        self._closed = True
        self._notify()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed("the store is closed")

    def _notify(self) -> None:
        set_all(tuple(self._listeners))

    def _check_further(self, tracking: Tracking) -> None:
        name, position = tracking.application_name, tracking.notification_id
        if position <= self._tracked.get(name, 0):
            raise IntegrityError(f"{name} has already tracked position {position}")


class MemoryDerived:
    """Derived data in this process only.

    ``last_version`` returns the newest version of a session in the log that the snapshots are of.
    """

    def __init__(self, last_version: Callable[[str], int | None] | None = None) -> None:
        self._last_version: Final = last_version
        self._lock: Final = threading.Lock()
        self._snapshots: Final[dict[str, tuple[int, bytes]]] = {}
        self._catalog: Final[dict[str, CatalogRow]] = {}
        self._position = 0

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the version and the bytes of the session's snapshot."""
        return self._snapshots.get(session_id)

    def put_snapshot(self, session_id: str, version: int, state: bytes) -> None:
        """Keep the snapshot, unless there is one of a later version that the log does have."""
        newest = None if self._last_version is None else self._last_version(session_id)
        with self._lock:
            kept = self._snapshots.get(session_id)
            if kept is None or kept[0] <= version or (newest is not None and kept[0] > newest):
                self._snapshots[session_id] = (version, state)

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot, in order."""
        return sorted(self._snapshots)

    def catalog_position(self) -> int:
        """Return the position up to which the catalog was derived, 0 where it was not begun."""
        return self._position

    def catalog_entries(self, session_ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return the position and the entry of each of the sessions that is in the catalog."""
        return {
            one: (self._catalog[one].position, self._catalog[one].entry)
            for one in session_ids
            if one in self._catalog
        }

    def put_catalog(self, expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        """Write the rows and the position together, if the catalog is at ``expected``."""
        with self._lock:
            if self._position != expected:
                return False
            self._catalog.update((row.session_id, row) for row in rows)
            self._position = position
            return True

    def select_catalog(
        self, phase: str | None, labels: Mapping[str, str], after: int, limit: int
    ) -> list[bytes]:
        """Return the entries of the sessions that match, in the order of their positions."""
        with self._lock:
            rows = sorted(self._catalog.values(), key=lambda row: row.position)
        chosen = [
            row.entry
            for row in rows
            if row.position > after
            and phase in (None, row.phase)
            and all(row.labels.get(label) == value for label, value in labels.items())
        ]
        return chosen if limit < 0 else chosen[:limit]

    def clear(self) -> None:
        """Delete all snapshots and the catalog, with its position."""
        with self._lock:
            self._snapshots.clear()
            self._catalog.clear()
            self._position = 0


class MemoryLeases:
    """Leases of the engines on one store in this process."""

    def __init__(self) -> None:
        self._leases: Final[dict[str, tuple[str, datetime]]] = {}

    def put(
        self, epoch: str, holder: str, *, now: datetime, seconds: float, forget_seconds: float
    ) -> None:
        """Keep a lease that expires ``seconds`` from now, in place of the epoch's last one."""
        forgotten = now - timedelta(seconds=forget_seconds)
        for other, (_, expires_at) in list(self._leases.items()):
            if expires_at < forgotten:
                self.drop(other)
        self._leases[epoch] = holder, now + timedelta(seconds=seconds)

    def find(self, epoch: str, *, now: datetime) -> Lease | None:
        """Return the epoch's lease, None where it has none."""
        found = self._leases.get(epoch)
        if found is None:
            return None
        holder, expires_at = found
        longest = timedelta(seconds=LONGEST_LEASE_SECONDS)
        return Lease(holder, expired=not now < expires_at <= now + longest)

    def drop(self, epoch: str) -> None:
        """Forget the epoch's lease."""
        self._leases.pop(epoch, None)


class MemoryStore:
    """A store that lives as long as the process."""

    persistent = False

    def __init__(self) -> None:
        self.recorder: Final = MemoryRecorder()
        self.derived: Final = MemoryDerived(self.recorder.last_version)
        self.leases: Final = MemoryLeases()
        self._closed = False

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit each submission, unless the store is closed."""
        return None if self._closed else self.recorder.insert_many(submissions)

    def submit(self, submissions: Sequence[Submission], settle: Settle) -> None:
        """Commit each submission at once."""
        if self._closed:
            raise EngineClosed("the engine is closed")
        settle(self.recorder.insert_many(submissions))

    def reopening(self) -> None:
        """Return None: no other process has this log."""

    def close(self) -> None:
        """Accept nothing more."""
        self._closed = True
        self.recorder.close()


def open_memory(
    url: str,
    *,
    durability: Durability,  # noqa: ARG001 - nothing outlives the process
    busy_timeout_seconds: float,  # noqa: ARG001 - no other process writes
    readonly: bool,  # noqa: ARG001 - it begins empty
) -> Store:
    """Return a new store in memory. Raises InvalidArgument for a URL other than ``memory:``."""
    if url != "memory:":
        raise InvalidArgument(
            f"a database URL is memory: or sqlite:///path, not {url!r}", parameter="url"
        )
    return MemoryStore()
