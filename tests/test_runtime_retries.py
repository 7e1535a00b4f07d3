"""Turns asked for again under their id: nothing runs twice, and the answer is what is recorded."""

import asyncio

import pytest
from engines import FAST, on_an_engine
from sessions import attached
from waiting import Gate

from engine import AgentFailure, Conflict, EchoAgent, Engine, Failed, Turn


@on_an_engine()
async def test_g3_a_retried_turn_runs_nothing_and_returns_what_is_recorded(engine: Engine) -> None:
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        return "x"

    await attached(engine, agent)
    first = await engine.apply_turn("s", "a", run_id="r")
    again = await engine.apply_turn("s", "a", run_id="r")
    assert times == 1
    assert again.duplicate
    assert (again.receipt, again.terminal) == (first.receipt, first.terminal)
    with pytest.raises(Conflict):
        await engine.apply_turn("s", "b", run_id="r")
    with pytest.raises(Conflict):
        await engine.apply_turn("s", "a", run_id="r", boundary="immediate")


@on_an_engine()
async def test_c_a_failed_turn_is_not_run_again_under_the_same_id(engine: Engine) -> None:
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        raise AgentFailure("the provider is down", recoverable=True)

    await attached(engine, agent)
    first = await engine.apply_turn("s", "a", run_id="r")
    again = await engine.apply_turn("s", "a", run_id="r")
    assert first.terminal == again.terminal == Failed("turn", "the provider is down", True)
    assert times == 1
    await engine.apply_turn("s", "a", run_id="r-2")
    assert times == 2


@on_an_engine(**FAST)
async def test_g3_a_retry_of_a_finished_run_is_answered_while_another_turn_runs(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    first = await engine.apply_turn("s", "a", run_id="r")
    gate = Gate()
    await engine.attach("s", gate)
    turn = asyncio.create_task(engine.apply_turn("s", "b"))
    await gate.begun.wait()
    again = await engine.apply_turn("s", "a", run_id="r")
    assert (again.receipt, again.duplicate) == (first.receipt, True)
    with pytest.raises(Conflict):
        await engine.apply_turn("s", "other", run_id="r")
    gate.open.set()
    await turn
