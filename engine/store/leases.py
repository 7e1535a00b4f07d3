"""Leases: which engines are alive, as far as the others can know.

Invariants: a lease is no fact about any session and decides nothing by itself: it only says whom
not to disturb yet. What keeps a late owner out is the log, whose versions it no longer follows. All
of it can be lost without harm.
"""

from typing import NamedTuple, Protocol

from perdure.errors import StoreError
from perdure.store.sqlite.recorder import SQLiteRecorder


class Lease(NamedTuple):
    """An engine's epoch, the process that it lives in, and the time until which it is alive.

    ``expires_at`` is RFC 3339 in UTC with microseconds, so that texts compare as times do.
    """

    epoch: str
    holder: str
    expires_at: str


class Leases(Protocol):
    """Where leases are kept."""

    def put(self, lease: Lease, *, forget_before: str) -> None:
        """Keep the lease in place of the epoch's last; forget those that expired before then."""

    def find(self, epoch: str) -> Lease | None:
        """Return the epoch's lease, None where it has none."""

    def drop(self, epoch: str) -> None:
        """Forget the epoch's lease."""


class MemoryLeases:
    """Leases of the engines on one store in this process."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}

    def put(self, lease: Lease, *, forget_before: str) -> None:
        """Keep the lease in place of the epoch's last; forget those that expired before then."""
        for epoch, other in list(self._leases.items()):
            if other.expires_at < forget_before:
                self.drop(epoch)
        self._leases[lease.epoch] = lease

    def find(self, epoch: str) -> Lease | None:
        """Return the epoch's lease, None where it has none."""
        return self._leases.get(epoch)

    def drop(self, epoch: str) -> None:
        """Forget the epoch's lease."""
        self._leases.pop(epoch, None)


class SQLiteLeases:
    """Leases in the log's own file, in a table that may be dropped."""

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self._recorder = recorder

    def put(self, lease: Lease, *, forget_before: str) -> None:
        """Keep the lease in place of the epoch's last; forget those that expired before then."""
        with self._recorder.transaction() as connection:
            connection.execute("DELETE FROM leases WHERE expires_at < ?", (forget_before,))
            connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", lease)

    def find(self, epoch: str) -> Lease | None:
        """Return the epoch's lease, None where it has none."""
        try:
            rows = self._recorder.read(
                "SELECT epoch, holder, expires_at FROM leases WHERE epoch = ?", (epoch,)
            )
        except StoreError:
            if self._recorder.read("SELECT 1 FROM sqlite_schema WHERE name = 'leases'"):
                raise
            return None  # dropped, and a reader makes none
        return Lease(*rows[0]) if rows else None

    def drop(self, epoch: str) -> None:
        """Forget the epoch's lease."""
        with self._recorder.transaction() as connection:
            connection.execute("DELETE FROM leases WHERE epoch = ?", (epoch,))
