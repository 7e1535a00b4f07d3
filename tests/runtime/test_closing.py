"""Closing an engine: turns may end within the grace period, and are ended together after it."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from perdure import (
    Cancelled,
    CheckpointPolicy,
    Completed,
    EchoAgent,
    Engine,
    EngineClosed,
    Turn,
    Unsupported,
)
from perdure.store.sqlite.store import sqlite_path
from tests.support.engines import on_an_engine
from tests.support.messages import user
from tests.support.sessions import attached, has, running
from tests.support.waiting import Gate, SlowToCome, until


@pytest.mark.parametrize("heeds", [True, False])
@on_an_engine()
async def test_closing_lets_a_turn_end_or_interrupts_it_after_the_grace_period(
    engine: Engine, url: str, heeds: bool
) -> None:
    async with Engine.open(url, grace_seconds=3600 if heeds else 0.2) as other:
        gate = Gate(heeds=heeds)
        await attached(other, gate)
        await attached(other, EchoAgent(), "t")
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        ending = asyncio.create_task(other.close())
        await asyncio.sleep(0.01)
        with pytest.raises(EngineClosed):
            await other.apply_turn("t", "b")
        with pytest.raises(EngineClosed):
            await other.record_turn("t", [user("run elsewhere")])
        if heeds:
            gate.open.set()
        await ending
        out = await turn
        assert out.terminal == (Completed() if heeds else Cancelled("the engine is closing"))
        gate.open.set()


@on_an_engine()
async def test_closing_releases_what_only_waits_and_ends_what_has_no_agent_yet(
    engine: Engine, url: str
) -> None:
    async with Engine.open(url, agents=SlowToCome(), grace_seconds=0.1) as other:
        await other.register("s")
        await other.register("t")
        seat = await other.reserve("t")
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await until(lambda: running(other, "s"))
        await other.close()
        assert (await turn).terminal == Cancelled("the engine is closing")
        assert seat.phase == "shut_down"
    if url != "memory:":
        assert (await engine.read("s")).phase == "idle"


@on_an_engine()
async def test_hung_turns_are_ended_together_when_the_engine_closes(
    engine: Engine, url: str
) -> None:
    begun, all_are_cancelled, ended = asyncio.Barrier(7), asyncio.Barrier(6), []

    async def agent(turn: Turn) -> None:
        await begun.wait()
        try:
            await asyncio.sleep(3600)
        finally:
            await all_are_cancelled.wait()
            ended.append(turn.run_id)

    async with Engine.open(url, grace_seconds=0.3) as other:
        for number in range(6):
            await attached(other, agent, f"s{number}")
        turns = [asyncio.create_task(other.apply_turn(f"s{n}", "a")) for n in range(6)]
        agents_ended = list[int]()
        for turn in turns:
            turn.add_done_callback(lambda _: agents_ended.append(len(ended)))
        await begun.wait()
        await other.close()
        assert {(await turn).terminal for turn in turns} == {Cancelled("the engine is closing")}
        assert agents_ended == [6] * 6


@on_an_engine()
async def test_a_closed_engine_leaves_no_task_behind(engine: Engine, url: str) -> None:
    before = asyncio.all_tasks()
    async with Engine.open(url, checkpoints=CheckpointPolicy(turns=1)) as other:
        await attached(other, EchoAgent())
        await other.keep_alive("s")
        await other.ingest("s", "one")
        await until(lambda: has(other, 2))
    assert asyncio.all_tasks() <= before


@on_an_engine(on_file=True)
async def test_g9_closing_waits_for_a_turn_that_is_only_beginning(engine: Engine, url: str) -> None:
    await attached(engine, EchoAgent())
    before = asyncio.all_tasks()
    other = await Engine.open(url, grace_seconds=0.01)
    await other.attach("s", EchoAgent())
    await other.apply_turn("s", "a")
    with closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        turn = asyncio.create_task(other.apply_turn("s", "b"))
        await asyncio.sleep(0.05)
        ending = asyncio.create_task(other.close())
        await asyncio.sleep(0.1)
        somebody.execute("ROLLBACK")
    await asyncio.wait({turn, ending})
    view = await engine.read("s")
    assert (view.phase, view.owner) == ("attached", None)
    assert engine._core.store.recorder.read("SELECT * FROM leases") == []  # type: ignore[attr-defined]
    assert asyncio.all_tasks() <= before


@on_an_engine()
async def test_no_loop_is_started_once_the_engine_closes(engine: Engine, url: str) -> None:
    async with Engine.open(url, grace_seconds=0.2) as other:
        await attached(other, EchoAgent())
        await attached(other, gate := Gate(), "t")
        turn = asyncio.create_task(other.apply_turn("t", "a"))
        await gate.begun.wait()
        ending = asyncio.create_task(other.close())
        await asyncio.sleep(0.01)
        with pytest.raises(EngineClosed):
            await other.keep_alive("s")
        await ending
        await turn


def test_an_engine_is_of_no_use_in_another_event_loop_and_says_so(url: str) -> None:
    async def main() -> Engine:
        engine = await Engine.open(url)
        await engine.register("s")
        return engine

    async def elsewhere() -> None:
        with pytest.raises(Unsupported, match="the event loop that it was opened in"):
            await engine.read("s")
        with pytest.raises(Unsupported):
            await engine.register("t")
        with pytest.raises(Unsupported):
            engine.subscribe()
        with pytest.raises(Unsupported):
            await engine.close()

    with asyncio.Runner() as its_own:
        engine = its_own.run(main())
        asyncio.run(elsewhere())
        with pytest.raises(Unsupported):
            engine.subscribe()
        its_own.run(engine.close())
