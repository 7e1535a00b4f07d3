"""The thread of a blocking engine, and the event loop that it runs.

Invariants: a caller on another thread waits for the loop's result. Calls from this thread, by an
agent or the function that makes one, are refused, because they would wait for themselves; so are
calls in a forked process, where the thread does not exist. An interrupted wait ends its call. An
agent that raises SystemExit does not end the thread, and no caller waits longer than a grace period
for an agent that does not stop.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from perdure.errors import EngineClosed, StoreError, Unsupported
from perdure.runtime.settings import GRACE_SECONDS

_T = TypeVar("_T")

_LOGGER: Final = logging.getLogger("perdure")
_LOOK_UP_SECONDS: Final = 0.2
_LEAST_PATIENCE_SECONDS: Final = 1.0
"""The shortest wait for the thread to end, however short the grace period."""
_LOOP_FILES: Final = 3  # a selector, and two ends of a socket to wake it
_MOST_THREADS: Final = 1000
"""So many functions may block at once: agents' that wait for a verb leave threads for that verb."""


class _Call:
    """One verb that a thread waits for: its task, and the tasks of agents that run for it."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.agents: list[asyncio.Task[Any]] = []
        self.exit: BaseException | None = None
        self._over = False

    async def run(self, verb: Coroutine[Any, Any, _T]) -> _T:
        """Run the verb, and keep the SystemExit or KeyboardInterrupt of its agents."""
        self.task = asyncio.current_task()
        _CALL.set(self)
        try:
            return await verb
        finally:
            self._over = True
            exits = [_exit_of(agent) for agent in self.agents]
            self.exit = next((one for one in exits if one is not None), None)
            self.agents.clear()

    def add_agent(self, agent: asyncio.Task[Any]) -> None:
        """Add an agent's task, unless it runs for a loop that the verb has only started."""
        if not self._over:
            self.agents.append(agent)


_CALL: Final[ContextVar[_Call | None]] = ContextVar("perdure_call", default=None)


def run_as_agent() -> None:
    """Mark the running task as an agent's: its SystemExit is raised in the waiting thread."""
    call, task = _CALL.get(), asyncio.current_task()
    if call is not None and task is not None:
        call.add_agent(task)


def _check_files_left() -> None:
    """Refuse to make an event loop where its files cannot be opened: asyncio would leak some.

    Raises StoreError.
    """
    opened: list[int] = []
    try:
        for _ in range(_LOOP_FILES):
            opened.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401 - closed one by one
    except OSError as error:
        raise StoreError(f"an engine needs an event loop: {error.strerror}") from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


class Host:
    """A thread with an event loop, until it is stopped."""

    def __init__(self) -> None:
        _check_files_left()
        self.loop: Final = asyncio.new_event_loop()
        self.loop.set_default_executor(ThreadPoolExecutor(_MOST_THREADS, "asyncio"))
        self._process: Final = os.getpid()
        self._patience_seconds = GRACE_SECONDS
        self._ended: Final[asyncio.Future[None]] = self.loop.create_future()
        self._doing: Final[set[asyncio.Task[None]]] = set()
        self._stopping: Final = threading.RLock()  # a signal's handler may close it again
        self._stopped = False
        self._thread: Final = threading.Thread(target=self._run, name="perdure-sync", daemon=True)
        self._thread.start()

    def be_patient(self, grace_seconds: float) -> None:
        """Set how long to wait for agents that do not stop."""
        self._patience_seconds = max(grace_seconds, _LEAST_PATIENCE_SECONDS)

    @property
    def stopped(self) -> bool:
        """Whether it takes no more calls."""
        return self._stopped

    def is_ours(self) -> bool:
        """Whether this process started the thread, which a forked process does not have."""
        return os.getpid() == self._process

    def check_caller(self) -> None:
        """Raise Unsupported in a forked process and on this thread: both would wait for ever."""
        if not self.is_ours():
            raise Unsupported("this engine was opened by another process; open one here")
        if threading.current_thread() is self._thread:
            raise Unsupported(
                "an agent of a blocking engine runs on the engine's own thread, where its verbs "
                "cannot be waited for: ask the turn instead, or call from asyncio.to_thread"
            )

    # For other threads

    def wait(self, verb: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of the verb.

        Raises its errors, an agent's SystemExit or KeyboardInterrupt, EngineClosed, Unsupported.
        """
        try:
            self.check_caller()
        except Unsupported:
            verb.close()
            raise
        call = _Call()
        with self._stopping:
            if self._stopped:
                verb.close()
                raise EngineClosed("the engine is closed")
            waiting = asyncio.run_coroutine_threadsafe(call.run(verb), self.loop)
        try:
            result = _result_of(waiting)
        except concurrent.futures.CancelledError:
            verb.close()  # which may not have begun
            raise EngineClosed("the engine was closed during the call") from None
        except BaseException:
            if not waiting.done():  # it is the wait that was interrupted, as by Ctrl-C
                self._cancel(call)
                if not self._wait_until_settled(waiting):
                    _LOGGER.warning("the interrupted call goes on: an agent blocks the engine")
            raise
        if call.exit is not None:
            raise call.exit
        return result

    def later(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run work on the loop before any later verb; waits for nothing and takes no lock."""

        def begin() -> None:
            if not self._stopped:  # the loop's own end does the rest
                task = self.loop.create_task(work())
                self._doing.add(task)
                task.add_done_callback(self._doing.discard)

        if self.is_ours():
            with contextlib.suppress(RuntimeError):  # the loop has closed, and all has ended
                self.loop.call_soon_threadsafe(begin)

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Run a last verb, then end the thread. Raises the errors of the verb.

        While an agent blocks the thread, both are left to happen once it stops blocking.
        """
        with self._stopping:
            if self._stopped:  # by a signal's handler, just now
                last.close()
                return
            waiting = asyncio.run_coroutine_threadsafe(last, self.loop)
        try:
            settled = self._wait_until_settled(waiting)
        except BaseException:
            self.stop()
            raise
        if settled:
            self.stop()
            waiting.result()
        else:
            _LOGGER.warning("the engine closes later: an agent that blocks it was left behind")
            with self._stopping:
                self._stopped = True
            waiting.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self._end))

    def stop(self) -> None:
        """End the thread. Callers that still wait get EngineClosed.

        If an agent does not stop, the thread stays behind with it, for as long as that takes.
        """
        with self._stopping:
            self._stopped = True
            with contextlib.suppress(RuntimeError):  # it has ended
                self.loop.call_soon_threadsafe(self._end)
        if not _look_up_until(self._join, self._patience_seconds):
            _LOGGER.warning(
                "the engine is closed; agents that did not stop in time were left behind"
            )

    def _join(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _wait_until_settled(self, waiting: "concurrent.futures.Future[Any]") -> bool:
        """Wait until it is done, or the loop stays blocked too long; return whether it is done."""
        while not waiting.done():
            came_round = threading.Event()
            try:
                self.loop.call_soon_threadsafe(came_round.set)
            except RuntimeError:  # the loop has closed
                break
            if not _look_up_until(came_round.wait, self._patience_seconds):
                break
            concurrent.futures.wait([waiting], _LOOK_UP_SECONDS)
        return waiting.done()

    def _cancel(self, call: _Call) -> None:
        """Cancel the call's task, as soon as it has begun."""

        def cancel() -> None:
            if call.task is None:
                self.loop.call_soon(cancel)
            else:
                call.task.cancel()

        with contextlib.suppress(RuntimeError):  # the loop has closed, and all has ended
            self.loop.call_soon_threadsafe(cancel)

    # On the thread itself

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _run(self) -> None:
        """Run the loop until its end, then end its tasks, as `asyncio.run` does."""
        with contextlib.closing(self.loop) as loop:
            self._run_until(self._ended)
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._run_until(loop.create_task(_wait_for_all(tasks)))
            self._run_until(loop.create_task(loop.shutdown_asyncgens()))
            self._run_until(loop.create_task(loop.shutdown_default_executor()))

    def _run_until(self, done: asyncio.Future[None]) -> None:
        """Run the loop until the future is done, although an exception may leave the loop."""
        done.add_done_callback(lambda _: self.loop.stop())
        while not done.done():
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()


def _look_up_until(happened: Callable[[float], object], seconds: float) -> bool:
    """Wait for something, looking up now and then; return whether it happened in time.

    The main thread handles a signal that the system gives to another thread only when it runs
    again, which one long wait would put off.
    """
    give_up_at = time.monotonic() + seconds
    while not happened(_LOOK_UP_SECONDS):
        if time.monotonic() >= give_up_at:
            return False
    return True


def _result_of(waiting: "concurrent.futures.Future[_T]") -> _T:
    """Wait for the result, looking up now and then, for the same reason."""
    while True:
        try:
            return waiting.result(_LOOK_UP_SECONDS)
        except TimeoutError:
            if waiting.done():
                raise


def _exit_of(agent: asyncio.Task[Any]) -> BaseException | None:
    """Return the SystemExit or KeyboardInterrupt of an agent, None if it raised neither."""
    if not agent.done() or agent.cancelled():
        return None
    error = agent.exception()
    return error if isinstance(error, SystemExit | KeyboardInterrupt) else None


async def _wait_for_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks)
