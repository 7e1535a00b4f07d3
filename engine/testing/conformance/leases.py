"""Leases: kept, renewed, expired, forgotten; and a late owner, which the log keeps out.

Invariants: every time is later than the one before and none is waited for, so a storage that goes
by a clock of its own passes as well.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from perdure.errors import StaleWriter
from perdure.store import Lease
from perdure.testing.conformance.part import ConformancePart, check, check_equal, rows

_HOUR = 3600.0


class LeaseConformance(ConformancePart):
    """The leases that a store keeps."""

    def test_a_lease_is_found_until_it_expires(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            now = datetime.now(UTC)
            check_equal(store.leases.find("a", now=now), None, "a lease that was never put")
            store.leases.put("a", "holder a", now=now, seconds=_HOUR, forget_seconds=_HOUR)
            store.leases.put("b", "holder b", now=now, seconds=0, forget_seconds=_HOUR)
            found = store.leases.find("a", now=now)
            check_equal(found, Lease("holder a", expired=False), "a lease of an hour")
            found = store.leases.find("b", now=now)
            check_equal(found, Lease("holder b", expired=True), "a lease at its last moment")

    def test_a_renewed_lease_takes_the_place_of_the_last(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            now = datetime.now(UTC)
            store.leases.put("a", "first", now=now, seconds=0, forget_seconds=_HOUR)
            store.leases.put("a", "second", now=now, seconds=_HOUR, forget_seconds=_HOUR)
            found = store.leases.find("a", now=now)
            check_equal(found, Lease("second", expired=False), "the renewed lease")

    def test_only_leases_that_expired_long_ago_are_forgotten(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            now = datetime.now(UTC)
            later = now + timedelta(seconds=1)
            for epoch, seconds in (("old", 0), ("alive", _HOUR)):
                store.leases.put(epoch, "h", now=now, seconds=seconds, forget_seconds=_HOUR)
            store.leases.put("new", "h", now=later, seconds=_HOUR, forget_seconds=_HOUR)
            found = store.leases.find("old", now=later)
            check_equal(found, Lease("h", expired=True), "a lease that expired just now")
            store.leases.put("new", "h", now=later, seconds=_HOUR, forget_seconds=0)
            check_equal(store.leases.find("old", now=later), None, "a lease expired long ago")
            for epoch in ("alive", "new"):
                found = store.leases.find(epoch, now=later)
                check_equal(found, Lease("h", expired=False), f"the lease {epoch!r}")

    def test_a_lease_that_was_given_up_is_gone(self, tmp_path: Path) -> None:
        with self.opened(tmp_path) as store:
            now = datetime.now(UTC)
            for epoch in ("a", "b"):
                store.leases.put(epoch, "h", now=now, seconds=_HOUR, forget_seconds=_HOUR)
            store.leases.drop("a")
            store.leases.drop("a")
            store.leases.drop("never there")
            check_equal(store.leases.find("a", now=now), None, "the lease that was dropped")
            found = store.leases.find("b", now=now)
            check_equal(found, Lease("h", expired=False), "the other lease")

    def test_the_log_keeps_out_an_owner_that_is_late(self, tmp_path: Path) -> None:
        """An owner whose lease expired finds its session moved on, lease or no lease."""
        with self.opened(tmp_path) as store:
            now = datetime.now(UTC)
            store.leases.put("slow", "h", now=now, seconds=0, forget_seconds=_HOUR)
            self.append(store, "s", 1)
            self.append(store, "s", 2)  # by the next owner, which closed the first one's run
            store.leases.put("slow", "h", now=now, seconds=_HOUR, forget_seconds=_HOUR)
            (late,) = self.commit(store, rows("s", 2, state=b"late"))
            check(isinstance(late, StaleWriter), f"a late commit is no StaleWriter: {late!r}")
            states = [row.state for row in store.recorder.select_rows("s", after=1)]
            check(states == [row.state for row in rows("s", 2)], f"version 2 is now {states}")
