"""Derived data in the log's own SQLite file, in tables that may be dropped.

Invariants: catalog rows, their labels and the catalog's position are written in one transaction; a
file that is opened to be read is never written to.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from perdure.store.derived import CatalogRow
from perdure.store.memory import MemoryDerived
from perdure.store.sqlite.recorder import SQLiteRecorder

CATALOG: Final = "catalog"
"""The catalog's name in the tracking table."""

_VARIABLES_LIMIT: Final = 500


class SQLiteDerived:
    """Snapshots and the catalog in the recorder's file."""

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self._recorder = recorder

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the version and the bytes of the session's snapshot."""
        rows = self._recorder.read(
            "SELECT version, state FROM snapshots WHERE session_id = ?", (session_id,)
        )
        return rows[0] if rows else None

    def put_snapshot(self, session_id: str, version: int, state: bytes) -> None:
        """Keep the snapshot, unless there is one of a later version that the log does have."""
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
        """Return the position up to which the catalog was derived, 0 where it was not begun."""
        return self._recorder.max_tracking_id(CATALOG) or 0

    def catalog_entries(self, session_ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return the position and the entry of each of the sessions that is in the catalog."""
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
        """Write the rows and the position in one transaction, if the catalog is at ``expected``."""
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
            self._recorder.track(connection, CATALOG, position)
            return True

    def select_catalog(
        self, phase: str | None, labels: Mapping[str, str], after: int, limit: int
    ) -> list[bytes]:
        """Return the entries of the sessions that match, in the order of their positions."""
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
        """Delete all snapshots and the catalog, with its position."""
        with self._recorder.transaction() as connection:
            for table in ("snapshots", "catalog", "catalog_labels", "tracking"):
                connection.execute(f"DELETE FROM {table}")


class ReadonlyDerived(MemoryDerived):
    """The derived data of a file that is only read: its own snapshots, and a catalog in memory."""

    def __init__(self, recorder: SQLiteRecorder) -> None:
        super().__init__()
        self._file = SQLiteDerived(recorder)
        self._has_snapshots = bool(
            recorder.read("SELECT 1 FROM sqlite_master WHERE name = 'snapshots' AND type = 'table'")
        )

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the version and the bytes of the session's snapshot in the file."""
        return self._file.snapshot(session_id) if self._has_snapshots else None

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot in the file, in order."""
        return self._file.snapshot_ids() if self._has_snapshots else []
