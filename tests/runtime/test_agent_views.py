"""What an engine shows of a session at work: its run, its tools, its peers."""

import asyncio
import inspect
import json
from typing import Any

import pytest
from msgspec import Raw

from perdure import (
    Cancelled,
    Completed,
    EchoAgent,
    Engine,
    InvalidArgument,
    SessionNotFound,
    Turn,
)
from perdure.aggregates import StageToolFilter
from perdure.runtime.turn.agent_views import (
    ExecutionSnapshot,
    ExternalToolSurfaceSnapshot,
    Operation,
    PeerIngressSnapshot,
    StagedFilter,
    ToolScopeSnapshot,
)
from perdure.runtime.write import write
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import says
from tests.support.sessions import attached
from tests.support.waiting import Gate


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


HOOKS = (
    "execution_snapshot",
    "tool_scope_snapshot",
    "external_tool_surface_snapshot",
    "peer_ingress_snapshot",
)


async def views_of(engine: Engine) -> list[Any]:
    return [await getattr(engine, hook)("s") for hook in HOOKS]


@on_an_engine()
async def test_what_an_agent_shows_is_shown_and_none_where_it_shows_nothing(
    engine: Engine,
) -> None:
    await engine.register("s")
    assert await views_of(engine) == [None] * 4
    await engine.attach("s", EchoAgent())
    assert await views_of(engine) == [ExecutionSnapshot(), None, None, None]
    await engine.attach("s", Showing())
    assert await views_of(engine) == [
        Showing().execution_snapshot(),
        Showing().tool_scope_snapshot(),
        Showing().external_tool_surface_snapshot(),
        Showing().peer_ingress_snapshot(),
    ]
    for hook in HOOKS:
        with pytest.raises(SessionNotFound):
            await getattr(engine, hook)("nobody")


class ShowingGate(Showing):
    """One that shows everything while its turn waits."""

    def __init__(self) -> None:
        self.gate = Gate()

    async def run_turn(self, turn: Turn) -> Any:
        return await self.gate.run_turn(turn)


def test_what_an_agent_made_on_demand_shows_is_shown_while_it_runs(url: str) -> None:
    async def main() -> None:
        made = ShowingGate()
        async with Engine.open(url, agents=lambda _: made) as engine:
            await engine.register("s")
            assert await views_of(engine) == [None] * 4
            turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
            await made.gate.begun.wait()
            execution, *others = await views_of(engine)
            assert (execution.run_id, execution.retry_attempts) == ("r", 2)
            assert others == [
                made.tool_scope_snapshot(),
                made.external_tool_surface_snapshot(),
                made.peer_ingress_snapshot(),
            ]
            made.gate.open.set()
            await turn
            assert await views_of(engine) == [None] * 4

    asyncio.run(main())


class Asynchronous(EchoAgent):
    async def show(self) -> None:
        return None


class Unlike(EchoAgent):
    def show(self) -> Any:
        return {"known": ["a"]}


class Raising(EchoAgent):
    def show(self) -> Any:
        raise SessionNotFound("\ud800")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Speechless(EchoAgent):
    def show(self) -> Any:
        raise Unspeakable


class Cancelling(EchoAgent):
    def show(self) -> Any:
        raise asyncio.CancelledError


class Unreachable(EchoAgent):
    @property
    def show(self) -> Any:
        raise ValueError("not now")


@pytest.mark.parametrize(
    "kind", [Asynchronous, Unlike, Raising, Speechless, Cancelling, Unreachable]
)
@pytest.mark.parametrize("hook", HOOKS)
@on_an_engine()
async def test_a_hook_that_shows_nothing_of_its_kind_is_refused_by_name(
    engine: Engine, kind: Any, hook: str
) -> None:
    agent = type("Misbehaving", (EchoAgent,), {hook: vars(kind)["show"]})()
    await attached(engine, agent)
    with pytest.raises(InvalidArgument, match=hook) as refusal:
        await getattr(engine, hook)("s")
    assert (refusal.value.data["parameter"], refusal.value.data["hook"]) == ("agent", hook)
    json.dumps(refusal.value.describe(), ensure_ascii=False).encode()


@on_an_engine()
async def test_what_an_asynchronous_hook_began_is_closed(engine: Engine) -> None:
    begun = Asynchronous().show()
    agent = EchoAgent()
    agent.peer_ingress_snapshot = lambda: begun  # type: ignore[attr-defined]
    await attached(engine, agent)
    with pytest.raises(InvalidArgument, match="coroutine"):
        await engine.peer_ingress_snapshot("s")
    assert inspect.getcoroutinestate(begun) == inspect.CORO_CLOSED


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


@on_an_engine(**FAST)
async def test_the_end_that_is_shown_is_the_last_run_s_also_where_its_caller_was_cancelled(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    await engine.apply_turn("s", "a")
    gate = Gate()
    await engine.attach("s", gate)
    turn = asyncio.create_task(engine.apply_turn("s", "b"))
    await gate.begun.wait()
    turn.cancel()
    await asyncio.wait({turn})
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert shown.terminal == Cancelled("the caller was cancelled")


@on_an_engine()
async def test_a_staged_filter_is_shown_until_the_next_turn_begins_with_it(engine: Engine) -> None:
    seen: list[Any] = []

    async def agent(turn: Turn) -> str:
        seen.append(turn.tool_filter)
        return "x"

    await attached(engine, agent)
    await write(engine._core, "s", StageToolFilter(now=engine._core.now(), filter=Raw(b'["a"]')))
    shown = await engine.tool_scope_snapshot("s")
    assert shown is not None
    assert (shown.active, shown.staged) == (None, StagedFilter(filter=["a"], revision=3))
    await engine.apply_turn("s", "a")
    await engine.apply_turn("s", "b")
    assert seen == [["a"], ["a"]]
    shown = await engine.tool_scope_snapshot("s")
    assert shown is not None
    assert (shown.active, shown.staged) == (StagedFilter(filter=["a"], revision=3), None)
