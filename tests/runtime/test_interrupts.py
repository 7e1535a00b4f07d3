"""Turns that are interrupted or cancelled: they end now and once, and keep what landed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from perdure import (
    Cancelled,
    Completed,
    EchoAgent,
    Engine,
    Failed,
    InvalidArgument,
    SessionNotFound,
    SessionNotRunning,
    StaleWriter,
    StoreError,
    Turn,
)
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import says, user
from tests.support.sessions import attached, ingest, running
from tests.support.waiting import Gate, SlowToCome, until

# Asked for


@pytest.mark.parametrize("heeds", [True, False])
@on_an_engine(**FAST)
async def test_an_interrupt_ends_a_turn_now_whether_its_agent_heeds_it_or_not(
    engine: Engine, heeds: bool
) -> None:
    gate = Gate(heeds=heeds)
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    await engine.interrupt("s", reason="enough")
    assert (await engine.read("s")).phase == "attached"
    assert (await turn).terminal == Cancelled("enough")
    gate.open.set()
    await engine.record_turn("s", [user("b")])


@pytest.mark.parametrize("steps", range(12))
@on_an_engine(**FAST)
async def test_a_turn_that_is_just_beginning_is_interrupted_as_one_that_has_begun(
    engine: Engine, steps: int
) -> None:
    await attached(engine, Gate())
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    for _ in range(steps):
        await asyncio.sleep(0)
    while True:
        try:
            await engine.interrupt("s", reason="enough")
        except SessionNotRunning:
            await asyncio.sleep(0)
        else:
            break
    assert (await engine.control.runtime_state("s")).current_run is None
    assert (await turn).terminal == Cancelled("enough")


@on_an_engine(**FAST)
async def test_what_an_agent_lands_after_it_was_left_behind_is_stale(engine: Engine) -> None:
    late: list[BaseException] = []
    over = asyncio.Event()

    async def agent(turn: Turn) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
            try:
                await turn.boundary([says("late")])
            except StaleWriter as refused:
                late.append(refused)
            over.set()
        return "x"

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await asyncio.sleep(0.05)
    await engine.interrupt("s")
    assert isinstance((await turn).terminal, Cancelled)
    await over.wait()
    assert len(late) == 1
    assert (await engine.read("s")).message_count == 0


@on_an_engine()
async def test_interrupting_an_idle_session_is_not_running(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    for verb in (engine.interrupt, engine.cancel_after_boundary):
        with pytest.raises(SessionNotRunning):
            await verb("s")
        with pytest.raises(SessionNotFound):
            await verb("nobody")


@pytest.mark.parametrize("reason", [429, "\ud800", "", "x" * 1000])
@on_an_engine(**FAST)
async def test_g9_a_reason_that_cannot_be_recorded_is_refused_before_anything_ends(
    engine: Engine, reason: Any
) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    with pytest.raises(InvalidArgument):
        await engine.interrupt("s", reason=reason)
    gate.open.set()
    assert (await turn).terminal == Completed()


@on_an_engine(agents=SlowToCome(), **FAST)
async def test_an_interrupt_that_comes_before_the_agent_is_there_is_not_lost(
    engine: Engine,
) -> None:
    await engine.register("s")
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await until(lambda: running(engine, "s"))
    await engine.interrupt("s", reason="never mind")
    assert (await engine.read("s")).phase == "idle"
    assert (await turn).terminal == Cancelled("never mind")


@on_an_engine(on_file=True, **FAST)
async def test_an_agent_s_clean_up_is_cancelled_once_and_not_again(
    engine: Engine, url: str
) -> None:
    begun, cleaned = asyncio.Event(), []

    async def agent(turn: Turn) -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.15)
            cleaned.append(True)
        return "never"

    async with Engine.open(url, grace_seconds=2) as other:
        await attached(other, agent)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await begun.wait()
        await engine.interrupt("s")
        assert isinstance((await turn).terminal, Cancelled)
    assert cleaned == [True]


# At a boundary


@on_an_engine(**FAST)
async def test_cancelling_after_a_boundary_lets_the_boundary_land(engine: Engine) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await go.wait()
        await turn.boundary([says("one")])
        raise AssertionError("it goes on")

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    await engine.cancel_after_boundary("s")
    assert (await engine.read("s")).phase == "running"
    go.set()
    out = await turn
    assert isinstance(out.terminal, Cancelled)
    assert out.receipt is not None
    assert out.receipt.message_count == 2
    assert (await engine.history("s")).messages == [user("a"), says("one")]


@on_an_engine(**FAST)
async def test_g2_a_boundary_that_lands_while_its_turn_is_interrupted_has_its_receipt(
    engine: Engine,
) -> None:
    engine._core.store.commit_now = lambda submissions: None  # type: ignore[method-assign]

    async def agent(turn: Turn) -> None:
        interrupting = asyncio.create_task(engine.interrupt("s"))
        try:
            await turn.boundary([says("x")])
        finally:
            await interrupting

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert isinstance(out.terminal, Cancelled)
    assert [out.receipt] == await engine.receipts("s")
    assert await engine.apply_turn("s", "a", run_id="r") == msgspec.structs.replace(
        out, terminal=out.terminal, duplicate=True
    )


@on_an_engine(on_file=True, **FAST)
async def test_an_agent_learns_before_the_boundary_that_another_engine_asked_for_its_end(
    engine: Engine, url: str
) -> None:
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await turn.scope.wait()
        return "then this is all"

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    async with Engine.open(url) as other:
        await other.cancel_after_boundary("s")
    out = await asyncio.wait_for(turn, 60)
    assert out.receipt is not None
    assert out.receipt.message_count == 2


@on_an_engine(on_file=True, **FAST)
async def test_what_another_engine_asked_for_holds_at_the_very_next_boundary(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "perdure.runtime.verbs.interrupts.WATCH_SECONDS", 3600
    )  # nobody looks in between
    begun, go = asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await go.wait()
        await turn.boundary([says("one")])
        raise AssertionError("it goes on")

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    async with Engine.open(url) as other:
        await other.cancel_after_boundary("s")
    go.set()
    assert isinstance((await turn).terminal, Cancelled)
    assert (await engine.history("s")).messages == [user("a"), says("one")]


# Callers that are cancelled


@on_an_engine(**FAST)
async def test_cancelling_the_awaiting_task_is_an_interrupt_and_not_a_leak(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
    await gate.begun.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (await engine.read("s")).phase == "attached"
    again = await engine.apply_turn("s", "a", run_id="r")
    assert again.terminal == Cancelled("the caller was cancelled")


@on_an_engine(**FAST)
async def test_however_early_the_caller_is_cancelled_the_session_is_free_again(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    for steps in range(12):
        turn = asyncio.create_task(engine.apply_turn("s", "a", run_id=f"r-{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        await engine.record_turn("s", [user("b")])


@on_an_engine()
async def test_g9_a_turn_cancelled_again_and_again_has_ended_its_run_when_it_ends(
    engine: Engine,
) -> None:
    async def never(turn: Turn) -> None:
        raise AssertionError

    await attached(engine, never)
    engine._core.store.commit_now = lambda submissions: None  # type: ignore[method-assign]
    for moments in range(12):
        turn = asyncio.create_task(engine.apply_turn("s", "a", run_id=f"r-{moments}"))
        for _ in range(moments):
            await asyncio.sleep(0)
        while not turn.done():
            turn.cancel()
            await asyncio.sleep(0)
        assert turn.cancelled()
        (newest,) = engine._core.store.recorder.select_rows("s", newest_first=True, limit=1)
        assert newest.topic != "run-begun", moments


@pytest.mark.parametrize("lands_late", [False, True])
@on_an_engine(**FAST)
async def test_a_cancelled_turn_is_cancelled_also_where_its_run_is_closed_meanwhile(
    engine: Engine, lands_late: bool
) -> None:
    begun = asyncio.Event()

    async def agent(turn: Turn) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            if lands_late:
                await turn.boundary([says("late")])

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    turn.cancel()
    await engine.control.stop("s")
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (await engine.read("s")).phase == "stopped"
    assert (await engine.history("s")).messages == []


@pytest.mark.parametrize("stopped_first", ["session", "loop"])
@on_an_engine(**FAST)
async def test_a_session_and_its_loop_can_be_stopped_together(
    engine: Engine, stopped_first: str
) -> None:
    gate = Gate()
    await attached(engine, gate)
    await ingest(engine, "a")
    await engine.keep_alive("s")
    await gate.begun.wait()
    stopping = [engine.control.stop("s"), engine.stop_loop("s")]
    if stopped_first == "loop":
        stopping.reverse()
    assert True in await asyncio.gather(*stopping)
    assert (await engine.read("s")).phase == "stopped"


@on_an_engine()
async def test_a_turn_cancelled_as_its_engine_closes_is_cancelled_whenever_that_is(
    engine: Engine, url: str
) -> None:
    cancelled = 0
    for moments in range(40):
        async with Engine.open(url, grace_seconds=0) as other:
            other._core.store.commit_now = lambda submissions: None  # type: ignore[method-assign]
            await attached(other, EchoAgent(), f"s-{moments}")
            turn = asyncio.create_task(other.apply_turn(f"s-{moments}", "a"))
            await asyncio.sleep(0)
            closing = asyncio.create_task(other.close())
            for _ in range(moments):
                await asyncio.sleep(0)
            was_running = turn.cancel()
            await asyncio.wait({turn})
            assert turn.cancelled() == was_running, moments
            cancelled += was_running
            await closing
    assert cancelled


@on_an_engine()
async def test_a_cancelled_turn_is_cancelled_also_where_its_beginning_cannot_be_taken_back(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    submit, submitted = engine._core.store.submit, []

    def the_first_only(submissions: Any, settle: Any) -> None:
        submitted.append(submissions)
        if len(submitted) == 1:
            submit(submissions, settle)
            turn.cancel()
        else:
            settle([StoreError("the disk is full")])

    engine._core.store.commit_now = lambda submissions: None  # type: ignore[method-assign]
    engine._core.store.submit = the_first_only  # type: ignore[method-assign]
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert len(submitted) == 2


# Refusals that an agent meets elsewhere


@on_an_engine()
async def test_g9_a_turn_whose_agent_was_refused_elsewhere_as_stale_has_failed_and_ended(
    engine: Engine,
) -> None:
    async def agent(turn: Turn) -> None:
        await engine.record_turn("t", [user("b")], expected_version=7)

    await engine.register("t")
    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert (await engine.read("s")).phase == "attached"


@pytest.mark.parametrize("verb", ["attach", "detach", "stop", "archive", "destroy"])
@on_an_engine()
async def test_what_is_bound_is_what_is_recorded_also_for_a_caller_that_was_cancelled(
    engine: Engine, verb: str
) -> None:
    await engine.register("s")
    if verb != "attach":
        await engine.attach("s", EchoAgent())
    asked: dict[str, Callable[[], Awaitable[Any]]] = {
        "attach": lambda: engine.attach("s", EchoAgent()),
        "detach": lambda: engine.detach("s"),
        "stop": lambda: engine.control.stop("s"),
        "archive": lambda: engine.archive("s"),
        "destroy": lambda: engine.control.destroy("s"),
    }
    before = (await engine.read("s")).phase
    while (phase := (await engine.read("s")).phase) == before:
        asking = asyncio.ensure_future(asked[verb]())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
    assert ("s" in engine._core.agents) == (phase == "attached")
