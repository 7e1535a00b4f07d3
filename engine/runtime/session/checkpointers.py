"""Checkpointers: automatic checkpoints, on a policy, through a gate for each session.

Invariants: a checkpoint is taken only while the session's gate is armed; a session in which nothing
happened is skipped; the gate of a session that has ended is closed for good, and its count is
dropped; a stopped checkpointer begins nothing. A checkpoint that fails delays no turn and fails no
turn: it is logged, and taken with a later one.
"""

import asyncio
import collections
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from perdure.aggregates import (
    Landed,
    RunCancelled,
    RunCompleted,
    RunFailed,
    SessionCheckpointed,
    SessionEvent,
    TurnApplied,
)
from perdure.errors import EngineClosed, IllegalTransition, PerdureError
from perdure.machines import Authority, Configuration
from perdure.machines.builtin.checkpointer_gate import GATE
from perdure.runtime.arguments import checked_limit, checked_seconds

_LOGGER: Final = logging.getLogger("perdure")
_AUTHORITY: Final = Authority(GATE)
_TURN_ENDS: Final = (TurnApplied, RunCompleted, RunFailed, RunCancelled)

MAX_COUNTED: Final = 4096
"""Sessions counted at once; the least recently used lose their count."""


class CheckpointPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When the engine checkpoints a session by itself: at the first limit reached, None for none.

    - ``turns``: so many turns have ended since the last checkpoint.
    - ``message_bytes``: messages of so many bytes have landed since then. Boundaries of a running
      turn count as they land, so a long turn is checkpointed while it runs.
    - ``seconds``: so much time has passed since the first of either.
    """

    turns: int | None = None
    message_bytes: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Raise InvalidArgument for a value without meaning."""
        checked_limit(self.turns, "turns")
        checked_limit(self.message_bytes, "message_bytes")
        if self.seconds is not None:
            checked_seconds(self.seconds, "seconds")


class _SinceCheckpoint:
    """The counts of one session since its last checkpoint, and its gate."""

    __slots__ = ("gate", "message_bytes", "timer", "turns")

    def __init__(self, gate: Configuration) -> None:
        self.gate = gate
        self.turns = 0
        self.message_bytes = 0
        self.timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def fire(self, verb: str) -> bool:
        """Move the gate; return whether its machine allows that."""
        if verb not in _AUTHORITY.allowed(self.gate):
            return False
        self.gate = _AUTHORITY.fire(self.gate, verb)
        return True


class Checkpointers:
    """The checkpointers of one engine; ``take`` records a checkpoint of a session.

    A session is counted until a checkpoint is due. Then the checkpoint is taken and the count
    dropped, or the session is overdue if its gate is not armed.
    """

    def __init__(
        self, policy: CheckpointPolicy | None, take: Callable[[str], Awaitable[object]]
    ) -> None:
        self._policy: Final = policy
        self._take: Final = take
        self._new_gate: Configuration = _AUTHORITY.initial
        self._counted: Final[collections.OrderedDict[str, _SinceCheckpoint]] = (
            collections.OrderedDict()
        )
        self._overdue: Final[dict[str, _SinceCheckpoint]] = {}
        self._taking: Final[set[asyncio.Task[None]]] = set()
        self._stopped = False

    def count_landed(self, session_id: str, events: Iterable[SessionEvent]) -> None:
        """Count the turns and messages of recorded events; take a checkpoint if one is due.

        Any checkpoint, also one that a caller took, begins the count anew.
        """
        policy = self._policy
        if policy is None or self._stopped:
            return
        turns = message_bytes = 0
        counts = False
        for event in events:
            if isinstance(event, SessionCheckpointed):
                self._forget(session_id)
            if isinstance(event, Landed):
                message_bytes += len(event.messages)
                counts = True
            if isinstance(event, _TURN_ENDS):
                turns += 1
                counts = True
        if not counts or session_id in self._overdue:
            return
        session = self._of(session_id, policy)
        session.turns += turns
        session.message_bytes += message_bytes
        if (policy.turns is not None and session.turns >= policy.turns) or (
            policy.message_bytes is not None and session.message_bytes >= policy.message_bytes
        ):
            self._due(session_id)
        elif policy.seconds is not None and session.timer is None:
            loop = asyncio.get_running_loop()
            session.timer = loop.call_later(policy.seconds, self._due, session_id)

    def cancel_all(self) -> None:
        """Checkpoint no session by itself until `rearm_all`."""
        self._fire_all("cancel")

    def rearm_all(self) -> None:
        """Checkpoint sessions by themselves again, except those that have ended.

        Checkpoints that fell due in between are taken now.
        """
        self._fire_all("rearm")
        for session_id in list(self._overdue):
            self._write(session_id, self._overdue.pop(session_id))

    def close(self, session_id: str) -> None:
        """Never checkpoint the session again: it has ended, and nothing more lands in it."""
        for session in self._forget(session_id):
            session.fire("close")

    async def stop(self) -> None:
        """Take no more checkpoints, and wait for those that are being taken."""
        self._stopped = True
        for session in self._counted.values():
            session.stop_timer()
        self._counted.clear()
        self._overdue.clear()
        if self._taking:
            await asyncio.wait(self._taking)

    def _forget(self, session_id: str) -> list[_SinceCheckpoint]:
        """Stop counting the session; return its counts, current and overdue."""
        found = [held.pop(session_id, None) for held in (self._counted, self._overdue)]
        sessions = [session for session in found if session is not None]
        for session in sessions:
            session.stop_timer()
        return sessions

    def _of(self, session_id: str, policy: CheckpointPolicy) -> _SinceCheckpoint:
        session = self._counted.get(session_id)
        if session is None:
            # With timers, only sessions that landed something within those seconds are counted.
            if policy.seconds is None and len(self._counted) >= MAX_COUNTED:
                self._counted.popitem(last=False)
            session = self._counted[session_id] = _SinceCheckpoint(self._new_gate)
        else:
            self._counted.move_to_end(session_id)
        return session

    def _fire_all(self, verb: str) -> None:
        """Move every gate, also those of later sessions."""
        self._new_gate = _AUTHORITY.fire(self._new_gate, verb)
        for held in (self._counted, self._overdue):
            for session in held.values():
                session.fire(verb)

    def _due(self, session_id: str) -> None:
        session = self._counted.pop(session_id)
        session.stop_timer()  # if it has not fired
        self._write(session_id, session)

    def _write(self, session_id: str, session: _SinceCheckpoint) -> None:
        """Take a checkpoint through the session's gate, or once the gate is armed again."""
        if not session.fire("write"):
            self._overdue[session_id] = session
            return
        task = asyncio.ensure_future(self._take_checkpoint(session_id))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take_checkpoint(self, session_id: str) -> None:
        try:
            await self._take(session_id)
        except (IllegalTransition, EngineClosed):
            pass  # the session or the engine has ended since, and nothing more is recorded
        except PerdureError as error:
            _LOGGER.warning("session %r was not checkpointed by itself: %s", session_id, error)
