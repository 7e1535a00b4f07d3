"""The same engine, blocking: every verb of `engine.Engine`, for programs without an event loop.

Invariants: there is no second implementation; each call runs the asynchronous verb on an event loop
in a thread of its own and waits for it. What runs on that thread (an agent, what makes one) is
refused here, because it would wait for itself, and so is what a fork inherits, where that thread
is not. A wait that is interrupted ends what it waits for. A subscription is ended wherever the
garbage collector drops it, so its end waits for nothing and takes no lock.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from engine.errors import EngineClosed, Unsupported
from engine.machines import Token
from engine.runtime import Engine as AsyncEngine
from engine.runtime.agents import Builder
from engine.runtime.checkpointers import CheckpointPolicy
from engine.runtime.control import Control as AsyncControl
from engine.runtime.environment import Environment
from engine.runtime.living import RuntimeAdapter as AsyncRuntimeAdapter
from engine.runtime.reading import Start
from engine.runtime.settings import GRACE_SECONDS, LEASE_SECONDS, RETRY_SECONDS
from engine.store import Durability

_P = ParamSpec("_P")
_S_co = TypeVar("_S_co", covariant=True)
_T = TypeVar("_T")

_LOOK_UP_SECONDS = 0.2
_Begun = list[asyncio.Task[Any] | None]


class _Blocking(Generic[_S_co]):
    """What stands in for something asynchronous, ``_engine``, and waits for its verbs."""

    _engine: _S_co

    def _wait(self, verb: Coroutine[Any, Any, _T]) -> _T:
        raise NotImplementedError


def _blocking(
    verb: Callable[Concatenate[_S_co, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_Blocking[_S_co], _P], _T]:
    """Return the verb as a method that waits for its result."""

    def method(self: _Blocking[_S_co], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return self._wait(verb(self._engine, *args, **kwargs))

    method.__name__ = verb.__name__
    method.__qualname__ = verb.__qualname__
    method.__doc__ = verb.__doc__
    return method


class _Part(_Blocking[_S_co]):
    """A part of an engine, which waits as the engine does."""

    def __init__(self, part: _S_co, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._engine = part
        self._waiting = wait

    def _wait(self, verb: Coroutine[Any, Any, _T]) -> _T:
        outcome: _T = self._waiting(verb)
        return outcome


class RuntimeAdapter(_Part[AsyncRuntimeAdapter]):
    """One engine's control for the machine that owns its sessions; see `Engine.runtime_adapter`."""

    @property
    def authority(self) -> Token:
        """The token that the machine's verbs need."""
        return self._engine.authority

    take = _blocking(AsyncRuntimeAdapter.take)
    give_back = _blocking(AsyncRuntimeAdapter.give_back)
    interrupt = _blocking(AsyncRuntimeAdapter.interrupt)
    cancel_after_boundary = _blocking(AsyncRuntimeAdapter.cancel_after_boundary)


class Control(_Part[AsyncControl]):
    """One engine's control plane, blocking; have it as ``engine.control``."""

    ingest = _blocking(AsyncControl.ingest)
    retire = _blocking(AsyncControl.retire)
    stop = _blocking(AsyncControl.stop)
    recycle = _blocking(AsyncControl.recycle)
    reset = _blocking(AsyncControl.reset)
    recover = _blocking(AsyncControl.recover)
    destroy = _blocking(AsyncControl.destroy)
    runtime_state = _blocking(AsyncControl.runtime_state)
    load_boundary_receipt = _blocking(AsyncControl.load_boundary_receipt)
    publish_event = _blocking(AsyncControl.publish_event)


class Engine(_Blocking[AsyncEngine]):
    """Sessions of agents, for blocking programs; see `engine.Engine` for every verb.

    May be used from several threads. Use it as ``with Engine.open(url) as engine``.
    """

    def __init__(self, opening: Callable[[], Coroutine[Any, Any, AsyncEngine]]) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="perdure-sync", daemon=True)
        self._thread.start()
        self._closing = threading.Lock()
        self._stopping = threading.Lock()
        self._stopped = False
        self._sharing = threading.Lock()
        self._adapter: weakref.ref[RuntimeAdapter] | None = None
        self._endings: set[asyncio.Task[None]] = set()
        try:
            self._engine = self._wait(opening())
        except BaseException:
            self._stop()
            raise

    @classmethod
    def open(
        cls,
        url: str,
        *,
        durability: Durability = "full",
        environment: Environment | None = None,
        busy_timeout_seconds: float = 5.0,
        readonly: bool = False,
        agents: Builder | None = None,
        max_active: int | None = None,
        lease_seconds: float = LEASE_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
        checkpoints: CheckpointPolicy | None = None,
    ) -> Self:
        """Open an engine now; parameters and errors are those of `engine.Engine.open`."""

        async def opening() -> AsyncEngine:
            engine: AsyncEngine = await AsyncEngine.open(
                url,
                durability=durability,
                environment=environment,
                busy_timeout_seconds=busy_timeout_seconds,
                readonly=readonly,
                agents=agents,
                max_active=max_active,
                lease_seconds=lease_seconds,
                grace_seconds=grace_seconds,
                retry_seconds=retry_seconds,
                checkpoints=checkpoints,
            )
            return engine

        return cls(opening)

    @property
    def supports_persistent_sessions(self) -> bool:
        """Whether sessions outlive the process."""
        return self._engine.supports_persistent_sessions

    @property
    def control(self) -> Control:
        """The control plane: what a runtime asks of sessions, answered with reports."""
        return Control(self._engine.control, self._wait)

    register = _blocking(AsyncEngine.register)
    ingest = _blocking(AsyncEngine.ingest)
    inputs = _blocking(AsyncEngine.inputs)
    supersede_input = _blocking(AsyncEngine.supersede_input)
    coalesce_inputs = _blocking(AsyncEngine.coalesce_inputs)
    abandon_input = _blocking(AsyncEngine.abandon_input)
    open_calls = _blocking(AsyncEngine.open_calls)
    stage_tool_results = _blocking(AsyncEngine.stage_tool_results)
    abandon_call = _blocking(AsyncEngine.abandon_call)
    stage_tool_filter = _blocking(AsyncEngine.stage_tool_filter)
    publish = _blocking(AsyncEngine.publish)
    fork = _blocking(AsyncEngine.fork)
    join_mob = _blocking(AsyncEngine.join_mob)
    leave_mob = _blocking(AsyncEngine.leave_mob)
    belongs_to_mob = _blocking(AsyncEngine.belongs_to_mob)
    archive_mob = _blocking(AsyncEngine.archive_mob)
    load_persisted = _blocking(AsyncEngine.load_persisted)
    record_turn = _blocking(AsyncEngine.record_turn)
    attach = _blocking(AsyncEngine.attach)
    detach = _blocking(AsyncEngine.detach)
    reserve = _blocking(AsyncEngine.reserve)
    release = _blocking(AsyncEngine.release)
    apply_turn = _blocking(AsyncEngine.apply_turn)
    interrupt = _blocking(AsyncEngine.interrupt)
    cancel_after_boundary = _blocking(AsyncEngine.cancel_after_boundary)
    keep_alive = _blocking(AsyncEngine.keep_alive)
    stop_loop = _blocking(AsyncEngine.stop_loop)
    cancel_all_checkpointers = _blocking(AsyncEngine.cancel_all_checkpointers)
    rearm_all_checkpointers = _blocking(AsyncEngine.rearm_all_checkpointers)
    checkpoint_committed = _blocking(AsyncEngine.checkpoint_committed)
    execution_snapshot = _blocking(AsyncEngine.execution_snapshot)
    tool_scope_snapshot = _blocking(AsyncEngine.tool_scope_snapshot)
    external_tool_surface_snapshot = _blocking(AsyncEngine.external_tool_surface_snapshot)
    peer_ingress_snapshot = _blocking(AsyncEngine.peer_ingress_snapshot)
    append_context = _blocking(AsyncEngine.append_context)
    stage_context = _blocking(AsyncEngine.stage_context)
    checkpoint = _blocking(AsyncEngine.checkpoint)
    retire = _blocking(AsyncEngine.retire)
    archive = _blocking(AsyncEngine.archive)
    read = _blocking(AsyncEngine.read)
    list = _blocking(AsyncEngine.list)
    history = _blocking(AsyncEngine.history)
    receipts = _blocking(AsyncEngine.receipts)
    load_receipt = _blocking(AsyncEngine.load_receipt)
    as_of = _blocking(AsyncEngine.as_of)
    head = _blocking(AsyncEngine.head)
    audit = _blocking(AsyncEngine.audit)
    discard_live = _blocking(AsyncEngine.discard_live)

    def runtime_adapter(self) -> RuntimeAdapter:  # noqa: D102 - the asynchronous verb's, below
        theirs = self._wait(self._engine.runtime_adapter())
        with self._sharing:
            adapter = None if self._adapter is None else self._adapter()
            if adapter is None:
                adapter = RuntimeAdapter(theirs, self._wait)
                self._adapter = weakref.ref(adapter)
            return adapter

    runtime_adapter.__doc__ = AsyncEngine.runtime_adapter.__doc__

    def subscribe(
        self,
        session_id: str | None = None,
        after: Start = 0,
        *,
        mob: str | None = None,
        live: bool = False,
    ) -> Iterator[Any]:
        """Return recorded events from after a position, more awaited until the engine closes.

        See `engine.Engine.subscribe`.
        """

        async def begin() -> AsyncIterator[Any]:
            return self._engine.subscribe(session_id, after=after, mob=mob, live=live)

        return self._delivered(self._wait(begin()))

    def _delivered(self, source: AsyncIterator[Any]) -> Iterator[Any]:
        async def following(source: AsyncIterator[Any]) -> Any:
            return await anext(source, None)

        try:
            with contextlib.suppress(EngineClosed):  # in the meantime: that ends it too
                while (delivery := self._wait(following(source))) is not None:
                    yield delivery
        finally:
            self._end_source(source)

    def _end_source(self, source: Any) -> None:
        """Have a subscription's source closed on the loop, before any verb called later."""

        def end() -> None:
            if not self._stopped:  # the loop's own end closes it
                ending = self._loop.create_task(source.aclose())
                self._endings.add(ending)
                ending.add_done_callback(self._endings.discard)

        if self._is_ours():
            with contextlib.suppress(RuntimeError):  # the loop has closed, and closed it too
                self._loop.call_soon_threadsafe(end)

    def close(self) -> None:
        """Settle what was submitted, then release the database. Safe to call again."""
        self._check_caller()
        with self._closing:
            if not self._stopped:
                try:
                    self._wait(self._engine.close())
                finally:
                    self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_ours():  # a fork that leaves its parent's block has nothing to close
            self.close()

    def _is_ours(self) -> bool:
        """Whether this process opened the engine: its thread does not live on in a fork."""
        return os.getpid() == self._process

    def _check_caller(self) -> None:
        """Refuse who would wait for ever: a fork, and the engine's own thread."""
        if not self._is_ours():
            raise Unsupported("this engine was opened by another process; open one here")
        if threading.current_thread() is self._thread:
            raise Unsupported(
                "an agent of a blocking engine runs on the engine's own thread, where its verbs "
                "cannot be waited for: ask the turn instead, or call from asyncio.to_thread"
            )

    def _wait(self, verb: Coroutine[Any, Any, _T]) -> _T:
        try:
            self._check_caller()
        except Unsupported:
            verb.close()
            raise
        running: _Begun = []
        with self._stopping:
            if self._stopped:
                verb.close()
                raise EngineClosed("the engine is closed")
            waiting = asyncio.run_coroutine_threadsafe(_held(verb, running), self._loop)
        try:
            return _result_of(waiting)
        except concurrent.futures.CancelledError:
            verb.close()  # which may not have begun
            raise EngineClosed("the engine was closed meanwhile") from None
        except BaseException:
            if not waiting.done():  # it is the wait that was interrupted, as by Ctrl-C
                self._end(running)
                concurrent.futures.wait([waiting])
            raise

    def _end(self, running: _Begun) -> None:
        """Cancel what is waited for, as soon as it has begun."""

        def cancel() -> None:
            if not running:
                self._loop.call_soon(cancel)
            elif running[0] is not None:
                running[0].cancel()

        with contextlib.suppress(RuntimeError):  # the loop has closed, and all has ended
            self._loop.call_soon_threadsafe(cancel)

    def _stop(self) -> None:
        """End the loop's thread. What is still waiting then ends with EngineClosed."""
        with self._stopping:
            self._stopped = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        """Run the loop until it is stopped, then end what it runs, as `asyncio.run` does."""
        with contextlib.closing(self._loop) as loop:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())


def _result_of(waiting: "concurrent.futures.Future[_T]") -> _T:
    """Wait for the result, looking up now and then.

    A signal that the system hands to another thread is handled by the main one when it next runs,
    which a wait without an end would put off for ever.
    """
    while True:
        try:
            return waiting.result(_LOOK_UP_SECONDS)
        except TimeoutError:
            if waiting.done():
                raise


async def _held(verb: Coroutine[Any, Any, _T], running: _Begun) -> _T:
    """Run a verb, and say in which task."""
    running.append(asyncio.current_task())
    return await verb
