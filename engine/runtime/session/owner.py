"""Ownership: which runs are this engine's, and which have an owner that is gone.

Invariants: an engine has one epoch for its lifetime, recorded with each run it begins; it holds a
lease before its first run and renews the lease while any run is in flight. An owner whose process
is known to live is not gone while it holds a lease, whatever the clocks say. A run whose owner is
gone is closed by the next engine that writes to its session. If the owner was only slow, the log
refuses its late commit, because the run is no longer current.
"""

import asyncio
import functools
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from perdure.errors import PerdureError
from perdure.runtime.cancellation import finish, result_of
from perdure.runtime.environment import Environment
from perdure.store import Store

_LOGGER: Final = logging.getLogger("perdure")

FORGOTTEN_SECONDS: Final = 24 * 3600.0
"""How long after its expiry the lease of another engine is deleted, if that engine never gave it
up. Expiry is judged by our clock, which may be wrong: a wrong time zone is at most 14 hours
off. An engine that lives all the same puts its lease again at its next renewal."""


_HERE: Final[weakref.WeakValueDictionary[str, "Ownership"]] = weakref.WeakValueDictionary()
"""The owners in this process by their epochs; one that was dropped unclosed is gone."""


class Ownership:
    """One engine's epoch and its lease."""

    def __init__(self, store: Store, environment: Environment, lease_seconds: float) -> None:
        self._store: Final = store
        self._environment: Final = environment
        self._lease_seconds: Final = lease_seconds
        self._loop: Final = asyncio.get_running_loop()
        self._renew_at: float | None = None
        self._in_flight = 0
        self._renewal: asyncio.Task[None] | None = None

    @functools.cached_property
    def epoch(self) -> str:
        """The engine's epoch, minted when it is first needed."""
        epoch = self._environment.new_id()
        _HERE[epoch] = self
        return epoch

    @asynccontextmanager
    async def hold_lease(self) -> AsyncIterator[None]:
        """Hold the lease for as long as a run is in flight. Raises StoreError."""
        if self._renew_at is None or self._loop.time() >= self._renew_at:
            await self._renew()
        self._in_flight += 1
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._keep_renewing())
        try:
            yield
        finally:
            self._in_flight -= 1

    async def is_gone(self, epoch: str) -> bool:
        """Whether no engine lives under this epoch any more, as far as can be known.

        Without a lease it is gone. With one, a process that is known to live or to have ended
        decides; only of any other does the time decide at which the lease expires.
        """
        if epoch == self.epoch:
            return False
        lease = await asyncio.to_thread(self._store.leases.find, epoch, now=self._environment.now())
        if lease is None or self._environment.is_dead(lease.holder):
            return True
        if lease.holder == self._environment.holder() and not _lives_here(epoch):
            return True
        return lease.expired and not self._environment.is_alive(lease.holder)

    async def release(self) -> None:
        """Give the lease up, if it was ever held, so that it need not expire."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.cancel()
            await asyncio.wait({renewal})  # a lease that it is putting is put first
        if self._renew_at is not None:
            self._renew_at = None
            try:
                await asyncio.to_thread(self._store.leases.drop, self.epoch)
            except PerdureError as error:
                _LOGGER.warning("the lease of epoch %s was not given up: %s", self.epoch, error)

    async def _renew(self) -> None:
        # Finished although cancelled: its thread goes on, and a lease put later would stay behind.
        putting, held = await finish(
            asyncio.to_thread(
                self._store.leases.put,
                self.epoch,
                self._environment.holder(),
                now=self._environment.now(),
                seconds=self._lease_seconds,
                forget_seconds=FORGOTTEN_SECONDS,
            )
        )
        if putting.exception() is None:
            self._renew_at = self._loop.time() + self._lease_seconds / 2
        result_of(putting, held)

    @property
    def loop_closed(self) -> bool:
        """Whether the event loop that renewed the lease has ended."""
        return self._loop.is_closed()

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if not self._in_flight:
                continue
            try:
                await self._renew()
            except PerdureError as error:
                _LOGGER.warning("the lease of epoch %s was not renewed: %s", self.epoch, error)


def _lives_here(epoch: str) -> bool:
    """Whether the owner of the epoch is an engine of this process which may still go on."""
    owner = _HERE.get(epoch)
    return owner is not None and not owner.loop_closed
