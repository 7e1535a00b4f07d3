"""What an engine shows of a session at work: its run, its tools, its peers."""

import asyncio
from typing import Any

import pytest
from engines import FAST, on_an_engine
from messages import says
from msgspec import Raw
from sessions import attached

from engine import Completed, EchoAgent, Engine, SessionNotFound, Turn
from engine.aggregates import StageToolFilter
from engine.runtime.views import (
    ExecutionSnapshot,
    ExternalToolSurfaceSnapshot,
    Operation,
    PeerIngressSnapshot,
    StagedFilter,
    ToolScopeSnapshot,
)


class Showing(EchoAgent):
    """An agent that shows everything there is to show."""

    def execution_snapshot(self) -> ExecutionSnapshot:
        return ExecutionSnapshot(
            pending_operations=(Operation(id="c", kind="tool", barrier=True),), retry_attempts=2
        )

    def tool_scope_snapshot(self) -> ToolScopeSnapshot:
        return ToolScopeSnapshot(known=("a", "b"), visible=("a",), turn_deny=("b",))

    def external_tool_surface_snapshot(self) -> ExternalToolSurfaceSnapshot:
        return ExternalToolSurfaceSnapshot(epoch=3, aligned_epoch=2)

    def peer_ingress_snapshot(self) -> PeerIngressSnapshot:
        return PeerIngressSnapshot(self_id="me", trusted_peers=("you",))


@on_an_engine()
async def test_what_an_agent_shows_is_shown_and_none_where_it_shows_nothing(
    engine: Engine,
) -> None:
    await engine.register("s")
    views = (
        engine.execution_snapshot,
        engine.tool_scope_snapshot,
        engine.external_tool_surface_snapshot,
        engine.peer_ingress_snapshot,
    )
    assert [await view("s") for view in views] == [None] * 4
    await engine.attach("s", EchoAgent())
    assert await engine.execution_snapshot("s") == ExecutionSnapshot()
    assert [await view("s") for view in views[1:]] == [None] * 3
    await engine.attach("s", Showing())
    shown = [await view("s") for view in views]
    assert shown[0] == Showing().execution_snapshot()
    assert shown[1:] == [
        Showing().tool_scope_snapshot(),
        Showing().external_tool_surface_snapshot(),
        Showing().peer_ingress_snapshot(),
    ]
    for view in views:
        with pytest.raises(SessionNotFound):
            await view("nobody")


@on_an_engine(**FAST)
async def test_the_engine_shows_the_run_its_boundaries_and_its_end(engine: Engine) -> None:
    landed, go = asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn) -> str:
        await turn.boundary([says("one")])
        landed.set()
        await go.wait()
        return "done"

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
    await landed.wait()
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert (shown.run_id, shown.boundary_count, shown.turn_phase) == ("r", 1, "running")
    await engine.cancel_after_boundary("s")
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert (shown.cancel_requested, shown.turn_phase) == (True, "cancelling")
    go.set()
    await turn
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert (shown.turn_phase, shown.run_id, shown.terminal) == ("idle", None, Completed())


@on_an_engine()
async def test_a_staged_filter_is_shown_until_a_boundary_makes_it_active(engine: Engine) -> None:
    seen: list[Any] = []

    async def agent(turn: Turn) -> str:
        seen.append(turn.tool_filter)
        return "x"

    await attached(engine, agent)
    await engine._write("s", StageToolFilter(now=engine._now(), filter=Raw(b'["a"]')))
    shown = await engine.tool_scope_snapshot("s")
    assert shown is not None
    assert (shown.active, shown.staged) == (None, StagedFilter(filter=["a"], revision=3))
    await engine.apply_turn("s", "a")
    await engine.apply_turn("s", "b")
    assert seen == [None, ["a"]]
    shown = await engine.tool_scope_snapshot("s")
    assert shown is not None
    assert (shown.active, shown.staged) == (StagedFilter(filter=["a"], revision=3), None)
