"""Turns asked for again under their id: nothing runs twice, and the answer is what is recorded."""

import asyncio
import contextlib
import json
import sqlite3

import pytest

from perdure import (
    AgentFailure,
    CallbackPending,
    Conflict,
    EchoAgent,
    Engine,
    Failed,
    LogCorrupt,
    Turn,
    TurnResult,
)
from perdure.store import links
from perdure.store.sqlite.store import sqlite_path
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import CALL
from tests.support.sessions import attached
from tests.support.waiting import Gate


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


@on_an_engine(on_file=True)
async def test_a_recorded_result_that_no_run_gave_back_is_corruption(
    engine: Engine, url: str
) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(messages=[CALL], terminal=CallbackPending("ask", {}, "c-1"))

    await attached(engine, agent)
    await engine.apply_turn("s", "a", run_id="r")
    with contextlib.closing(sqlite3.connect(sqlite_path(url), isolation_level=None)) as other:
        found = "SELECT state FROM stored_events ORDER BY position DESC LIMIT 2"
        (newest,), (before,) = other.execute(found).fetchall()
        event = json.loads(newest) | {"result": None}
        del event["link"]
        body = json.dumps(event, separators=(",", ":")).encode()
        sealed, _ = links.seal(links.sealed_link(before), body)
        change = "UPDATE stored_events SET state = ? WHERE state = ?"
        other.execute(change, (sealed, newest))
        with pytest.raises(LogCorrupt, match="version 4: the result is no call that waits"):
            await engine.apply_turn("s", "a", run_id="r")
        other.execute(change, (newest, sealed))
    assert (await engine.apply_turn("s", "a", run_id="r")).duplicate
