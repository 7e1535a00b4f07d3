"""Runtime loops: a session is kept alive by running its queued input through its agent.

Invariants: one loop a session and one turn at a time; a loop never spins: it sleeps until a process
records something of its session, or until a failed turn may be tried again; stopping a loop ends
its turn as any interrupted turn ends.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple

from perdure.errors import (
    AtCapacity,
    CallsUnresolved,
    EngineClosed,
    IllegalTransition,
    NoAgent,
    PerdureError,
    SessionBusy,
)
from perdure.store.recorder import EventPlace
from perdure.values import Cancelled, Terminal

_LOGGER: Final = logging.getLogger("perdure")

TROUBLE_SECONDS: Final = (0.05, 5.0)
"""The first and the longest wait of a loop after an error of the store."""

LONGEST_RETRY_SECONDS: Final = 60.0
MOST_ATTEMPTS: Final = 3
"""So many turns try to answer what has landed: as often as an input is staged."""

BUSY_DELAY_SECONDS: Final = 0.05
OWNER_SECONDS: Final = 1.0
"""How often a loop that waits for another engine's turn checks that the turn still runs."""


class Backoff:
    """Ever longer waits, until a reset."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first: Final = first_seconds
        self._longest: Final = max(first_seconds, longest_seconds)
        self._next = first_seconds

    async def wait(self) -> None:
        """Wait, and longer the next time."""
        waiting, self._next = self._next, min(2 * self._next, self._longest)
        await asyncio.sleep(waiting)

    def reset(self) -> None:
        """Begin with the shortest wait again."""
        self._next = self._first


class Drained(NamedTuple):
    """The end of a turn that a loop has run.

    ``version`` is where its end is recorded, if it was interrupted. ``retries`` says that it failed
    and that its inputs are to be tried again; ``goes_on``, that it failed recoverably behind a
    boundary, so that its request is in the conversation without an answer.
    """

    terminal: Terminal
    version: int
    retries: bool
    goes_on: bool = False


Drain = Callable[[str, Sequence[str]], Awaitable[Drained]]
"""Runs one turn of a session on these inputs."""


class ToDo(NamedTuple):
    """The work of a session at a version: its queued inputs, and whether to run a turn now.

    ``busy`` says that another engine runs a turn of the session; its end may go unnoticed.
    """

    version: int
    input_ids: tuple[str, ...]
    ready: bool
    busy: bool = False


Finding = Callable[[str], Awaitable[ToDo | None]]
"""Finds the work of a session, None once it takes no more turns."""


_NOT_INTERRUPTED: Final[tuple[int, frozenset[str]]] = (0, frozenset())
"""No version that a turn was interrupted at, with the inputs that it had."""


class _Loop:
    """One session's loop."""

    def __init__(
        self,
        session_id: str,
        to_do: Finding,
        drain: Drain,
        *,
        look_again_seconds: float,
        retry_seconds: float,
    ) -> None:
        self.state: Literal["waiting", "running"] = "waiting"
        self.task: Final = asyncio.create_task(self._run(), name=f"perdure-loop-{session_id}")
        self._session_id: Final = session_id
        self._to_do: Final = to_do
        self._drain: Final = drain
        self._look_again_seconds: Final = look_again_seconds
        self._woken: Final = asyncio.Event()
        self._told: float = 0
        self._failures: Final = Backoff(retry_seconds, LONGEST_RETRY_SECONDS)
        self._trouble: Final = Backoff(*TROUBLE_SECONDS)
        self._interrupted = _NOT_INTERRUPTED
        self._attempts = 0

    def wake(self, version: float = math.inf) -> None:
        """Look for work, if the loop has not seen this version of the session yet.

        Without a version the news is nothing recorded, and an interrupted turn may run again.
        """
        if version == math.inf:
            self._interrupted = _NOT_INTERRUPTED
        self._told = max(self._told, version)
        self._woken.set()

    async def _run(self) -> None:
        while True:
            self._told = 0  # the next look finds all news so far
            try:
                found = await self._to_do(self._session_id)
                if found is None:
                    return
                goes_on = self._attempts > 0 and not found.busy
                runs = goes_on or (found.ready and not self._was_interrupted(found))
                seen = await self._run_turn(found) if runs else found.version
            except EngineClosed:
                return
            except PerdureError as error:
                _LOGGER.warning(
                    "the loop of session %r could not look: %s", self._session_id, error
                )
                await self._trouble.wait()
                continue
            if seen is not None:
                await self._wait_for_news(seen, self._patience(found))

    def _patience(self, found: ToDo) -> float:
        """Return after how many seconds to look again without news."""
        longest = self._look_again_seconds
        return min(OWNER_SECONDS, longest) if found.busy else longest

    async def _wait_for_news(self, seen: int, seconds: float) -> None:
        """Wait for news after a version, or until it is time to look again."""
        # Not `wait_for`: before Python 3.12 it loses a cancellation that comes as it is woken.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._told <= seen:
                    self._woken.clear()
                    await self._woken.wait()

    def _was_interrupted(self, found: ToDo) -> bool:
        """Whether the turn that could run was interrupted, and nothing is new since."""
        ended_at, input_ids = self._interrupted
        return found.version <= ended_at and input_ids.issuperset(found.input_ids)

    async def _run_turn(self, found: ToDo) -> int | None:
        """Run a turn; return the version up to which nothing is a reason to run another.

        None means to look again at once. A refused turn has recorded nothing, so the version is
        that of the work found.
        """
        self.state = "running"
        try:
            drained = await self._drain(self._session_id, found.input_ids)
        except (CallsUnresolved, NoAgent, IllegalTransition):
            self._attempts = 0
            return found.version
        except (SessionBusy, AtCapacity):
            await asyncio.sleep(BUSY_DELAY_SECONDS)
            return None
        except EngineClosed:
            raise
        except PerdureError as error:
            _LOGGER.warning("a turn of session %r was not recorded: %s", self._session_id, error)
            await self._trouble.wait()
            return None
        finally:
            self.state = "waiting"
        self._trouble.reset()
        self._attempts = self._attempts + 1 if drained.goes_on else 0
        if drained.goes_on and self._attempts == MOST_ATTEMPTS:
            self._attempts = 0
        elif drained.retries or drained.goes_on:
            await self._failures.wait()
            return None
        self._failures.reset()
        if isinstance(drained.terminal, Cancelled):
            self._interrupted = drained.version, frozenset(found.input_ids)
        return None


class Loops:
    """The runtime loops of one engine.

    - ``to_do`` finds the work of a session.
    - ``drain`` runs one turn.
    - ``newest`` is the log's newest position.
    - ``follow`` yields the places of events after a position.
    - ``look_again_seconds``: a loop without news looks again after so long, as an owner may be gone
      by then.
    - ``retry_seconds``: a loop waits so long after a failed turn, and twice as long each time.
    """

    def __init__(
        self,
        to_do: Finding,
        drain: Drain,
        newest: Callable[[], int],
        follow: Callable[[int], AsyncGenerator[Sequence[EventPlace], None]],
        *,
        look_again_seconds: float,
        retry_seconds: float,
    ) -> None:
        self._to_do: Final = to_do
        self._drain: Final = drain
        self._newest: Final = newest
        self._follow: Final = follow
        self._look_again_seconds: Final = look_again_seconds
        self._retry_seconds: Final = retry_seconds
        self._loops: Final[dict[str, _Loop]] = {}
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._ending = False
        self._following: asyncio.Task[None] | None = None

    def start(self, session_id: str) -> None:
        """Start the session's loop, unless it has one that is not being stopped.

        Raises EngineClosed after `start_no_more`.
        """
        if self._ending:
            raise EngineClosed("the engine is shutting down and starts no more loops")
        if self._following is None or self._following.done():
            # The position is taken here, before the loop looks for the first time.
            self._following = asyncio.create_task(self._wake_by_the_log(self._newest()))
        loop = self._loops.get(session_id)
        if loop is None or loop.task.done() or loop.task.cancelling():
            loop = _Loop(
                session_id,
                self._to_do,
                self._drain,
                look_again_seconds=self._look_again_seconds,
                retry_seconds=self._retry_seconds,
            )
            self._loops[session_id] = loop
            self._tasks.add(loop.task)
            loop.task.add_done_callback(lambda task: self._forget_loop(session_id, task))

    def state(self, session_id: str) -> Literal["none", "waiting", "running"]:
        """Return the state of the session's loop."""
        loop = self._loops.get(session_id)
        return "none" if loop is None or loop.task.done() else loop.state

    async def stop(self, session_id: str) -> bool:
        """Stop the session's loop, interrupting its turn; return whether there was one."""
        loop = self._loops.get(session_id)
        if loop is None or loop.task.done():
            return False
        loop.task.cancel()
        await asyncio.wait({loop.task})
        return True

    def start_no_more(self) -> None:
        """Start no more loops; running loops are stopped later."""
        self._ending = True

    async def stop_all(self) -> None:
        """Stop every loop, for good."""
        self.start_no_more()
        tasks = set(self._tasks)
        if self._following is not None:
            tasks.add(self._following)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget_loop(self, session_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOGGER.error("the loop of session %r broke", session_id, exc_info=task.exception())
        loop = self._loops.get(session_id)
        if loop is not None and loop.task is task:
            del self._loops[session_id]
        if not self._loops and self._following is not None:
            self._following.cancel()
            self._following = None

    def wake(self, session_id: str, version: float = math.inf) -> None:
        """Let the session's loop look for work, if it has one."""
        loop = self._loops.get(session_id)
        if loop is not None:
            loop.wake(version)

    async def _wake_by_the_log(self, position: int) -> None:
        """Wake the loops of the sessions of new events; an error is logged and retried."""
        while True:
            try:
                async with contextlib.aclosing(self._follow(position)) as following:
                    async for places in following:
                        for _, session_id, version in places:
                            self.wake(session_id, version)
                        position = places[-1][0]
            except EngineClosed:
                return
            except PerdureError as error:
                _LOGGER.warning("the log was not followed for a moment: %s", error)
                await asyncio.sleep(BUSY_DELAY_SECONDS)
            else:
                return
