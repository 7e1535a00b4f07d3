"""Verbs on a session to which another engine writes: each lands, and a stop is never lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest

from perdure import (
    Cancelled,
    Completed,
    Delivery,
    EchoAgent,
    Engine,
    SessionNotRunning,
    StaleWriter,
    Turn,
)
from perdure.aggregates import InterruptRequested, RunCancelled
from tests.support.engines import FAST, Meddler, on_an_engine
from tests.support.messages import CALL, says, user
from tests.support.sessions import attached
from tests.support.waiting import Gate

Verb = Callable[[Engine], Awaitable[object]]

CALL_ID: Final = "c-1"
DONE: Final = {"role": "tool", "tool_call_id": CALL_ID, "content": "done"}

PREPARED: dict[str, Verb] = {
    "attach": lambda e: e.detach("s"),
    "abandon_call": lambda e: e.record_turn("s", [CALL]),
    "stage_tool_results": lambda e: e.record_turn("s", [CALL]),
    "abandon_input": lambda e: e.ingest("s", "a", input_id="i"),
    "supersede_input": lambda e: e.ingest("s", "a", input_id="i"),
    "coalesce_inputs": lambda e: e.ingest("s", "a", input_id="i"),
    "leave_mob": lambda e: e.join_mob("s", "m"),
}
VERBS: dict[str, Verb] = {
    "abandon_call": lambda e: e.abandon_call("s", CALL_ID),
    "abandon_input": lambda e: e.abandon_input("s", "i"),
    "append_context": lambda e: e.append_context("s", "c"),
    "apply_turn": lambda e: e.apply_turn("s", "a"),
    "archive": lambda e: e.archive("s"),
    "attach": lambda e: e.attach("s", EchoAgent()),
    "checkpoint": lambda e: e.checkpoint("s"),
    "coalesce_inputs": lambda e: e.coalesce_inputs("s", ["i"]),
    "destroy": lambda e: e.control.destroy("s"),
    "detach": lambda e: e.detach("s"),
    "ingest": lambda e: e.ingest("s", "a"),
    "join_mob": lambda e: e.join_mob("s", "m"),
    "leave_mob": lambda e: e.leave_mob("s", "m"),
    "publish": lambda e: e.publish("s", "n"),
    "record_turn": lambda e: e.record_turn("s", [user("a")]),
    "reset": lambda e: e.control.reset("s"),
    "retire": lambda e: e.retire("s"),
    "stage_context": lambda e: e.stage_context("s", "c"),
    "stage_tool_filter": lambda e: e.stage_tool_filter("s", ["t"]),
    "stage_tool_results": lambda e: e.stage_tool_results("s", [DONE]),
    "stop": lambda e: e.control.stop("s"),
    "supersede_input": lambda e: e.supersede_input("s", "i", "b"),
}


@pytest.mark.parametrize("name", VERBS)
@on_an_engine(on_file=True, **FAST)
async def test_a_verb_that_states_no_version_lands_however_often_another_engine_writes_meanwhile(
    engine: Engine, url: str, name: str
) -> None:
    await attached(engine, EchoAgent())
    if name in PREPARED:
        await PREPARED[name](engine)
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(10)
        await VERBS[name](engine)
    assert meddler.writes_left == 0


@on_an_engine(on_file=True, **FAST)
async def test_a_turn_that_states_a_version_is_stale_at_once_where_another_engine_wrote(
    engine: Engine, url: str
) -> None:
    await attached(engine, EchoAgent())
    seen = (await engine.head("s")).version
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(10)
        with pytest.raises(StaleWriter):
            await engine.record_turn("s", [user("a")], expected_version=seen)
    assert meddler.writes_left == 9


@on_an_engine(on_file=True, contention_seconds=0)
async def test_a_verb_is_stale_once_the_bound_is_reached(engine: Engine, url: str) -> None:
    await engine.register("s")
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(10)
        with pytest.raises(StaleWriter):
            await engine.publish("s", "n")
    assert meddler.writes_left == 9


# Stops


class Busy:
    """An agent that lands a boundary at each turn of the event loop, until it is stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def run_turn(self, turn: Turn) -> None:
        while True:
            await turn.boundary([says("more")])
            self.begun.set()


@pytest.mark.parametrize("verb", ["interrupt", "cancel_after_boundary"])
@on_an_engine(on_file=True, durability="normal", **FAST)
async def test_a_stop_from_another_engine_reaches_a_turn_that_writes_without_a_pause(
    engine: Engine, url: str, verb: str
) -> None:
    async with Engine.open(url, durability="normal") as other:
        agent = Busy()
        await attached(engine, agent)
        for _ in range(5):
            agent.begun.clear()
            turn = asyncio.create_task(engine.apply_turn("s", "a"))
            await agent.begun.wait()
            await getattr(other, verb)("s")
            assert isinstance((await turn).terminal, Cancelled)


@on_an_engine(on_file=True, **FAST)
async def test_a_stop_lands_however_often_the_engine_that_runs_the_turn_writes_meanwhile(
    engine: Engine, url: str
) -> None:
    async with Engine.open(url, grace_seconds=0.2) as other:
        gate = Gate()
        await attached(other, gate)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        meddler = Meddler(engine, other)
        await meddler.meddle(10)
        await engine.interrupt("s")
        assert meddler.writes_left == 0
        assert isinstance((await turn).terminal, Cancelled)


@pytest.mark.parametrize("verb", ["interrupt", "cancel_after_boundary"])
@on_an_engine(on_file=True, **FAST)
async def test_a_stop_during_the_beginning_of_a_turn_that_is_outrun_is_not_lost(
    engine: Engine, url: str, verb: str
) -> None:
    async def agent(turn: Turn) -> None:
        await turn.boundary([says("so far")])
        await asyncio.Event().wait()

    await attached(engine, agent)
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(10)
        turn = asyncio.create_task(engine.apply_turn("s", "a"))
        while meddler.writes_left > 5:  # noqa: ASYNC110 - each write is one of the loop's steps
            await asyncio.sleep(0)
        stop = asyncio.create_task(getattr(engine, verb)("s"))
        assert isinstance((await turn).terminal, Cancelled)
        await stop


@on_an_engine(**FAST)
async def test_a_stop_given_as_soon_as_a_turn_was_asked_for_ends_it(engine: Engine) -> None:
    await attached(engine, Gate())
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await asyncio.sleep(0)
    await engine.interrupt("s")
    assert isinstance((await turn).terminal, Cancelled)


@pytest.mark.parametrize("verb", ["interrupt", "cancel_after_boundary"])
@pytest.mark.parametrize("elsewhere", [True, False])
@on_an_engine(on_file=True, **FAST)
async def test_a_stop_that_names_a_run_does_not_end_the_next_one(
    engine: Engine, url: str, verb: str, elsewhere: bool
) -> None:
    gate = Gate()
    async with Engine.open(url) as other:
        stop = getattr(other if elsewhere else engine, verb)
        await attached(engine, gate)
        gate.open.set()
        await engine.apply_turn("s", "a", run_id="r1")
        gate.open.clear()
        gate.begun.clear()
        turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r2"))
        await gate.begun.wait()
        with pytest.raises(SessionNotRunning) as late:
            await stop("s", run_id="r1")
        assert late.value.data == {"session_id": "s", "run_id": "r1", "current_run_id": "r2"}
        await asyncio.sleep(0.15)  # longer than it takes to notice a stop
        gate.open.set()
        assert (await turn).terminal == Completed()
        with pytest.raises(SessionNotRunning):
            await stop("s", run_id="r2")


@pytest.mark.parametrize("verb", ["interrupt", "cancel_after_boundary"])
@pytest.mark.parametrize("elsewhere", [True, False])
@on_an_engine(on_file=True, **FAST)
async def test_a_stop_s_reason_is_recorded_and_is_the_turn_s_wherever_it_came_from(
    engine: Engine, url: str, verb: str, elsewhere: bool
) -> None:
    async with Engine.open(url) as other:
        agent = Busy()
        await attached(engine, agent)
        turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
        await agent.begun.wait()
        stopping = other if elsewhere else engine
        await getattr(stopping, verb)("s", run_id="r", reason="wrong order")
        assert (await turn).terminal == Cancelled("wrong order")
    recorded = [
        d.event.reason
        async for d in following(engine)
        if isinstance(d.event, InterruptRequested | RunCancelled)
    ]
    assert set(recorded) == {"wrong order"}


async def following(engine: Engine) -> AsyncIterator[Delivery]:
    """Yield what is recorded up to now."""
    newest = engine._core.store.recorder.settled_position()
    async for delivery in engine.subscribe():
        yield delivery
        if delivery.position == newest:
            return
