"""Agents of the blocking engine that leave the program, that do not stop, and that block it."""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from perdure import Cancelled, Completed, EngineClosed, Environment, Failed
from perdure import Engine as AsyncEngine
from perdure.runtime.turn.agent import EchoAgent
from perdure.sync import Engine
from perdure.sync.hosting import Host
from tests.support.processes import message

EXITS = [SystemExit("bad option"), KeyboardInterrupt()]
GRACE_SECONDS = 0.5
SOON_SECONDS = 60.0
"""Long before this comes what takes a second by the grace period; a hang takes for ever."""


def in_time(work: Callable[[], Any], seconds: float = SOON_SECONDS) -> Any:
    """Return what the work returns, on a thread that need not end."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - whatever it raises is raised again here
            came.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert came, "it takes for ever"
    result, error = came[0]
    if error is not None:
        raise error
    return result


def wait_for(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.01)


def threads_of_engines() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("perdure-sync")]


def leaving(leave: BaseException) -> Any:
    async def agent(turn: Any) -> None:
        await turn.boundary()
        raise leave

    return agent


@pytest.mark.parametrize("leave", EXITS, ids=repr)
def test_an_agent_that_leaves_the_program_has_failed_and_takes_only_its_caller_along(
    url: str, leave: BaseException
) -> None:
    engine = Engine.open(url)
    engine.register("s")
    engine.attach("s", leaving(leave))
    with pytest.raises(type(leave)) as met:
        in_time(lambda: engine.apply_turn("s", "hi", run_id="r"))
    assert met.value is leave
    assert in_time(lambda: engine.read("s")).phase == "attached"
    again = engine.apply_turn("s", "hi", run_id="r")  # a retry is told what is recorded
    assert isinstance(again.terminal, Failed)
    assert again.terminal.message.startswith(type(leave).__name__)
    engine.attach("s", EchoAgent())
    assert engine.apply_turn("s", "hi").terminal == Completed()
    with engine.subscribe("s") as events:
        assert [event.tag for event in islice(events, 5)][-1] == "run-failed"
    assert engine.audit().ok
    in_time(engine.close)
    with pytest.raises(EngineClosed):
        engine.read("s")
    assert threads_of_engines() == []


def test_what_makes_an_agent_may_leave_the_program_too(url: str) -> None:
    def build(view: Any) -> Any:
        raise SystemExit(view.id)

    with Engine.open(url, agents=build) as engine:
        engine.register("s")
        with pytest.raises(SystemExit, match="s"):
            in_time(lambda: engine.apply_turn("s", "hi"))
        assert engine.audit().ok


def test_what_a_verb_leaves_the_program_with_is_its_callers() -> None:
    def leaving() -> str:
        raise SystemExit(3)

    with Engine.open("memory:", environment=Environment(new_id=leaving)) as engine:
        with pytest.raises(SystemExit):
            in_time(engine.register)
        in_time(lambda: engine.register("s"))


@pytest.mark.parametrize("leave", EXITS, ids=repr)
def test_a_session_is_kept_alive_when_its_agent_leaves_the_program(
    url: str, leave: BaseException
) -> None:
    asked: list[weakref.ref[Any]] = []

    async def agent(turn: Any) -> str:
        asked.append(weakref.ref(asyncio.current_task()))
        if len(asked) == 1:
            raise leave
        return "here"

    with Engine.open(url, retry_seconds=0.01) as engine:
        engine.register("s")
        engine.attach("s", agent)
        engine.keep_alive("s")
        engine.ingest("s", "hi")
        with engine.subscribe("s") as events:
            in_time(lambda: next(one for one in events if one.tag == "run-completed"))
        assert len(asked) == 2
        engine.stop_loop("s")
        gc.collect()
        assert asked[1]() is None  # nobody collects the tasks of turns that nobody waits for


def test_a_task_that_an_agent_left_running_may_leave_the_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    left = threading.Event()

    async def leave() -> None:
        left.set()
        raise SystemExit(4)

    async def agent(turn: Any) -> str:
        turn.emit(asyncio.create_task(leave()))  # nobody watches
        return "here"

    with Engine.open("memory:") as engine:
        engine.register("s")
        engine.attach("s", agent)
        assert in_time(lambda: engine.apply_turn("s", "hi")).terminal == Completed()
        assert left.wait(SOON_SECONDS)
        assert in_time(lambda: engine.apply_turn("s", "hi")).terminal == Completed()
    gc.collect()
    assert "SystemExit(4)" in caplog.text  # the event loop's own words


def test_turns_that_run_beside_one_that_leaves_the_program_go_on(url: str) -> None:
    begun = threading.Barrier(2)

    async def leave(turn: Any) -> None:
        await asyncio.to_thread(begun.wait, SOON_SECONDS)
        sys.exit(2)

    async def stay(turn: Any) -> str:
        await asyncio.to_thread(begun.wait, SOON_SECONDS)
        await asyncio.sleep(0.1)
        return "stayed"

    with Engine.open(url) as engine, ThreadPoolExecutor(2) as threads:
        turns = []
        for name, agent in (("leaves", leave), ("stays", stay)):
            engine.register(name)
            engine.attach(name, agent)
            turns.append(threads.submit(engine.apply_turn, name, "hi"))
        assert isinstance(turns[0].exception(SOON_SECONDS), SystemExit)
        assert turns[1].result(SOON_SECONDS).terminal == Completed()


def test_an_asynchronous_program_ends_when_an_agent_leaves_it_and_every_turn_has_its_end(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    begun = asyncio.Event()

    async def stay(turn: Any) -> None:
        begun.set()
        await asyncio.sleep(100)

    async def leave(turn: Any) -> None:
        await begun.wait()
        sys.exit(3)

    async def main() -> None:
        async with AsyncEngine.open(url) as engine:
            for name, agent in (("leaves", leave), ("stays", stay)):
                await engine.register(name)
                await engine.attach(name, agent)
            await asyncio.gather(*(engine.apply_turn(name, "hi") for name in ("stays", "leaves")))

    with pytest.raises(SystemExit):
        asyncio.run(main())
    with Engine.open(url) as engine:
        ends = {}
        for name in ("leaves", "stays"):
            with engine.subscribe(name) as recorded:
                ends[name] = [one.tag for one in islice(recorded, engine.head(name).version)][-1]
    assert ends == {"leaves": "run-failed", "stays": "run-cancelled"}


BEGUN = threading.Event()
"""Set by the agents that do not stop, as soon as there is one to stop."""

FREE = threading.Event()
"""Ends the agents that do not stop, once the test has seen that."""


async def stubborn(turn: Any) -> None:
    BEGUN.set()
    while not FREE.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.1)


async def deaf(turn: Any) -> None:
    BEGUN.set()
    while not FREE.is_set():
        with contextlib.suppress(BaseException):  # so bad are some
            await asyncio.sleep(0.1)


async def in_a_thread(turn: Any) -> None:
    await asyncio.to_thread(blocking)


def blocking() -> None:
    BEGUN.set()
    FREE.wait(60)


async def leaving_when_told_to_stop(turn: Any) -> None:
    try:
        await asyncio.sleep(100)
    finally:
        sys.exit(5)


def test_agents_whose_threads_ask_the_engine_keep_no_thread_from_it(url: str) -> None:
    turns = 40  # more than an event loop has threads, if nothing is said

    def asking() -> int:
        time.sleep(0.1)
        return len(engine.audit().findings)

    async def agent(turn: Any) -> str:
        return str(await asyncio.to_thread(asking))

    engine = Engine.open(url, agents=lambda session: agent)
    for i in range(turns):
        engine.register(f"s-{i}")
    given: list[Any] = []
    for i in range(turns):
        work = functools.partial(engine.apply_turn, f"s-{i}", "hi")
        threading.Thread(target=lambda work=work: given.append(work()), daemon=True).start()
    in_time(lambda: wait_for(lambda: len(given) == turns))
    assert [one.terminal for one in given] == [Completed()] * turns
    in_time(engine.close)


@pytest.mark.parametrize("agent", [stubborn, deaf, in_a_thread], ids=lambda one: one.__name__)
@pytest.mark.parametrize("interrupted", [True, False])
def test_an_agent_that_does_not_stop_is_left_behind_when_its_engine_closes(
    url: str,
    agent: Any,
    interrupted: bool,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    BEGUN.clear()
    FREE.clear()
    request.addfinalizer(FREE.set)
    engine = Engine.open(url, grace_seconds=GRACE_SECONDS)
    engine.register("s")
    engine.attach("s", agent)
    with ThreadPoolExecutor(1) as thread:
        turn = thread.submit(engine.apply_turn, "s", "hi")
        assert BEGUN.wait(SOON_SECONDS)
        if interrupted:
            engine.interrupt("s")
            assert turn.result(SOON_SECONDS).terminal == Cancelled()
        in_time(engine.close)
        assert isinstance(turn.result(SOON_SECONDS).terminal, Cancelled)
    assert "agents that did not stop in time were left behind" in caplog.text
    if url != "memory:":
        with Engine.open(url) as again:
            assert again.audit().ok
            again.record_turn("s", [message("one")])
    FREE.set()
    for left in threads_of_engines():
        left.join(SOON_SECONDS)
    assert threads_of_engines() == []
    gc.collect()
    assert "destroyed" not in caplog.text


def test_an_agent_may_leave_the_program_when_its_engine_closes(url: str) -> None:
    engine = Engine.open(url, grace_seconds=GRACE_SECONDS)
    engine.register("s")
    engine.attach("s", leaving_when_told_to_stop)
    with ThreadPoolExecutor(1) as thread:
        turn = thread.submit(engine.apply_turn, "s", "hi")
        while engine.read("s").phase != "running":
            time.sleep(0.01)
        in_time(engine.close)
        assert isinstance(turn.exception(SOON_SECONDS), SystemExit)
    assert threads_of_engines() == []


def test_what_leaves_the_program_at_the_very_end_does_not_end_what_comes_after() -> None:
    host = Host()
    begun = threading.Event()
    cleaned_up: list[bool] = []

    async def clean_up_late() -> None:
        try:
            begun.set()
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.1)
            cleaned_up.append(True)

    def leave() -> None:
        raise SystemExit

    def end() -> None:
        host.loop.call_soon(leave)  # in the same round as the end
        host._end()

    host.later(clean_up_late)
    assert begun.wait(SOON_SECONDS)
    host.loop.call_soon_threadsafe(end)
    host.stop()
    assert threads_of_engines() == []
    assert cleaned_up == [True]


def test_what_ends_as_it_should_leaves_nothing_to_say(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Engine.open(url) as engine, caplog.at_level(logging.DEBUG):
        engine.register("s")
        engine.attach("s", EchoAgent())
        engine.apply_turn("s", "hi")
        engine.history("s")
        engine.keep_alive("s")
        source = engine.subscribe()
        next(source)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.fixture
def _interruptible() -> Any:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("_interruptible")
def test_one_ctrl_c_and_a_close_are_enough_while_an_agent_blocks_the_engine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    free, ended = threading.Event(), threading.Event()

    async def agent(turn: Any) -> None:
        free.wait(SOON_SECONDS)
        ended.set()

    engine = Engine.open(url, grace_seconds=GRACE_SECONDS)
    engine.register("s")
    engine.attach("s", agent)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        engine.apply_turn("s", "hi")
    assert "an agent blocks the engine" in caplog.text
    engine.close()
    assert not ended.is_set()
    assert "the engine closes later" in caplog.text
    engine.close()
    with pytest.raises(EngineClosed):
        engine.read("s")
    (thread,) = (one for one in threads_of_engines() if one.name == "perdure-sync")
    free.set()
    thread.join(SOON_SECONDS)  # it closes the engine now
    assert not thread.is_alive()
    with Engine.open(url) as again:
        assert again.read("s").phase == "attached"
        assert again.audit().ok


PROGRAM = """
import asyncio, sys, threading
from perdure.sync import Engine

async def leave(turn):
    sys.exit("bad option")

async def stubborn(turn):
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            pass

async def block(turn):
    while True:
        pass

begun = threading.Event()

async def agent(turn):
    begun.set()
    await {"leave": leave, "stubborn": stubborn, "block": block}[sys.argv[1]](turn)

engine = Engine.open("memory:", grace_seconds=0.2)
engine.register("s")
engine.attach("s", agent)
source = engine.subscribe()
next(source)
if sys.argv[1] == "leave":
    engine.apply_turn("s", "hi")
threading.Thread(target=engine.apply_turn, args=("s", "hi"), daemon=True).start()
begun.wait()
engine.close()
print("closed")
"""


@pytest.mark.parametrize(
    ("agent", "code", "out", "said"),
    [
        ("leave", 1, "", ["bad option"]),
        (
            "stubborn",
            0,
            "closed\n",
            [
                "did not stop and was left behind",
                "agents that did not stop in time were left behind",
            ],
        ),
        ("block", 0, "closed\n", ["the engine closes later"]),
    ],
)
def test_a_program_ends_whatever_its_agents_do(
    agent: str, code: int, out: str, said: list[str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, agent],
        capture_output=True,
        timeout=30,
        check=False,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (code, out), ran.stderr
    last = ran.stderr.splitlines()[-len(said) :]  # a failure's traceback comes before
    for line, words in zip(last, said, strict=True):
        assert words in line
