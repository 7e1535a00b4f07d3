"""The core of an engine: the parts that its verbs share, and the small checks they begin with.

Invariants: there is one core for each open engine, and every verb is a function of it; the core
knows no verb, so the verbs that loops and checkpointers call are given to it.
"""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from perdure.aggregates import SessionEvent
from perdure.errors import (
    Conflict,
    EngineClosed,
    InvalidArgument,
    NoAgent,
    SessionNotFound,
    Unsupported,
)
from perdure.machines import Token
from perdure.projections.catalog import SessionView
from perdure.projections.rows import event_at
from perdure.projections.snapshots import Folded
from perdure.runtime.arguments import checked_count
from perdure.runtime.environment import Environment
from perdure.runtime.session.cache import SessionCache
from perdure.runtime.session.checkpointers import Checkpointers
from perdure.runtime.session.commit import Writer
from perdure.runtime.session.owner import Ownership
from perdure.runtime.settings import Settings
from perdure.runtime.turn.admission import Admission
from perdure.runtime.turn.agent import Agent
from perdure.runtime.turn.running_turn import RunningTurn
from perdure.runtime.watch.keep_alive import Drained, Loops, ToDo
from perdure.runtime.watch.streams import Streams
from perdure.runtime.watch.subscriptions import EventFeed, places
from perdure.store import Mapper, Store
from perdure.values import checked_id

Start = int | Literal["end"]
"""A position in the store, 0 for its beginning; or its end, as it is at the time of asking."""


class Core:
    """The shared parts of one engine.

    The three functions are verbs that parts of the core call by themselves:

    - ``take_checkpoint`` records a checkpoint of a session, for a checkpointer;
    - ``find_work`` finds the next work of a session, for its loop;
    - ``run_queued`` runs one turn on queued inputs, for a loop.
    """

    def __init__(
        self,
        store: Store,
        environment: Environment,
        settings: Settings,
        *,
        take_checkpoint: "Callable[[Core, str], Awaitable[object]]",
        find_work: "Callable[[Core, str], Awaitable[ToDo | None]]",
        run_queued: "Callable[[Core, str, Sequence[str]], Awaitable[Drained]]",
    ) -> None:
        self.store: Final = store
        self.environment: Final = environment
        self.mapper: Final = Mapper()
        self.sessions: Final = SessionCache(store, self.mapper)
        self.streams: Final = Streams()
        self.event_loop: Final = asyncio.get_running_loop()
        self.closed = False
        self.feeds: Final[weakref.WeakSet[EventFeed]] = weakref.WeakSet()
        self.ownership: Final = Ownership(store, environment, settings.lease_seconds)
        self.admission: Final = Admission(settings.max_active)
        self.checkpointers: Final = Checkpointers(
            settings.checkpoints, lambda session_id: take_checkpoint(self, session_id)
        )
        self.call_shapes: Final = settings.call_shapes
        self.writer: Final = Writer(
            store,
            self.mapper,
            self.sessions,
            self.checkpointers.count_landed,
            contention_seconds=settings.contention_seconds,
            call_shapes=self.call_shapes,
        )
        self.builder: Final = settings.agents
        self.agents: Final[dict[str, Agent]] = {}
        # Called first in the task of each turn's agent; a blocking engine notes the task.
        self.agent_starts: Callable[[], None] = _do_nothing
        self.turns: Final[dict[str, RunningTurn]] = {}
        self.turn_watch: asyncio.Task[None] | None = None
        self.max_inputs: Final = settings.max_inputs
        self.grace_seconds: Final = settings.grace_seconds
        self.machine_owned: Final[set[str]] = set()
        self.authority: Final = Token()
        self.adapter: weakref.ref[Any] | None = None
        self.retry_seconds: Final = settings.retry_seconds
        self.loops: Final = Loops(
            lambda session_id: find_work(self, session_id),
            lambda session_id, input_ids: run_queued(self, session_id, input_ids),
            lambda: self.position("end"),
            lambda after: places(store.recorder, after, lambda: self.closed),
            look_again_seconds=settings.lease_seconds,
            retry_seconds=settings.retry_seconds,
        )

    def check_open(self) -> None:
        """Raise EngineClosed if the engine is closed, Unsupported in another event loop."""
        if self.closed:
            raise EngineClosed("the engine is closed")
        self.check_event_loop()

    def check_event_loop(self) -> None:
        """Raise Unsupported in another event loop than the engine was opened in."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self.event_loop:
            raise Unsupported(
                "the engine belongs to the event loop that it was opened in, and this is another: "
                "open one in each, or use perdure.sync from threads"
            )

    def check_known(self, session_id: str) -> str:
        """Return the id of a session that exists, as `checked_id` does."""
        self.check_open()
        name = checked_id(session_id, "session_id")
        if self.store.recorder.last_version(name) is None:
            raise SessionNotFound(name)
        return name

    def check_agent(self, session_id: str) -> None:
        """Raise NoAgent where the session has no agent and the engine can make none."""
        if session_id not in self.agents and self.builder is None:
            raise NoAgent(session_id)

    def now(self) -> str:
        """Return the time, as the log writes it."""
        return self.environment.timestamp()

    def new_or_checked(self, given: str | None, what: str) -> str:
        """Return the given id as `checked_id` does, or a new one where none is given."""
        return self.environment.new_id() if given is None else checked_id(given, what)

    def position(self, after: Start) -> int:
        """Return a position in the store as a number.

        Raises InvalidArgument for one beyond the log's end: it is of another log, or of this one
        before it was restored to an earlier state, and events would be passed over in silence.
        """
        end = self.store.recorder.settled_position()
        if after == "end":
            return end
        checked_count(after, "after", other="'end'")
        if after > end:
            raise InvalidArgument(
                f"after is {after}, beyond the end of the log at {end}: the position is of another "
                "log, or of this one before it was restored",
                parameter="after",
                position=after,
                end=end,
            )
        return after

    async def event(self, session_id: str, version: int) -> SessionEvent:
        """Return one recorded event. Raises LogCorrupt unless it follows the one before it."""
        return await asyncio.to_thread(
            event_at, self.store.recorder, self.mapper, session_id, version
        )

    async def is_ownerless(self, session_id: str, epoch: str) -> bool:
        """Whether no process drives the session's run, which was begun under this epoch."""
        if self.sessions.drives(session_id):
            return False
        return epoch == self.ownership.epoch or await self.ownership.is_gone(epoch)

    async def with_owner(self, view: SessionView) -> SessionView:
        """Return the view, ``ownerless`` where the session's run has lost its owner."""
        if view.owner is None or not await self.is_ownerless(view.id, view.owner):
            return view
        return msgspec.structs.replace(view, ownerless=True)


def known(folded: Folded) -> Folded:
    """Return the fold of a session that exists. Raises SessionNotFound for an empty one."""
    if not folded.state.version:
        raise SessionNotFound(folded.state.id)
    return folded


def conflict(session_id: str, what: str, key: str) -> Conflict:
    """Return the refusal of a key that is known with other content."""
    return Conflict(
        f"session {session_id!r} has recorded the {what} {key!r} with other content",
        session_id=session_id,
        key=key,
    )


def _do_nothing() -> None:
    """Do nothing."""
