"""Derived data: snapshots and the catalog, kept beside the log so that they need not be rebuilt.

Invariants: nothing here is authority; all of it can be cleared at any time and rebuilt from the
log; catalog entries and the position they were derived up to are written together.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from eventsourcing.persistence import Tracking

from perdure.store.sqlite.recorder import SQLiteRecorder

CATALOG: Final = "catalog"
"""The catalog's name in the tracking table."""

_VARIABLES_LIMIT: Final = 500


class CatalogRow(NamedTuple):
    """One session in the catalog; ``position`` is that of its first event.

    ``gone`` holds the labels that it had before and has no more.
    """

    session_id: str
    position: int
    phase: str
    labels: Mapping[str, str]
    entry: bytes
    gone: Mapping[str, str] = {}


class Derived(Protocol):
    """What projections are kept in."""

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the kept snapshot's version and bytes."""

    def put_snapshot(self, session_id: str, version: int, state: bytes) -> None:
        """Keep the snapshot in place of one that is older, or that no log can have led to."""

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot, in order."""

    def catalog_position(self) -> int:
        """Return the position up to which the catalog was derived, or 0."""

    def catalog_entries(self, session_ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return the position and entry of those of the sessions that are in the catalog."""

    def put_catalog(self, expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        """Write the rows if the catalog still stands at ``expected``; return whether it did."""

    def select_catalog(
        self, phase: str | None, labels: Mapping[str, str], after: int, limit: int
    ) -> list[bytes]:
        """Return entries with this phase and all these labels, by position, from after one."""

    def clear(self) -> None:
        """Forget everything."""


class MemoryDerived:
    """Derived data in this process only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshots: dict[str, tuple[int, bytes]] = {}
        self._catalog: dict[str, CatalogRow] = {}
        self._position = 0

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the kept snapshot's version and bytes."""
        return self._snapshots.get(session_id)

    def put_snapshot(self, session_id: str, version: int, state: bytes) -> None:
        """Keep the snapshot in place of an older one."""
        with self._lock:
            kept = self._snapshots.get(session_id)
            if kept is None or kept[0] <= version:
                self._snapshots[session_id] = (version, state)

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot, in order."""
        return sorted(self._snapshots)

    def catalog_position(self) -> int:
        """Return the position up to which the catalog was derived, or 0."""
        return self._position

    def catalog_entries(self, session_ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return the position and entry of those of the sessions that are in the catalog."""
        return {
            one: (self._catalog[one].position, self._catalog[one].entry)
            for one in session_ids
            if one in self._catalog
        }

    def put_catalog(self, expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        """Write the rows if the catalog still stands at ``expected``; return whether it did."""
        with self._lock:
            if self._position != expected:
                return False
            self._catalog |= {row.session_id: row for row in rows}
            self._position = position
            return True

    def select_catalog(
        self, phase: str | None, labels: Mapping[str, str], after: int, limit: int
    ) -> list[bytes]:
        """Return entries with this phase and all these labels, by position, from after one."""
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
        """Forget everything."""
        with self._lock:
            self._snapshots.clear()
            self._catalog.clear()
            self._position = 0


class SQLiteDerived:
    """Derived data in the log's own file, in tables that may be dropped."""

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self._recorder = recorder

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the kept snapshot's version and bytes."""
        rows = self._recorder.read(
            "SELECT version, state FROM snapshots WHERE session_id = ?", (session_id,)
        )
        return rows[0] if rows else None

    def put_snapshot(self, session_id: str, version: int, state: bytes) -> None:
        """Keep the snapshot in place of an older one."""
        with self._recorder.transaction() as connection:
            connection.execute(
                "INSERT INTO snapshots VALUES (?, ?, ?) ON CONFLICT (session_id)"
                " DO UPDATE SET version = excluded.version, state = excluded.state"
                " WHERE version <= excluded.version OR version > (SELECT"
                " max(originator_version) FROM stored_events"
                " WHERE originator_id = excluded.session_id)",
                (session_id, version, state),
            )

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot, in order."""
        rows = self._recorder.read("SELECT session_id FROM snapshots ORDER BY session_id")
        return [session_id for (session_id,) in rows]

    def catalog_position(self) -> int:
        """Return the position up to which the catalog was derived, or 0."""
        return self._recorder.max_tracking_id(CATALOG) or 0

    def catalog_entries(self, session_ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return the position and entry of those of the sessions that are in the catalog."""
        found: dict[str, tuple[int, bytes]] = {}
        for start in range(0, len(session_ids), _VARIABLES_LIMIT):
            some = session_ids[start : start + _VARIABLES_LIMIT]
            rows = self._recorder.read(
                "SELECT session_id, position, entry FROM catalog"
                f" WHERE session_id IN ({','.join('?' * len(some))})",
                some,
            )
            found |= {session_id: (position, entry) for session_id, position, entry in rows}
        return found

    def put_catalog(self, expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        """Write the rows if the catalog still stands at ``expected``; return whether it did."""
        with self._recorder.transaction() as connection:
            stands = connection.execute(
                "SELECT notification_id FROM tracking WHERE application_name = ?", (CATALOG,)
            ).fetchone()
            if (stands[0] if stands else 0) != expected:
                return False
            connection.executemany(
                "INSERT INTO catalog VALUES (?, ?, ?, ?) ON CONFLICT (session_id)"
                " DO UPDATE SET phase = excluded.phase, entry = excluded.entry",
                [(row.session_id, row.position, row.phase, row.entry) for row in rows],
            )
            connection.executemany(
                "DELETE FROM catalog_labels WHERE label = ? AND value = ? AND position = ?",
                [(k, v, row.position) for row in rows for k, v in row.gone.items()],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO catalog_labels VALUES (?, ?, ?)",
                [(k, v, row.position) for row in rows for k, v in row.labels.items()],
            )
            self._recorder.track(connection, Tracking(CATALOG, position))
            return True

    def select_catalog(
        self, phase: str | None, labels: Mapping[str, str], after: int, limit: int
    ) -> list[bytes]:
        """Return entries with this phase and all these labels, by position, from after one."""
        statement = "SELECT entry FROM catalog WHERE position > ?"
        parameters: list[str | int] = [after]
        if phase is not None:
            statement += " AND phase = ?"
            parameters.append(phase)
        for label, value in labels.items():
            statement += (
                " AND position IN"
                " (SELECT position FROM catalog_labels WHERE label = ? AND value = ?)"
            )
            parameters += [label, value]
        rows = self._recorder.read(f"{statement} ORDER BY position LIMIT ?", [*parameters, limit])
        return [entry for (entry,) in rows]

    def clear(self) -> None:
        """Forget everything."""
        with self._recorder.transaction() as connection:
            for table in ("snapshots", "catalog", "catalog_labels", "tracking"):
                connection.execute(f"DELETE FROM {table}")


class ReadonlyDerived(MemoryDerived):
    """What a file opened for reading only offers: its snapshots, and a catalog of our own."""

    def __init__(self, recorder: SQLiteRecorder) -> None:
        super().__init__()
        self._file = SQLiteDerived(recorder)
        self._kept = bool(
            recorder.read("SELECT 1 FROM sqlite_master WHERE name = 'snapshots' AND type = 'table'")
        )

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the kept snapshot's version and bytes."""
        return self._file.snapshot(session_id) if self._kept else None

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot, in order."""
        return self._file.snapshot_ids() if self._kept else []
