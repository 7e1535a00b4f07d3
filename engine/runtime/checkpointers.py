"""Checkpointers: automatic checkpoints, on a policy, through a gate for each session.

Invariants: a checkpoint is taken only while the session's gate is armed; a session in which nothing
happened is skipped; archiving closes the gate for good. A checkpoint that fails delays no turn and
fails none: it is logged, and taken with a later one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from engine.aggregates import (
    Landed,
    RunCancelled,
    RunCompleted,
    RunFailed,
    SessionEvent,
    TurnApplied,
)
from engine.errors import IllegalTransition, PerdureError
from engine.machines import Authority, Configuration
from engine.machines.gate import GATE
from engine.runtime.arguments import checked_limit, checked_seconds

_LOGGER: Final = logging.getLogger("perdure")
_AUTHORITY: Final = Authority(GATE)
_TURN_ENDS: Final = (TurnApplied, RunCompleted, RunFailed, RunCancelled)


class CheckpointPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a session is checkpointed by itself; whichever comes first, None for never.

    ``turns`` that ended and ``message_bytes`` that landed are counted since the last checkpoint;
    ``seconds`` pass from the first of either. What a turn lands at its boundaries counts as it
    lands, so a long one is checkpointed while it runs.
    """

    turns: int | None = None
    message_bytes: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing. Raises InvalidArgument."""
        checked_limit(self.turns, "turns")
        checked_limit(self.message_bytes, "message_bytes")
        if self.seconds is not None:
            checked_seconds(self.seconds, "seconds")


class _Session:
    """What was recorded since the last checkpoint, and the gate.

    ``overdue`` says that a checkpoint was due while the gate was not armed.
    """

    __slots__ = ("gate", "message_bytes", "overdue", "timer", "turns")

    def __init__(self, gate: Configuration) -> None:
        self.gate = gate
        self.turns = 0
        self.message_bytes = 0
        self.overdue = False
        self.timer: asyncio.TimerHandle | None = None

    def start_over(self) -> None:
        self.turns = self.message_bytes = 0
        self.overdue = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Checkpointers:
    """The checkpointers of one engine; ``take`` records a checkpoint of a session."""

    def __init__(
        self, policy: CheckpointPolicy | None, take: Callable[[str], Awaitable[object]]
    ) -> None:
        self._policy: Final = policy
        self._take: Final = take
        self._new_gate: Configuration = _AUTHORITY.initial
        self._sessions: Final[dict[str, _Session]] = {}
        self._taking: Final[set[asyncio.Task[None]]] = set()

    def landed(self, session_id: str, events: Iterable[SessionEvent]) -> None:
        """Count what was recorded of turns and messages; take a checkpoint if one is due."""
        policy = self._policy
        if policy is None:
            return
        session = self._of(session_id)
        counts = False
        for event in events:
            if isinstance(event, Landed):
                session.message_bytes += len(event.messages)
                counts = True
            if isinstance(event, _TURN_ENDS):
                session.turns += 1
                counts = True
        if not counts:
            return
        if (policy.turns is not None and session.turns >= policy.turns) or (
            policy.message_bytes is not None and session.message_bytes >= policy.message_bytes
        ):
            self._due(session_id)
        elif policy.seconds is not None and session.timer is None and not session.overdue:
            loop = asyncio.get_running_loop()
            session.timer = loop.call_later(policy.seconds, self._due, session_id)

    def may_write(self, session_id: str) -> bool:
        """Whether the session's gate is armed."""
        return "write" in _AUTHORITY.allowed(self._of(session_id).gate)

    def cancel_all(self) -> None:
        """Let no session be checkpointed by itself until rearmed."""
        self._fire_all("cancel")

    def rearm_all(self) -> None:
        """Let every session be checkpointed by itself again, but for those archived.

        What was due meanwhile is taken now.
        """
        self._fire_all("rearm")
        for session_id, session in list(self._sessions.items()):
            if session.overdue:
                self._due(session_id)

    def close(self, session_id: str) -> None:
        """Never checkpoint the session again: it is archived."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.start_over()

    async def stop(self) -> None:
        """Take no more, and wait for those being taken."""
        for session in self._sessions.values():
            session.start_over()
        if self._taking:
            await asyncio.wait(self._taking)

    def _of(self, session_id: str) -> _Session:
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _Session(self._new_gate)
        return session

    def _fire_all(self, verb: str) -> None:
        """Move every gate, those of sessions to come too."""
        self._new_gate = _AUTHORITY.fire(self._new_gate, verb)
        for session in self._sessions.values():
            if verb in _AUTHORITY.allowed(session.gate):
                session.gate = _AUTHORITY.fire(session.gate, verb)

    def _due(self, session_id: str) -> None:
        session = self._of(session_id)
        if not self.may_write(session_id):
            session.overdue = True
            if session.timer is not None:
                session.timer.cancel()  # if it has not fired
                session.timer = None
            return
        self._sessions.pop(session_id).start_over()  # its gate is as a new one's would be
        task = asyncio.ensure_future(self._taken(session_id))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _taken(self, session_id: str) -> None:
        try:
            await self._take(session_id)
        except IllegalTransition:
            pass  # it ended meanwhile, and nothing is recorded of it any more
        except PerdureError as error:
            _LOGGER.warning("session %r was not checkpointed by itself: %s", session_id, error)
