"""Derived data: snapshots and the catalog, kept beside the log to save reading it again.

Invariants: nothing here is authority; all of it can be cleared at any time and rebuilt from the
log; catalog entries and the position they were derived up to are written together.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class CatalogRow(NamedTuple):
    """One session in the catalog.

    - ``position``: the position of the session's first event, which never changes.
    - ``labels``: the names and values that `Derived.select_catalog` finds the session by.
    - ``entry``: bytes to give back as they are.
    - ``gone``: labels of the session's last row that it does not have any more.
    """

    session_id: str
    position: int
    phase: str
    labels: Mapping[str, str]
    entry: bytes
    gone: Mapping[str, str] = {}


class Derived(Protocol):
    """The derived data of a store. Every member may be called from any thread but the event loop's.

    Members raise StoreError where the storage fails, and EngineClosed after the store was closed.
    """

    def snapshot(self, session_id: str) -> tuple[int, bytes] | None:
        """Return the version and the bytes of the session's snapshot, None where there is none."""

    def put_snapshot(self, session_id: str, version: int, state: bytes) -> None:
        """Keep the snapshot, unless there is one of a later version that the log does have.

        One of a version beyond the end of the session's log is replaced: the log cannot have led
        to it.
        """

    def snapshot_ids(self) -> list[str]:
        """Return the ids of all sessions with a snapshot, in order."""

    def catalog_position(self) -> int:
        """Return the position up to which the catalog was derived, 0 where it was not begun."""

    def catalog_entries(self, session_ids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Return the position and the entry of each of the sessions that is in the catalog."""

    def put_catalog(self, expected: int, position: int, rows: Sequence[CatalogRow]) -> bool:
        """Write the rows and the position in one transaction, if the catalog is at ``expected``.

        Returns whether it was; otherwise nothing was written.
        """

    def select_catalog(
        self, phase: str | None, labels: Mapping[str, str], after: int, limit: int
    ) -> list[bytes]:
        """Return the entries of the sessions that match, in the order of their positions.

        - ``phase``: the phase to be in, None for any.
        - ``labels``: the names and values to have, all of them.
        - ``after``: the position behind which to begin.
        - ``limit``: how many entries to return at most; all where it is negative.
        """

    def clear(self) -> None:
        """Delete all snapshots and the catalog, with its position."""
