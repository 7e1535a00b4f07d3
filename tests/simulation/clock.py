"""An event loop without a clock, threads or sockets: time and the order of things are drawn.

Invariants: the same seed and the same tasks lead to the same order, every time; time moves only
here; a callback that belongs to a process which has died is never called again.
"""

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import random
import weakref
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple

Given = TypeVarTuple("Given")
Told = TypeVar("Told")

LONGEST_TICK_SECONDS: Final = 0.0004
"""How long a callback may take, at most: long enough that some tasks lose their turn."""


MOST_TICKS: Final = 400_000
"""No run needs as many callbacks."""


class Crashed(BaseException):
    """The process ends here. Not an Exception: nothing that runs in it can handle this."""


class Stalled(Exception):
    """Nothing is left to run, and a task still waits."""


class Process:
    """A process: its tasks end with it, at any await."""

    def __init__(self, name: str, loop: "SimulatedLoop") -> None:
        self.name: Final = name
        self.alive = True
        self.paused = False
        self.parked: Final[list[asyncio.Handle]] = []
        self.context: Final = contextvars.copy_context()
        self.context.run(PROCESS.set, self)
        self._loop: Final = loop
        self.tasks: Final[weakref.WeakSet[asyncio.Task[Any]]] = weakref.WeakSet()

    def spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        """Start a task in this process."""
        return self._loop.create_task(coroutine, context=self.context.copy())

    def check(self) -> None:
        """Go on only while the process lives."""
        if not self.alive:
            raise Crashed

    def die(self) -> None:
        """End the process: nothing of it runs again, no clean-up either."""
        self.alive = False
        self._loop.bury(self)


PROCESS: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar(
    "PROCESS", default=None
)


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs ready callbacks in a drawn order, and jumps to the next timer where none is ready.

    Callbacks that became ready in one iteration run in any order; those they make ready, after
    them. A loop with real input and output allows the same orders, and no others.
    ``shuffled`` False keeps the order in which they became ready.
    """

    def __init__(self, chance: random.Random, *, shuffled: bool = True) -> None:
        super().__init__()
        self._chance: Final = chance
        self._shuffled: Final = shuffled
        self._time = 0.0
        self._batch: list[asyncio.Handle] = []
        self._graves: list[asyncio.Task[Any]] = []
        self._appointments: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers: Final = itertools.count()
        self.ticks = 0
        self._dead: Final[set[str]] = set()
        self._disposing = False
        self.complaints: list[str] = []
        self.slow_callback_duration = 1e9

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._time

    def _process_events(self, event_list: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        context = options.get("context")
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            options["name"] = process.name
        task = super().create_task(coro, **options)
        if process is not None:
            process.tasks.add(task)
            if not process.alive:
                self._graves.append(task)
        return task

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Given], Told], *args: *Given
    ) -> asyncio.Future[Told]:
        """Do a thread's work here, a little later, and tell of it a little later than that."""
        future: asyncio.Future[Told] = self.create_future()
        self.call_later(self._latency(), self._work, future, func, args)
        return future

    def _work(self, future: asyncio.Future[Any], func: Callable[..., Any], args: Any) -> None:
        try:
            result, error = func(*args), None
        except Crashed:
            return
        except BaseException as raised:  # noqa: BLE001 - as a thread pool does
            result, error = None, raised
        self.call_later(self._latency(), _settle, future, result, error)

    def _latency(self) -> float:
        return 0.0 if self._chance.random() < 0.5 else self._chance.uniform(0.0001, 0.02)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        process = PROCESS.get()
        error = context.get("exception")
        if isinstance(error, Crashed) or (process is not None and not process.alive):
            return
        task = context.get("future") or context.get("task")
        if isinstance(task, asyncio.Task) and task.get_name() in self._dead:
            return  # no task was left to look at it
        self.complaints.append(f"{context.get('message')}: {error!r}")

    def _asyncgen_finalizer_hook(self, generator: AsyncGenerator[Any]) -> None:
        process = PROCESS.get()
        if not self._disposing and (process is None or process.alive):
            super()._asyncgen_finalizer_hook(generator)  # type: ignore[misc]

    def _run_once(self) -> None:
        while True:
            handle = self._next()
            if handle is None:
                return
            process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if handle._cancelled or (process is not None and not process.alive):
                continue
            if process is None or not process.paused:
                break
            process.parked.append(handle)
        self.ticks += 1
        if self.ticks > MOST_TICKS:
            raise Stalled("it goes round in circles")
        while self._appointments and self._appointments[0][0] <= self.ticks:
            heapq.heappop(self._appointments)[2]()
        self._time += self._chance.random() * LONGEST_TICK_SECONDS
        if process is None or process.alive:
            handle._run()

    def _next(self) -> asyncio.Handle | None:
        """Return the callback that runs next; None only while the loop is being stopped."""
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        ready = self._ready  # type: ignore[attr-defined]
        if not self._batch:
            while scheduled and scheduled[0]._cancelled:
                self._forget(heapq.heappop(scheduled))
            if not ready and scheduled:
                self._time = max(self._time, scheduled[0]._when)  # type: ignore[attr-defined]
            while scheduled and scheduled[0]._when <= self._time:  # type: ignore[attr-defined]
                handle = heapq.heappop(scheduled)
                if handle._cancelled:
                    self._forget(handle)
                else:
                    handle._scheduled = False  # type: ignore[attr-defined]
                    ready.append(handle)
            self._batch = list(ready)
            ready.clear()
            if self._shuffled:
                self._chance.shuffle(self._batch)
            self._batch.reverse()
        if self._batch:
            return self._batch.pop()
        if self._stopping:  # type: ignore[attr-defined]
            return None
        raise Stalled("nothing is left to run")

    def _forget(self, handle: Any) -> None:
        handle._scheduled = False
        self._timer_cancelled_count -= 1  # type: ignore[attr-defined]

    # For the simulation

    def appoint(self, ticks: int, what: Callable[[], None]) -> None:
        """Call back between two callbacks, that many from now."""
        heapq.heappush(self._appointments, (self.ticks + ticks, next(self._numbers), what))

    def pause(self, process: Process, seconds: float) -> None:
        """Let nothing of a process run for a while, as if its machine had stopped."""
        process.paused = True
        self.call_later(seconds, self._resume, process)

    def _resume(self, process: Process) -> None:
        process.paused = False
        for handle in process.parked:
            self._ready.append(handle)  # type: ignore[attr-defined]
        process.parked.clear()

    def bury(self, process: Process) -> None:
        """Keep a dead process's tasks as they are, so that nothing in them is run by accident."""
        self._dead.add(process.name)
        self._graves += [task for task in process.tasks if not task.done()]

    def dispose(self) -> None:
        """Close everything at the very end, and suppress the errors of dead tasks."""
        self._disposing = True
        for task in asyncio.all_tasks(self):
            if task not in self._graves:
                self._graves.append(task)
        for task in self._graves:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            for _ in range(8):  # those that wait once more while they are being closed
                with contextlib.suppress(BaseException):
                    coroutine.close()
                    break
        self._graves.clear()
        self._batch.clear()
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.close()


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
