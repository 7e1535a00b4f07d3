"""Trying again: joined runs, refusals that say whether it helps, turns that a loop goes on with."""

import asyncio

import pytest

from perdure import (
    AgentFailure,
    Completed,
    Conflict,
    EchoAgent,
    Engine,
    Failed,
    IllegalTransition,
    InputsFull,
    InvalidArgument,
    OwnerLost,
    PerdureError,
    SessionBusy,
    StaleWriter,
    Turn,
)
from tests.support.engines import FAST, Meddler, on_an_engine
from tests.support.messages import CALL, says, user
from tests.support.sessions import attached, has, ingest, said
from tests.support.waiting import Gate, until

# Runs in flight


@pytest.mark.parametrize("elsewhere", [False, True])
@on_an_engine(on_file=True, **FAST)
async def test_a_call_with_a_running_turn_s_id_joins_it_and_returns_its_result(
    engine: Engine, url: str, elsewhere: bool
) -> None:
    async with Engine.open(url, **FAST) as other:
        second = other if elsewhere else engine
        gate = Gate()
        await attached(engine, gate)
        first = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
        await gate.begun.wait()
        second._core.agents["s"] = gate
        with pytest.raises(SessionBusy) as busy:
            await second.apply_turn("s", "a", run_id="r")
        assert busy.value.data == {"session_id": "s", "run_id": "r"}
        assert "'r'" in str(busy.value)
        with pytest.raises(SessionBusy):
            await second.apply_turn("s", "a", run_id="another", join=True)
        with pytest.raises(Conflict):
            await second.apply_turn("s", "b", run_id="r", join=True)
        with pytest.raises(InvalidArgument):
            await second.apply_turn("s", "a", join=True)
        left = asyncio.create_task(second.apply_turn("s", "a", run_id="r", join=True))
        joined = asyncio.create_task(second.apply_turn("s", "a", run_id="r", join=True))
        await asyncio.sleep(0.05)
        left.cancel()
        gate.open.set()
        result = await joined
        assert (result.terminal, result.duplicate) == (Completed(), True)
        assert result.receipt == (await first).receipt
    assert await said(engine) == ["a", "done"]


@on_an_engine(on_file=True, **FAST)
async def test_a_run_whose_owner_was_lost_is_told_from_one_that_was_stopped_by_its_terminal(
    engine: Engine, url: str
) -> None:
    other = await Engine.open(url, **FAST)
    gate = Gate()
    await attached(other, gate)
    turn = asyncio.create_task(other.apply_turn("s", "a", run_id="r"))
    await gate.begun.wait()
    await other._core.ownership.release()  # as if its process had died
    joined = await engine.apply_turn("s", "a", run_id="r", join=True)
    assert joined.terminal == OwnerLost()
    await asyncio.gather(turn, return_exceptions=True)
    await other.close()


# Refusals


@on_an_engine(on_file=True, contention_seconds=0)
async def test_a_refusal_says_whether_the_same_call_can_succeed_later(
    engine: Engine, url: str
) -> None:
    await engine.register("s")
    with pytest.raises(StaleWriter) as stated:
        await engine.record_turn("s", [user("a")], expected_version=7)
    assert not stated.value.retryable
    async with Engine.open(url) as other:
        await Meddler(engine, other).meddle(10)
        with pytest.raises(StaleWriter) as outrun:
            await engine.publish("s", "n")
        assert outrun.value.retryable
    assert SessionBusy("s").retryable
    assert not PerdureError("no").retryable
    assert SessionBusy("s", "r").describe()["retryable"] is True


@on_an_engine(max_inputs=2)
async def test_a_full_queue_of_inputs_is_told_as_that_and_takes_more_once_there_is_room(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    await ingest(engine, "one")
    await ingest(engine, "two")
    with pytest.raises(InputsFull) as full:
        await ingest(engine, "three")
    assert (full.value.retryable, full.value.data["capacity"]) == (True, 2)
    assert (await engine.ingest("s", "two", input_id="in-two")).status == "duplicate"
    await engine.apply_turn("s", input_ids=["in-one"])
    await ingest(engine, "three")
    await engine.retire("s")
    with pytest.raises(IllegalTransition):
        await ingest(engine, "four")


@on_an_engine()
async def test_a_turn_that_took_every_input_leaves_no_room_until_it_ends(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    for number in range(1024):
        await engine.ingest("s", "x", input_id=f"{number}")
    turn = asyncio.create_task(engine.apply_turn("s", input_ids=[f"{n}" for n in range(1024)]))
    await gate.begun.wait()
    with pytest.raises(InputsFull):
        await engine.ingest("s", "x")
    gate.open.set()
    await turn
    await engine.ingest("s", "x")


@on_an_engine()
async def test_a_subscription_from_beyond_the_end_of_the_log_is_refused(engine: Engine) -> None:
    await engine.register("s")
    end = engine._core.position("end")
    await engine.subscribe(after=end).aclose()
    with pytest.raises(InvalidArgument) as refused:
        engine.subscribe(after=end + 1)
    assert (refused.value.data["position"], refused.value.data["end"]) == (end + 1, end)


# A loop goes on


class Unlucky:
    """An agent that lands messages and then fails, so many times, before it answers."""

    def __init__(self, failures: int, landed: dict[str, object] | None = None) -> None:
        self.failures, self.turns = failures, 0
        self._landed = says("so far") if landed is None else landed

    async def run_turn(self, turn: Turn) -> str:
        self.turns += 1
        if self.turns <= self.failures:
            await turn.boundary([self._landed])
            raise AgentFailure("overloaded", recoverable=True)
        return "done"


@on_an_engine(**FAST)
async def test_a_loop_goes_on_with_a_turn_that_failed_recoverably_behind_a_boundary(
    engine: Engine,
) -> None:
    await attached(engine, Unlucky(2))
    await engine.keep_alive("s")
    await ingest(engine, "a")
    await until(lambda: has(engine, 4))
    assert await said(engine) == ["a", "so far", "so far", "done"]


@pytest.mark.parametrize(("failures", "landed", "turns"), [(9, None, 3), (9, CALL, 1)])
@on_an_engine(**FAST)
async def test_a_loop_gives_up_after_three_turns_or_where_a_call_is_unknown(
    engine: Engine, failures: int, landed: dict[str, object] | None, turns: int
) -> None:
    agent = Unlucky(failures, landed)
    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "a")
    await until(lambda: has(engine, 1 + turns))
    await asyncio.sleep(0.4)  # longer than any retry would wait
    assert agent.turns == turns
    assert isinstance(engine._core.sessions.get("s").terminal, Failed)
