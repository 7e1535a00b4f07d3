"""Leases in the log's own SQLite file, in a table that may be dropped.

Invariants: times are the callers' clocks, since SQLite has none of its own; engines on one machine
share it.
"""

from datetime import datetime, timedelta
from typing import Final

from perdure.errors import StoreError
from perdure.store.leases import LONGEST_LEASE_SECONDS, Lease, instant
from perdure.store.sqlite.recorder import SQLiteRecorder

LONGEST: Final = timedelta(seconds=LONGEST_LEASE_SECONDS)


class SQLiteLeases:
    """Leases in the recorder's file."""

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self._recorder = recorder

    def put(
        self, epoch: str, holder: str, *, now: datetime, seconds: float, forget_seconds: float
    ) -> None:
        """Keep a lease that expires ``seconds`` from now, in place of the epoch's last one."""
        expires_at = instant(now + timedelta(seconds=seconds))
        forgotten = instant(now - timedelta(seconds=forget_seconds))
        with self._recorder.transaction() as connection:
            connection.execute("DELETE FROM leases WHERE expires_at < ?", (forgotten,))
            connection.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (epoch, holder, expires_at)
            )

    def find(self, epoch: str, *, now: datetime) -> Lease | None:
        """Return the epoch's lease, None where it has none."""
        try:
            rows = self._recorder.read(
                "SELECT holder, expires_at <= ? OR expires_at > ? FROM leases WHERE epoch = ?",
                (instant(now), instant(now + LONGEST), epoch),
            )
        except StoreError:
            if self._recorder.read("SELECT 1 FROM sqlite_schema WHERE name = 'leases'"):
                raise
            return None  # the table was dropped, and a reader does not create it
        return Lease(rows[0][0], bool(rows[0][1])) if rows else None

    def drop(self, epoch: str) -> None:
        """Forget the epoch's lease."""
        with self._recorder.transaction() as connection:
            connection.execute("DELETE FROM leases WHERE epoch = ?", (epoch,))
