"""Turns while another engine has the same file: it runs one itself, or writes in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from perdure import (
    ApplyOutput,
    Cancelled,
    Completed,
    EchoAgent,
    Engine,
    SessionBusy,
    StaleWriter,
    Turn,
)
from perdure.runtime.turn.running_turn import RunningTurn
from tests.support.engines import FAST, Meddler, on_an_engine
from tests.support.messages import says, user
from tests.support.sessions import attached
from tests.support.waiting import Gate, until

# A turn of the other


@asynccontextmanager
async def turn_elsewhere(url: str) -> AsyncIterator[tuple[Gate, asyncio.Task[ApplyOutput]]]:
    """Give a turn that has begun in another engine, and the gate that it waits at."""
    async with Engine.open(url, **FAST) as other:
        gate = Gate()
        await attached(other, gate)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        yield gate, turn


@on_an_engine(on_file=True, **FAST)
async def test_g4_a_turn_that_runs_in_another_engine_is_busy_and_can_be_interrupted_from_here(
    engine: Engine, url: str
) -> None:
    async with turn_elsewhere(url) as (_, turn):
        with pytest.raises(SessionBusy):
            await engine.record_turn("s", [user("b")])
        await engine.interrupt("s")
        assert (await turn).terminal == Cancelled("asked from elsewhere")
    assert (await engine.read("s")).phase == "attached"


@on_an_engine(on_file=True, **FAST)
async def test_g4_attaching_to_a_session_that_another_engine_runs_is_busy(
    engine: Engine, url: str
) -> None:
    async with turn_elsewhere(url) as (gate, turn):
        version = (await engine.head("s")).version
        with pytest.raises(SessionBusy):
            await engine.attach("s", EchoAgent())
        assert (await engine.head("s")).version == version
        gate.open.set()
        assert (await turn).terminal == Completed()
    await engine.attach("s", EchoAgent())


# Writes of the other


@on_an_engine(on_file=True, **FAST)
async def test_a_turn_is_not_lost_however_often_another_engine_writes_meanwhile(
    engine: Engine, url: str
) -> None:
    left = []

    async def agent(turn: Turn) -> str:
        left.append(meddler.writes_left)
        await meddler.meddle(20)
        await turn.boundary([says("so far")])
        left.append(meddler.writes_left)
        await meddler.meddle(20)
        return "done"

    await attached(engine, agent)
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(20)
        out = await engine.apply_turn("s", "a")
    assert out.terminal == Completed()
    assert [*left, meddler.writes_left] == [0, 0, 0]


@on_an_engine(on_file=True, contention_seconds=0, **FAST)
async def test_a_turn_that_others_do_not_let_begin_is_refused_and_nothing_is_recorded(
    engine: Engine, url: str
) -> None:
    await attached(engine, EchoAgent())
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(1)
        with pytest.raises(StaleWriter):
            await engine.apply_turn("s", "a", run_id="r")
        assert (await engine.control.runtime_state("s")).phase == "attached"
        assert (await engine.apply_turn("s", "a", run_id="r")).terminal == Completed()


@on_an_engine(on_file=True)
async def test_nothing_is_kept_at_hand_for_a_session_that_ended_elsewhere(
    engine: Engine, url: str
) -> None:
    await attached(engine, EchoAgent())
    await attached(engine, EchoAgent(), "kept alive")
    await engine.keep_alive("kept alive")
    adapter = await engine.runtime_adapter()
    await adapter.take("s")
    async with Engine.open(url) as other:
        await other.archive("s")
        await other.control.destroy("kept alive")
    assert await engine.open_calls("s") == []
    await until(lambda: none_bound(engine))
    assert engine._core.machine_owned == set()
    assert (await engine.read("s")).phase == "archived"


async def none_bound(engine: Engine) -> bool:
    return not engine._core.agents


@on_an_engine(on_file=True, **FAST)
async def test_an_interrupt_that_comes_behind_the_end_of_a_turn_here_reaches_the_one_elsewhere(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed, go = asyncio.Event(), asyncio.Event()
    end = RunningTurn._end

    async def slow_to_hear(self: RunningTurn, task: asyncio.Task[Any]) -> Any:
        ended = await end(self, task)
        landed.set()
        await go.wait()
        return ended

    await attached(engine, EchoAgent())
    with monkeypatch.context() as patched:
        patched.setattr(RunningTurn, "_end", slow_to_hear)
        turn = asyncio.create_task(engine.apply_turn("s", "a"))
        await landed.wait()
    async with turn_elsewhere(url) as (_, theirs):
        interrupting = asyncio.create_task(engine.interrupt("s"))
        await asyncio.sleep(0.01)
        go.set()
        await interrupting
        assert (await turn).terminal == Completed()
        assert isinstance((await theirs).terminal, Cancelled)


@on_an_engine(on_file=True, **FAST)
async def test_an_interrupt_of_a_turn_that_was_closed_elsewhere_reaches_the_one_that_runs(
    engine: Engine, url: str
) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    await engine._core.ownership.release()  # as if its process had stood still
    engine._core.turn_watch.cancel()  # type: ignore[union-attr]
    async with turn_elsewhere(url) as (_, theirs):
        await engine.interrupt("s")
        assert isinstance((await theirs).terminal, Cancelled)
    with pytest.raises(StaleWriter):
        await turn
