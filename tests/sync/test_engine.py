"""The blocking engine: the same verbs, from any thread, and nothing left running."""

import asyncio
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, get_overloads, get_type_hints

import pytest

from perdure import (
    AtCapacity,
    AuthorityRequired,
    Cancelled,
    Completed,
    Delivery,
    EngineClosed,
    InvalidArgument,
    LiveEvent,
    Missed,
    PerdureError,
    SessionBusy,
    SessionNotFound,
    SessionNotRunning,
    StoreError,
    Unsupported,
)
from perdure import Engine as AsyncEngine
from perdure.runtime.adapter import RuntimeAdapter as AsyncRuntimeAdapter
from perdure.runtime.control import Control as AsyncControl
from perdure.runtime.turn.admission import Claim
from perdure.runtime.turn.agent import EchoAgent
from perdure.sync import Control, Engine, Reservation, RuntimeAdapter, Subscription
from perdure.sync.subscribing import Source
from tests.support.processes import message
from tests.support.sessions import receipt_of


def public(kind: type) -> dict[str, object]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def positions_of(source: Subscription[Delivery]) -> list[int]:
    return [one.position for one in source]


def parameters(verb: Any) -> list[tuple[str, object, object]]:
    found = inspect.signature(verb).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


def test_the_blocking_engine_has_every_verb_with_the_same_parameters() -> None:
    ours, theirs = public(Engine), public(AsyncEngine)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"open", "supports_persistent_sessions", "control"}:
        blocking, verb = getattr(Engine, name), getattr(AsyncEngine, name)
        assert callable(blocking)
        assert not inspect.iscoroutinefunction(blocking)
        assert blocking.__doc__
        if name not in ("subscribe", "close"):
            assert inspect.iscoroutinefunction(verb), name
            assert blocking.__name__ == name
        assert parameters(blocking) == parameters(verb), name
        if name not in ("subscribe", "close", "reserve"):
            assert blocking.__doc__ == verb.__doc__
    opening, theirs_opening = inspect.signature(Engine.open), inspect.signature(AsyncEngine.open)
    assert list(opening.parameters) == list(theirs_opening.parameters)
    for name, parameter in theirs_opening.parameters.items():
        assert opening.parameters[name].default == parameter.default


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Engine, AsyncEngine), (Control, AsyncControl), (RuntimeAdapter, AsyncRuntimeAdapter)],
)
def test_a_verb_shows_what_it_takes_and_returns(ours: type, theirs: type) -> None:
    for name in public(ours).keys() - {
        *("authority", "control", "supports_persistent_sessions"),
        *("apply_turn", "open", "release", "reserve", "runtime_adapter", "subscribe"),
    }:
        shown = inspect.signature(getattr(ours, name))
        assert shown == inspect.signature(getattr(theirs, name)), name
        hints = get_type_hints(getattr(ours, name))
        assert hints.keys() == shown.parameters.keys() - {"self"} | {"return"}, name


def test_what_differs_from_the_asynchronous_verb_says_so() -> None:
    hints = get_type_hints(Engine.apply_turn)
    theirs = get_type_hints(AsyncEngine.apply_turn)
    assert hints.pop("reservation") == Reservation | None
    theirs.pop("reservation")
    assert hints == theirs
    assert get_type_hints(Engine.reserve)["return"] is Reservation
    assert "async" not in str(Engine.reserve.__doc__)
    assert [
        inspect.signature(one).return_annotation for one in get_overloads(Engine.subscribe)
    ] == [
        Subscription[Delivery],
        Subscription[Delivery | LiveEvent | Missed],
    ]


def test_a_session_lives_its_whole_life(url: str) -> None:
    with Engine.open(url) as engine:
        engine.register("s", labels={"a": "b"})
        out = engine.record_turn("s", [message("one")], run_id="r")
        engine.stage_context("s", "staged")
        engine.append_context("s", "appended")
        engine.checkpoint("s")
        assert engine.load_receipt("s", "r") == out.receipt
        assert next(r.run_id for r in engine.receipts("s")) == "r"
        assert engine.history("s").message_count == 2
        assert engine.as_of("s", 1).message_count == 0
        engine.retire("s")
        engine.archive("s")
        assert [view.phase for view in engine.list(labels={"a": "b"})] == ["archived"]
        assert engine.head("s").version == 7
        assert engine.audit().ok
        with pytest.raises(SessionNotFound):
            engine.read("unknown")


def test_there_is_one_adapter_for_all_who_ask_and_none_once_nobody_holds_it(url: str) -> None:
    with Engine.open(url) as engine, ThreadPoolExecutor(8) as threads:
        engine.register("s")
        asked = [threads.submit(engine.runtime_adapter) for _ in range(8)]
        held = {future.result() for future in asked}
        assert held == {engine.runtime_adapter()}
        held.pop().take("s")
        gone = weakref.ref(asked[0].result())
        with pytest.raises(AuthorityRequired):
            engine.interrupt("s")
        asked.clear()
        del held
        gc.collect()
        assert gone() is None
        with pytest.raises(SessionNotRunning):
            engine.interrupt("s")  # whose control is everybody's again


def test_it_may_be_used_from_several_threads(url: str) -> None:
    with Engine.open(url, durability="normal") as engine:

        def work(thread: int) -> None:
            name = f"s{thread}"
            engine.register(name)
            for n in range(50):
                out = engine.record_turn(name, [message(str(n))], run_id=str(n))
                assert receipt_of(out).message_count == n + 1

        with ThreadPoolExecutor(8) as threads:
            for future in [threads.submit(work, thread) for thread in range(8)]:
                future.result()
        assert engine.audit().events == 8 * 51


@pytest.mark.parametrize("readonly", [False, True])
def test_closing_leaves_no_thread_and_says_so_from_then_on(
    tmp_path: Path,
    readonly: bool,
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with Engine.open(url) as engine:
        engine.register("s")
    before = set(threading.enumerate())
    engine = Engine.open(url, readonly=readonly)
    engine.list()
    engine.history("s")
    source = engine.subscribe()
    assert next(source).position == 1
    engine.close()
    engine.close()
    assert set(threading.enumerate()) == before
    assert list(source) == []
    for name in sorted(
        public(Engine).keys() - {"open", "close", "supports_persistent_sessions", "control"}
    ):
        arguments = {
            "record_turn": ("s", [message("a")]),
            "append_context": ("s", "text"),
            "stage_context": ("s", "text"),
            "load_receipt": ("s", "r"),
            "as_of": ("s", 1),
            "attach": ("s", EchoAgent()),
            "release": (Claim("s", lambda claim: None),),
        }.get(name)
        verb = getattr(engine, name)
        if arguments is None:
            required = inspect.signature(getattr(AsyncEngine, name)).parameters.values()
            positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
            needed = [p for p in required if p.kind is positional and p.default is p.empty]
            arguments = ("s",) * (len(needed) - 1)  # but for the engine itself
        with pytest.raises(EngineClosed):
            next(verb()) if name == "subscribe" else verb(*arguments)


def test_an_opening_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(StoreError):
        Engine.open(f"sqlite:///{tmp_path}")
    assert set(threading.enumerate()) == before


def test_closing_while_other_threads_work_ends_each_call_one_way_or_the_other(url: str) -> None:
    for _ in range(10):
        engine = Engine.open(url, durability="normal")
        outcomes: list[str] = []
        told: set[tuple[str, str]] = set()
        begun = threading.Barrier(5)

        def work(
            thread: int,
            engine: Engine = engine,
            begun: threading.Barrier = begun,
            outcomes: list[str] = outcomes,
            told: set[tuple[str, str]] = told,
        ) -> None:
            name = f"s{thread}"
            engine.register(name)
            begun.wait()
            try:
                for n in range(100_000):
                    run_id = f"{id(engine)}-{n}"
                    engine.record_turn(name, [message(str(n))], run_id=run_id)
                    told.add((name, run_id))
                    engine.history(name, limit=1)
            except EngineClosed:
                outcomes.append("closed")
            except PerdureError as error:
                outcomes.append(repr(error))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        time.sleep(0.01)
        engine.close()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert outcomes == ["closed"] * 4
        if url != "memory:":
            with Engine.open(url) as again:
                assert again.audit().ok
                known = {(f"s{n}", r.run_id) for n in range(4) for r in again.receipts(f"s{n}")}
                assert told <= known


def test_closing_the_async_engine_settles_what_was_submitted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def main() -> None:
        engine = await AsyncEngine.open(url)
        for n in range(20):
            await engine.register(f"s{n}")
        turns = [
            asyncio.create_task(engine.record_turn(f"s{n}", [message("a" * 300_000)]))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        await engine.close()
        await engine.close()
        for out in await asyncio.gather(*turns):
            assert receipt_of(out).message_count == 1
        async with AsyncEngine.open(url) as again:
            assert all(view.message_count == 1 for view in await again.list())
            assert (await again.audit()).ok

    asyncio.run(main())


def test_closing_during_an_audit_ends_the_audit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def main() -> None:
        engine = await AsyncEngine.open(url, durability="normal")
        await engine.register("s")
        for n in range(2_000):
            await engine.record_turn("s", [message(str(n))])
        audits = [asyncio.create_task(engine.audit()) for _ in range(3)]
        await asyncio.sleep(0.005)
        await engine.close()
        for outcome in await asyncio.gather(*audits, return_exceptions=True):
            assert isinstance(outcome, EngineClosed) or getattr(outcome, "ok", False), outcome

    asyncio.run(main())


def test_an_agent_that_calls_a_blocking_verb_is_told_so_instead_of_waiting_for_itself(
    url: str,
) -> None:
    with Engine.open(url) as engine:
        met: list[Unsupported] = []

        async def agent(turn: Any) -> str:
            for verb in (lambda: engine.read("s"), engine.close, lambda: next(engine.subscribe())):
                try:
                    verb()
                except Unsupported as refusal:
                    met.append(refusal)
            return (await asyncio.to_thread(engine.read, "s")).phase

        engine.register("s")
        engine.attach("s", agent)
        engine.apply_turn("s", "hi")
        assert [error.code for error in met] == ["UNSUPPORTED"] * 3
        assert engine.history("s").messages[-1]["content"] == "running"


def test_ctrl_c_ends_the_turn_that_was_waited_for_and_then_goes_on(
    url: str, request: pytest.FixtureRequest
) -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    with Engine.open(url) as engine:

        async def agent(turn: Any) -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

        engine.register("s")
        engine.attach("s", agent)
        with pytest.raises(KeyboardInterrupt):
            engine.apply_turn("s", "hi")
        assert engine.read("s").phase == "attached"
        assert [event.tag for event in islice(engine.subscribe("s"), 4)][-1] == "run-cancelled"


def test_a_close_that_is_interrupted_releases_the_database_all_the_same(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, handler))
    url = f"sqlite:///{tmp_path}/log.db"
    before = {*threading.enumerate()}  # of engines that other tests dropped
    engine = Engine.open(url)

    async def agent(turn: Any) -> None:
        await asyncio.Event().wait()

    engine.register("s")
    engine.attach("s", agent)
    with ThreadPoolExecutor(1) as thread:
        turn = thread.submit(engine.apply_turn, "s", "hi")
        while engine.read("s").phase != "running":
            time.sleep(0.01)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            engine.close()
        assert isinstance(turn.exception(), EngineClosed)
    started = {*threading.enumerate()} - before
    assert not [one for one in started if one.name.startswith("perdure-")]
    with Engine.open(url) as again:
        assert again.read("s").phase == "attached"
        assert [event.tag for event in islice(again.subscribe("s"), 4)][-1] == "run-cancelled"


CLOSING_TWICE = """
import asyncio, os, signal, sys, threading
from perdure.sync import Engine

async def agent(turn):
    await asyncio.Event().wait()

engine = Engine.open(sys.argv[1], grace_seconds=0.5)
engine.register("s")
engine.attach("s", agent)
threading.Thread(target=engine.apply_turn, args=("s", "hi")).start()
while engine.read("s").phase != "running":
    pass
signal.signal(signal.SIGTERM, lambda *_: engine.close())
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
engine.close()
"""


def test_what_handles_a_signal_may_close_an_engine_that_is_closing(url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSING_TWICE, url], capture_output=True, timeout=30, check=True
    )
    assert ended.stderr == b""


def test_a_reservation_keeps_others_out_for_as_long_as_its_block(url: str) -> None:
    with Engine.open(url, max_active=1) as engine:
        for name in ("s", "t"):
            engine.register(name)
            engine.attach(name, EchoAgent())
        with engine.reserve("s") as reservation:
            assert reservation.session_id == "s"
            with pytest.raises(SessionBusy):
                engine.apply_turn("s", "hi")
            with pytest.raises(AtCapacity):
                engine.reserve("t")
        with engine.reserve("t") as used:
            out = engine.apply_turn("t", "hi", reservation=used)
            assert out.terminal == Completed()
            engine.apply_turn("s", "hi", reservation=engine.reserve("s"))  # it is used up
        released = engine.reserve("s")
        engine.release(released)
        released.release()
        with pytest.raises(InvalidArgument):
            engine.apply_turn("s", "hi", reservation=released)
        with pytest.raises(InvalidArgument):
            engine.release("s")  # type: ignore[arg-type]
        held = engine.reserve("s")
    held.release()
    with held:
        pass


def test_the_blocking_adapter_takes_a_session_and_gives_it_back(url: str) -> None:
    verbs = public(AsyncRuntimeAdapter).keys()
    assert public(RuntimeAdapter).keys() == verbs
    with Engine.open(url) as engine, ThreadPoolExecutor(1) as thread:
        begun = threading.Event()

        async def agent(turn: Any) -> None:
            begun.set()
            await asyncio.Event().wait()

        engine.register("s")
        adapter = engine.runtime_adapter()
        adapter.take("s", agent)
        turn = thread.submit(engine.apply_turn, "s", "hi")
        assert begun.wait(10)
        with pytest.raises(AuthorityRequired):
            engine.interrupt("s")
        engine.runtime_adapter().interrupt("s")  # the same control
        assert turn.result(10).terminal == Cancelled()
        adapter.give_back("s")
        with pytest.raises(SessionNotRunning):
            engine.interrupt("s")
        with pytest.raises(SessionNotRunning):
            engine.interrupt("s", authority=adapter.authority)


class Follower:
    """What holds its subscription and itself, so that only the garbage collector ends it."""

    def __init__(self, engine: Engine) -> None:
        self.itself = self
        self.events = engine.subscribe()
        next(self.events)


def listeners_of(engine: Engine) -> int:
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), engine._host.loop).result(10)
    recorder: Any = engine._engine._core.store.recorder
    return len(getattr(recorder, "_watcher", recorder)._listeners)


def test_a_subscription_ends_whatever_the_thread_that_drops_it_is_doing(url: str) -> None:
    with Engine.open(url) as engine, ThreadPoolExecutor(1) as thread:
        engine.register("s")
        source: Any = engine.subscribe()
        next(source)
        assert listeners_of(engine) == 1
        with engine._host._stopping:  # as the collector may run in any line of a verb
            thread.submit(source.close).result(10)
        assert listeners_of(engine) == 0


def test_a_subscription_ends_where_it_is_collected_on_the_engines_own_thread(
    url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    gc.collect()  # others' garbage
    gc.disable()
    request.addfinalizer(gc.enable)
    complaints: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda hook: complaints.append(str(hook.exc_value)))
    with Engine.open(url) as engine:

        async def agent(turn: Any) -> str:
            gc.collect()
            return "collected"

        engine.register("s")
        engine.attach("s", agent)
        Follower(engine)
        assert listeners_of(engine) == 1
        engine.apply_turn("s", "hi")
        assert listeners_of(engine) == 0
    assert complaints == []


def test_a_subscription_is_ended_from_another_thread_than_the_one_that_waits(url: str) -> None:
    with Engine.open(url) as engine, ThreadPoolExecutor(2) as threads:
        engine.register("s")
        source = engine.subscribe(live=True)
        followers = [threads.submit(list, source) for _ in range(2)]
        while listeners_of(engine) == 0:
            time.sleep(0.01)
        source.close()
        source.close()
        taken = [event for follower in followers for event in follower.result(10)]
        assert [getattr(event, "tag", event) for event in taken] in ([], ["session-registered"])
        assert list(source) == []
        assert listeners_of(engine) == 0
        with engine.subscribe() as block:
            next(block)
            assert listeners_of(engine) == 1
        assert listeners_of(engine) == 0
        assert list(block) == []
        never_asked = engine.subscribe()
        never_asked.close()
        assert list(never_asked) == []


def test_who_asks_for_an_event_while_the_subscription_ends_is_given_none() -> None:
    async def events() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def main() -> None:
        source = Source(events())
        assert await asyncio.create_task(source.next_event()) == 1
        ending = asyncio.create_task(source.end())
        late = asyncio.create_task(source.next_event())
        async with asyncio.timeout(5):
            assert await late is None
            await ending

    asyncio.run(main())


def test_what_an_ended_subscription_had_not_delivered_comes_with_the_next(url: str) -> None:
    with Engine.open(url, durability="normal") as engine, ThreadPoolExecutor(2) as threads:
        engine.register("s")

        def write() -> None:
            for n in range(300):
                engine.publish("s", "n", {"n": n})

        writing = threads.submit(write)
        positions: list[int] = []
        ended = 0
        while len(positions) < 301:
            source = engine.subscribe(after=positions[-1] if positions else 0)
            following = threads.submit(positions_of, source)
            time.sleep(0.001 * (ended % 7))
            source.close()
            positions += following.result(10)
            ended += 1
        writing.result(10)
        assert positions == list(range(1, 302))
        assert ended > 1


def test_a_subscription_dropped_once_the_engine_is_closed_is_no_error(url: str) -> None:
    engine = Engine.open(url)
    engine.register("s")
    source: Any = engine.subscribe()
    next(source)
    engine.close()
    source.close()
    assert list(source) == []


INHERITED = """
import os, signal, sys
from perdure import Unsupported
from perdure.sync import Engine

def said(verb):
    try:
        return verb()
    except Unsupported as refusal:
        return str(refusal)

def in_a_child(work):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        signal.alarm(10)  # a wait without an end ends the child
        try:
            work()
        finally:
            sys.stdout.flush()
            os._exit(0)
    print("ended with", os.waitpid(child, 0)[1])

def leave(engine):
    with engine:
        sys.exit(0)

engine = Engine.open(sys.argv[1])
engine.register("s")
source = engine.subscribe()
next(source)
control = engine.control
in_a_child(lambda: print(said(lambda: engine.read("s"))))
in_a_child(lambda: print(said(lambda: control.runtime_state("s"))))
in_a_child(lambda: print(said(lambda: next(source))))
in_a_child(lambda: print(said(source.close)))
in_a_child(lambda: print(said(engine.close)))
in_a_child(lambda: print(said(lambda: leave(engine))))
print(engine.read("s").id)
engine.close()
"""


def test_an_engine_that_another_process_opened_says_so_and_waits_for_nothing(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    # Python 3.12 and later warn of what this is about, a fork while there are threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", INHERITED, url]
    ran = subprocess.run(command, capture_output=True, timeout=90, check=True, text=True)
    refusal = "this engine was opened by another process; open one here"
    assert ran.stdout.splitlines() == [
        *[refusal, "ended with 0"] * 3,
        *["None", "ended with 0"],
        *[refusal, "ended with 0"],
        "ended with 0",
        "s",
    ]
    assert ran.stderr == ""
