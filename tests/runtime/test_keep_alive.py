"""Loops that keep a session alive: they drain, wake, try again, recover, and know when to wait."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest

from perdure import (
    AgentFailure,
    CallbackPending,
    CallsUnresolved,
    Cancelled,
    EchoAgent,
    Engine,
    Failed,
    NoAgent,
    SessionNotFound,
    StoreError,
    Turn,
    TurnResult,
)
from perdure.runtime.watch.keep_alive import Backoff, Drained, ToDo
from perdure.store.recorder import EventPlace
from tests.simulation.clock import SimulatedLoop
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import CALL
from tests.support.sessions import attached, has, ingest, running, said
from tests.support.waiting import Gate, until

RESULT: Final = {"role": "tool", "tool_call_id": "c-1", "content": "y"}


async def idle_with_nothing_queued(engine: Engine) -> bool:
    state = (await engine._core.sessions.read("s")).state
    return state.phase == "attached" and not state.work.inputs


async def idle_with_one_queued(engine: Engine) -> bool:
    state = (await engine._core.sessions.read("s")).state
    return state.phase == "attached" and bool(state.work.inputs) and state.version > 4


def watched(engine: Engine) -> list[ToDo | None]:
    """Return a list of what loops started from here on find each time they look."""
    look, found = engine._core.loops._to_do, list[ToDo | None]()

    async def looks(session_id: str) -> ToDo | None:
        found.append(await look(session_id))
        return found[-1]

    engine._core.loops._to_do = looks  # type: ignore[misc]
    return found


async def looked(found: Sequence[ToDo | None]) -> bool:
    return bool(found)


async def found_free(found: Sequence[ToDo | None]) -> bool:
    return found[-1] is not None and not found[-1].busy


class Failing:
    """An agent that fails whenever this text is in what it takes, and counts how often."""

    def __init__(self, at: str = "") -> None:
        self.at = at
        self.times = 0

    async def run_turn(self, turn: Turn) -> str:
        if self.at not in str(turn.inputs):
            return "done"
        self.times += 1
        raise AgentFailure("no", recoverable=True)


async def ended(engine: Engine) -> bool:
    return engine._core.loops.state("s") == "none"


async def forgotten(engine: Engine) -> bool:
    return not engine._core.loops._loops and engine._core.loops._following is None


async def looping(engine: Engine) -> Gate:
    """Return the gate that the turn waits at which the session's loop has begun."""
    gate = Gate()
    await attached(engine, gate)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await gate.begun.wait()
    return gate


# Draining and waking


@on_an_engine()
async def test_a_loop_drains_what_is_queued_and_wakes_for_more(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))
    await ingest(engine, "two")
    await until(lambda: has(engine, 4))
    assert await said(engine) == ["one", "one", "two", "two"]
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert shown.loop_state == "waiting"
    assert await engine.stop_loop("s")
    assert not await engine.stop_loop("s")
    await ingest(engine, "three")
    await asyncio.sleep(0.1)
    assert await has(engine, 4)


@on_an_engine(on_file=True)
async def test_a_loop_wakes_for_what_another_engine_records(engine: Engine, url: str) -> None:
    await attached(engine, EchoAgent())
    await engine.keep_alive("s")
    async with Engine.open(url) as other:
        await ingest(other, "hello")
        await until(lambda: has(engine, 2))


@on_an_engine()
async def test_loops_wake_without_reading_any_of_the_events_that_are_recorded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: Any, **__: Any) -> None:
        raise AssertionError("this reads events")

    looks = watched(engine)
    await attached(engine, EchoAgent())
    await engine.keep_alive("s")
    await until(lambda: looked(looks))
    for reads in ("rows_after", "page_after"):
        monkeypatch.setattr(engine._core.store.recorder, reads, unread)
    await ingest(engine, "one")
    await until(lambda: has(engine, 2))


@on_an_engine()
async def test_attaching_wakes_a_loop_though_nothing_is_recorded(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    engine._core.agents.clear()  # as in a process that was started again
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await asyncio.sleep(0.05)
    assert await has(engine, 0)
    await engine.attach("s", EchoAgent())
    await until(lambda: has(engine, 2))


@on_an_engine()
async def test_an_agent_attached_as_a_loops_turn_is_refused_for_want_of_one_takes_the_input(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = engine._core.loops._drain

    async def refused(session_id: str, input_ids: Sequence[str]) -> Drained:
        try:
            return await drain(session_id, input_ids)
        except NoAgent:
            await engine.attach("s", EchoAgent())
            raise

    monkeypatch.setattr(engine._core.loops, "_drain", refused)
    await engine.register("s")
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))


@on_an_engine(**FAST)
async def test_a_result_staged_as_a_loops_turn_is_refused_for_want_of_it_lets_the_loop_go_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, drain = asyncio.Event(), engine._core.loops._drain

    async def interrupted(turn: Turn) -> None:
        await turn.boundary([CALL])
        begun.set()
        await asyncio.sleep(60)

    async def refused(session_id: str, input_ids: Sequence[str]) -> Drained:
        try:
            return await drain(session_id, input_ids)
        except CallsUnresolved:
            await engine.stage_tool_results("s", [RESULT])
            raise

    await attached(engine, interrupted)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    await begun.wait()
    await engine.interrupt("s")
    await turn
    monkeypatch.setattr(engine._core.loops, "_drain", refused)
    await engine.attach("s", EchoAgent())
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 5))


@on_an_engine()
async def test_a_loop_goes_on_once_every_open_call_has_its_result(engine: Engine) -> None:
    async def agent(turn: Turn) -> Any:
        if turn.results:
            return "so be it"
        return TurnResult(messages=[CALL], terminal=CallbackPending("ask", {}, "c-1"))

    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await until(lambda: has(engine, 2))
    await engine.stage_tool_results("s", [RESULT])
    await until(lambda: has(engine, 4))


@on_an_engine()
async def test_a_loop_ends_when_a_retired_session_is_drained(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    await ingest(engine, "one")
    await engine.retire("s")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))
    await until(lambda: ended(engine))
    await until(lambda: forgotten(engine))
    await engine.archive("s")
    with pytest.raises(SessionNotFound):
        await engine.keep_alive("nobody")


# Failures


@on_an_engine()
async def test_a_loop_goes_on_when_its_session_could_not_be_read_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look, times = engine._core.loops._to_do, 0

    async def failing(session_id: str) -> ToDo | None:
        nonlocal times
        times += 1
        if times == 1:
            raise StoreError("the disk is away")
        return await look(session_id)

    monkeypatch.setattr(engine._core.loops, "_to_do", failing)
    await attached(engine, EchoAgent())
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@on_an_engine()
async def test_a_loop_that_looks_as_its_engine_closes_ends_without_a_word(
    engine: Engine, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with Engine.open(url) as other:
        looks = watched(other)
        await attached(other, EchoAgent())
        await other.keep_alive("s")
        await until(lambda: looked(looks))
        other._core.loops.wake("s")
    assert not caplog.records


def test_waits_are_twice_as_long_each_time_up_to_the_longest_until_all_is_well() -> None:
    loop, waits = SimulatedLoop(random.Random(0)), list[float]()  # noqa: S311

    async def main() -> None:
        backoff = Backoff(10, 60)
        for round_ in range(6):
            began = loop.time()
            await backoff.wait()
            waits.append(loop.time() - began)
            if round_ == 4:
                backoff.reset()

    loop.run_until_complete(main())
    loop.dispose()
    assert waits == pytest.approx([10, 20, 40, 60, 60, 10], abs=0.1)


@on_an_engine(retry_seconds=3600)
async def test_input_outlives_an_agent_that_fails_for_a_while(engine: Engine) -> None:
    agent = Failing()
    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await until(lambda: idle_with_one_queued(engine))
    await ingest(engine, "two")  # which is no reason to fail earlier
    await asyncio.sleep(0.2)
    assert [one.state for one in await engine.inputs("s")] == ["queued", "queued"]
    assert agent.times == 1
    assert await engine.stop_loop("s")


@on_an_engine(**FAST)
async def test_what_comes_after_abandoned_input_does_not_wait_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, wait, waits = Failing("bad"), Backoff.wait, list[int]()

    async def counted(backoff: Backoff) -> None:
        waits.append(agent.times)
        await wait(backoff)

    async def states(*expected: str) -> bool:
        return [one.state for one in await engine.inputs("s")] == [*expected]

    monkeypatch.setattr(Backoff, "wait", counted)
    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "bad")
    await until(lambda: states("abandoned"))
    await ingest(engine, "good")
    await until(lambda: states("abandoned", "consumed"))
    assert agent.times == 3
    assert waits == [1, 2]


@on_an_engine(**FAST)
async def test_a_loop_tries_a_failed_turn_again_until_its_inputs_are_abandoned(
    engine: Engine,
) -> None:
    agent = Failing()
    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await until(lambda: idle_with_nothing_queued(engine))
    assert agent.times == 3
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert shown.terminal == Failed("turn", "no", recoverable=True)


@pytest.mark.parametrize("lease_seconds", [0.3, 3600], ids=["expiring", "held"])
@on_an_engine(on_file=True, lease_seconds=3600)
async def test_a_loop_recovers_what_a_dead_owner_left_and_goes_on(
    engine: Engine, url: str, lease_seconds: float
) -> None:
    lost = await Engine.open(url, lease_seconds=lease_seconds, grace_seconds=0.1)
    await attached(lost, Gate())
    await ingest(lost, "one")
    turn = asyncio.create_task(lost.apply_turn("s", input_ids=["in-one"]))
    await until(lambda: running(engine, "s"))
    found = watched(engine)
    await engine.keep_alive("s")
    engine._core.agents["s"] = EchoAgent()
    await until(lambda: looked(found))
    await lost._core.ownership.release()  # as if its process had died
    await until(lambda: found_free(found))  # and nobody else has looked
    await until(lambda: has(engine, 2))
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    await lost.close()


@on_an_engine()
async def test_a_loop_survives_a_log_that_cannot_be_read_for_a_moment(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, times = engine._core.loops._follow, 0

    def failing(after: int) -> Any:
        nonlocal times
        times += 1
        if times == 1:
            raise StoreError("the disk is away")
        return follow(after)

    monkeypatch.setattr(engine._core.loops, "_follow", failing)
    await attached(engine, EchoAgent())
    await engine.keep_alive("s")
    await asyncio.sleep(0.2)
    await ingest(engine, "one")
    await until(lambda: has(engine, 2))
    assert times >= 2


@on_an_engine()
async def test_what_is_recorded_before_the_log_is_first_followed_wakes_a_loop_that_has_looked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, looks, times = engine._core.loops._follow, watched(engine), 0

    async def failing(after: int) -> AsyncIterator[Sequence[EventPlace]]:
        nonlocal times
        times += 1
        if times == 1:
            await until(lambda: looked(looks))
            await ingest(engine, "one")
            raise StoreError("the disk is away")
        async for places in follow(after):
            yield places

    monkeypatch.setattr(engine._core.loops, "_follow", failing)
    await attached(engine, EchoAgent())
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))


# Interrupts


@on_an_engine()
async def test_a_loop_is_stopped_at_whatever_moment_of_its_waking(engine: Engine) -> None:
    looks = watched(engine)
    await engine.register("s")
    for moments in range(10):
        looks.clear()
        await engine.keep_alive("s")
        await until(lambda: looked(looks))
        engine._core.loops.wake("s")
        for _ in range(moments):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await engine.stop_loop("s")


@on_an_engine(**FAST)
async def test_what_is_recorded_just_after_an_interrupted_turn_of_a_loop_is_something_new(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, drain, times = asyncio.Event(), engine._core.loops._drain, 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        if times == 1:
            begun.set()
            await asyncio.sleep(60)
        return "done"

    async def followed(session_id: str, input_ids: Sequence[str]) -> Drained:
        drained = await drain(session_id, input_ids)
        if isinstance(drained.terminal, Cancelled):
            await engine.publish("s", "go on")
        return drained

    monkeypatch.setattr(engine._core.loops, "_drain", followed)
    await attached(engine, agent)
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await begun.wait()
    await engine.interrupt("s")
    await until(lambda: idle_with_nothing_queued(engine))
    assert times == 2


@on_an_engine(**FAST)
async def test_stopping_a_loop_interrupts_its_turn_and_gives_its_input_back(
    engine: Engine,
) -> None:
    gate = Gate()
    await attached(engine, gate)
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await gate.begun.wait()
    assert await engine.stop_loop("s")
    state = (await engine._core.sessions.read("s")).state
    assert (state.phase, list(state.work.inputs)) == ("attached", ["in-one"])


@on_an_engine(**FAST)
async def test_an_interrupted_turn_of_a_loop_waits_for_something_new(engine: Engine) -> None:
    begun = asyncio.Event()
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        if times == 1:
            begun.set()
            await asyncio.sleep(60)
        return "done"

    await attached(engine, agent)
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await begun.wait()
    await engine.interrupt("s")
    await asyncio.sleep(0.1)
    assert times <= 2
    await ingest(engine, "two")
    await until(lambda: idle_with_nothing_queued(engine))


@on_an_engine(**FAST)
async def test_an_interrupted_turn_of_a_loop_is_not_run_again_by_itself(engine: Engine) -> None:
    times = 0
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        begun.set()
        await asyncio.sleep(60)
        return "never"

    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await begun.wait()
    await engine.interrupt("s")
    await asyncio.sleep(0.3)
    assert times == 1
    begun.clear()
    await engine.publish("s", "go on")
    await begun.wait()
    assert times == 2
    await engine.stop_loop("s")


@on_an_engine(**FAST)
async def test_a_loop_started_while_the_one_before_is_stopped_goes_on(engine: Engine) -> None:
    gate = await looping(engine)
    stopped, _ = await asyncio.gather(engine.stop_loop("s"), engine.keep_alive("s"))
    assert stopped is True
    gate.open.set()
    await engine.publish("s", "look again")
    await until(lambda: idle_with_nothing_queued(engine))
    await until(lambda: waiting(engine))


@on_an_engine(**FAST)
async def test_archiving_drains_beside_the_loop_that_does(engine: Engine) -> None:
    gate = await looping(engine)
    await ingest(engine, "two")
    archiving = asyncio.create_task(engine.archive("s", pending="drain"))
    await asyncio.sleep(0.1)
    assert not archiving.done()
    gate.open.set()
    assert (await archiving).phase == "archived"
    assert {one.state for one in await engine.inputs("s")} == {"consumed"}


@on_an_engine(**FAST)
async def test_input_that_came_during_an_interrupted_turn_is_drained(engine: Engine) -> None:
    gate = await looping(engine)
    await ingest(engine, "two")
    gate.open.set()  # for the turns to come
    gate.heeds = True
    await engine.interrupt("s")
    await until(lambda: idle_with_nothing_queued(engine))
    assert {one.state for one in await engine.inputs("s")} == {"consumed"}


@on_an_engine(lease_seconds=0.2, **FAST)
async def test_an_interrupted_turn_is_not_tried_again_while_nothing_is_new(engine: Engine) -> None:
    gate = await looping(engine)
    gate.begun.clear()
    await engine.interrupt("s")
    found = watched(engine)
    engine._core.loops._loops["s"]._to_do = engine._core.loops._to_do  # type: ignore[misc]
    await until(lambda: looked_often(found))
    assert not gate.begun.is_set()
    await engine.attach("s", EchoAgent())
    await until(lambda: idle_with_nothing_queued(engine))


@on_an_engine(**FAST)
async def test_a_loop_looks_again_by_itself_only_while_another_s_turn_runs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.runtime.watch.keep_alive.OWNER_SECONDS", 0.01)
    found = watched(engine)
    await attached(engine, gate := Gate())
    await engine.keep_alive("s")
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    await until(lambda: looked_often([one for one in found if one is not None and one.busy]))
    gate.open.set()
    await turn
    await until(lambda: found_free(found))
    looks = len(found)
    await asyncio.sleep(0.2)
    assert len(found) < looks + 5  # it may still be told of the turn's end


async def waiting(engine: Engine) -> bool:
    return engine._core.loops.state("s") == "waiting"


async def looked_often(found: Sequence[ToDo | None]) -> bool:
    return len(found) > 3
