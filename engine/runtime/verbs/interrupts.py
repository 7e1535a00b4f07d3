"""The verbs by which turns that run are ended: now, or after their next boundary.

Invariants: a turn of this engine is ended at once, and one of another engine by a recorded request,
which its owner notices; a session whose control belongs to the machine, and a turn that began while
it did, are interrupted with this engine's own token or not at all.
"""

import asyncio
import contextlib
from typing import Final, Literal

from perdure.aggregates import RequestInterrupt
from perdure.errors import AuthorityRequired, PerdureError, SessionNotRunning
from perdure.machines import Token
from perdure.runtime.arguments import optional_text
from perdure.runtime.environment import Environment
from perdure.runtime.settings import Settings
from perdure.runtime.turn.live_turn import LiveTurn
from perdure.runtime.verbs.calls import Working
from perdure.store import Store
from perdure.values import checked_id

WATCH_SECONDS: Final = 0.1
"""How soon a turn notices that another process asked for its end."""


class Ending(Working):
    """The side of an engine that ends turns."""

    def __init__(self, store: Store, environment: Environment, settings: Settings) -> None:
        super().__init__(store, environment, settings)
        self._machine_owned: Final[set[str]] = set()
        self._authority: Final = Token()
        self._grace_seconds: Final = settings.grace_seconds
        self._turns: Final[dict[str, LiveTurn]] = {}
        self._watching: asyncio.Task[None] | None = None

    async def interrupt(
        self, session_id: str, *, reason: str | None = None, authority: Token | None = None
    ) -> None:
        """End the session's turn now, and return once its end is recorded.

        A turn that another engine runs is asked to end, on the record and without the reason; it
        notices within a moment, which is not waited for. What the turn had landed stays. Raises
        SessionNotFound, SessionNotRunning, AuthorityRequired for a session whose control belongs to
        the machine.
        """
        reason = optional_text(reason)
        turn = self._controlled(session_id, authority)
        live = self._live.get(session_id)
        if turn is None and live.turn:
            async with live.lock:  # until it has begun, or was refused
                pass
            turn = self._controlled(session_id, authority)
        if turn is None:
            await self._ask_to_end(session_id, "interrupt", authority)
            return
        self._admission.interrupt_requested(session_id)
        in_time = not turn.over
        turn.interrupt(reason)
        await turn.ended()
        if not in_time or turn.terminal is None:
            # It was over before, or somebody had closed its run: another engine's turn may run.
            with contextlib.suppress(SessionNotRunning):
                await self._ask_to_end(session_id, "interrupt", authority)

    async def cancel_after_boundary(
        self, session_id: str, *, authority: Token | None = None
    ) -> None:
        """Ask for the session's turn to end once its next boundary has landed.

        Recorded, and noticed wherever the turn runs. Raises as `interrupt` does.
        """
        turn = self._controlled(session_id, authority)
        await self._ask_to_end(session_id, "cancel_after_boundary", authority)
        if turn is not None:
            turn.scope.request()

    # How a turn is ended

    def _controlled(self, session_id: str, authority: Token | None) -> LiveTurn | None:
        """Return the turn that this engine runs, for who may control it."""
        self._check_open()
        name = checked_id(session_id, "session_id")
        turn = self._turns.get(name)
        owned = name in self._machine_owned or (turn is not None and turn.machine_owned)
        if authority is not None and authority is not self._authority:
            raise AuthorityRequired(
                "the authority given is not the token of this engine's runtime adapter",
                session_id=name,
            )
        if authority is None and owned:
            raise AuthorityRequired(
                f"the control of session {name!r} belongs to the machine: its token is needed",
                session_id=name,
            )
        return turn

    async def _ask_to_end(
        self,
        session_id: str,
        mode: Literal["interrupt", "cancel_after_boundary"],
        authority: Token | None,
    ) -> None:
        written = await self._write(
            session_id,
            RequestInterrupt(
                now=self._now(), mode=mode, by="caller" if authority is None else "authority"
            ),
        )
        if written.folded.state.work.run is None:
            raise SessionNotRunning(f"session {session_id!r} runs no turn", session_id=session_id)

    def _watch(self) -> None:
        """Look after the turns that run, until none does."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch_turns())

    async def _watch_turns(self) -> None:
        """Notice what other processes ask of the turns that run here."""
        while self._turns:
            await asyncio.sleep(WATCH_SECONDS)
            for session_id, turn in list(self._turns.items()):
                live = self._live.get(session_id)
                if live.lock.locked():
                    continue
                with contextlib.suppress(PerdureError):  # the turn will meet what is wrong
                    if not self._live.is_current(live):
                        await self._live.read(session_id)
                run = live.folded.state.work.run
                if run is None or run.id != turn.run_id:
                    turn.interrupt("another engine closed the run")
                elif run.interrupt == "interrupt":
                    turn.interrupt("asked from elsewhere")
                elif run.interrupt is not None:
                    turn.scope.request()

    async def _drain(self) -> None:
        """Admit no more turns; interrupt those that do not end in time."""
        if not await self._admission.shut_down(self._grace_seconds):
            for turn in self._turns.values():
                turn.interrupt("the engine is closing")
            await self._admission.emptied()  # those too that are only beginning: they end at once
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})

    def _run_closed(self, session_id: str) -> None:
        turn = self._turns.get(session_id)
        if turn is not None:
            turn.closed = True
            turn.interrupt()
