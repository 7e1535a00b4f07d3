"""Turn admission in one engine: which turns may run.

Invariants: one claim of a session at a time, and no queue of claims; no more claims at once than
the engine's capacity; once the engine shuts down no turn is admitted. The phase of a session's
admission is that of its machine.
"""

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from perdure.errors import AtCapacity, EngineClosed, IllegalTransition, SessionBusy
from perdure.machines import Authority
from perdure.machines.builtin.admission import ADMISSION

_AUTHORITY: Final = Authority(ADMISSION)


class Claim:
    """The right to run one turn of a session; returned by `release`, or at the end of a block.

    ``in_use`` says that a turn was begun with it; that turn, of ``run_id``, then returns it.
    """

    def __init__(self, session_id: str, give_back: Callable[["Claim"], None]) -> None:
        self.session_id: Final = session_id
        self.in_use = False
        self.run_id: str | None = None
        self._give_back: Final = give_back
        self._standing = _AUTHORITY.fire(_AUTHORITY.initial, "claim", (), session_id)

    def fire(self, verb: str) -> None:
        """Move the session's admission. Raises IllegalTransition if its machine refuses."""
        self._standing = _AUTHORITY.fire(self._standing, verb, (), self.session_id)

    @property
    def phase(self) -> str:
        """The phase of the session's admission."""
        return self._standing.phase

    def release(self) -> None:
        """Return the right; do nothing while a turn uses it. Safe to call again."""
        if self.in_use:
            return
        for verb in ("abort_claim", "resolve", "finalise"):
            try:
                self.fire(verb)
            except IllegalTransition:
                continue
        self._give_back(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class Admission:
    """The claims of one engine. ``capacity`` None sets no limit."""

    def __init__(self, capacity: int | None = None) -> None:
        self._capacity: Final = capacity
        self._claims: Final[dict[str, Claim]] = {}
        self._closing = False
        self._empty: Final = asyncio.Event()
        self._empty.set()

    def check(self, session_id: str) -> None:
        """Refuse a turn of the session, also one that was run outside and needs no claim.

        Raises SessionBusy if the session is claimed, EngineClosed once the engine shuts down.
        """
        if self._closing:
            raise EngineClosed("the engine is shutting down and admits no more turns")
        if session_id in self._claims:
            raise self.busy(session_id)

    def busy(self, session_id: str) -> SessionBusy:
        """Return the refusal of a turn, which names the run of the claim that is in its way."""
        claim = self._claims.get(session_id)
        return SessionBusy(session_id, None if claim is None else claim.run_id)

    def claim(self, session_id: str) -> Claim:
        """Return the right to run a turn of the session.

        Raises SessionBusy if the session is claimed, AtCapacity if too many sessions are,
        EngineClosed once the engine shuts down.
        """
        self.check(session_id)
        if self._capacity is not None and len(self._claims) >= self._capacity:
            raise AtCapacity(self._capacity)
        claim = Claim(session_id, self._take_back)
        self._claims[session_id] = claim
        self._empty.clear()
        return claim

    def note_interrupt_request(self, session_id: str) -> None:
        """Note that the turn of a claim was asked to end, if its machine allows it."""
        claim = self._claims.get(session_id)
        if claim is not None:
            with contextlib.suppress(IllegalTransition):
                claim.fire("request_interrupt")

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is still the session's."""
        return self._claims.get(claim.session_id) is claim

    @property
    def active(self) -> int:
        """How many claims there are."""
        return len(self._claims)

    async def shut_down(self, grace_seconds: float) -> bool:
        """Admit no more turns, release unused claims, and wait for running turns.

        Returns whether all turns ended within the grace period.
        """
        self._closing = True
        for claim in list(self._claims.values()):
            claim.fire("request_shutdown")
            if not claim.in_use:
                claim.release()
        try:
            # Not `wait_for`: before Python 3.12 it may lose a cancellation.
            async with asyncio.timeout(grace_seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def wait_until_empty(self) -> None:
        """Wait until no turn runs, or is about to."""
        await self._empty.wait()

    def _take_back(self, claim: Claim) -> None:
        if self.holds(claim):
            del self._claims[claim.session_id]
            if not self._claims:
                self._empty.set()
