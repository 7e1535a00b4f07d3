"""Leases: a sign of life that an engine renews while it runs turns, for other engines to look at.

Invariants: a lease is no fact about a session and decides nothing by itself; it tells others not to
close a run yet. An owner that is too late is kept out by the log, whose versions its commit no
longer follows. All leases can be lost without harm.
"""

from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

LONGEST_LEASE_SECONDS: Final = 3600.0
"""No lease is longer. One that seems to be was put by a clock that is or was ahead, so it says
nothing: it counts as expired."""


class Lease(NamedTuple):
    """The lease of an epoch as it was found: the process that holds it, and whether it expired."""

    holder: str
    expired: bool


class Leases(Protocol):
    """The leases of all engines on one store, by epoch. Members raise StoreError and EngineClosed.

    ``now`` is the caller's clock, an aware datetime. A storage with a clock of its own, such as a
    server, goes by that one and ignores ``now``: several machines then need not agree on the time.
    """

    def put(
        self, epoch: str, holder: str, *, now: datetime, seconds: float, forget_seconds: float
    ) -> None:
        """Keep a lease that expires ``seconds`` from now, in place of the epoch's last one.

        Forget every lease that expired more than ``forget_seconds`` ago.
        """

    def find(self, epoch: str, *, now: datetime) -> Lease | None:
        """Return the epoch's lease, None where it has none. A lease expires at its last moment.

        One that would expire later than `LONGEST_LEASE_SECONDS` from now counts as expired.
        """

    def drop(self, epoch: str) -> None:
        """Forget the epoch's lease; do nothing where it has none."""


def instant(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC with microseconds, so that texts compare as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
