"""A caller's cancellation comes back as itself: anyio's scopes know theirs by its exception."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from perdure import Cancelled, Engine, Turn
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import says, user
from tests.support.sessions import attached
from tests.support.waiting import Gate

anyio = pytest.importorskip("anyio")

VERBS: dict[str, Callable[[Engine], Awaitable[object]]] = {
    "apply_turn": lambda e: e.apply_turn("s", "a"),
    "record_turn": lambda e: e.record_turn("s", [user("a")]),
    "detach": lambda e: e.detach("s"),
    "archive": lambda e: e.archive("s"),
    "stop": lambda e: e.control.stop("s"),
}


@pytest.mark.parametrize("steps", range(12))
@pytest.mark.parametrize("name", VERBS)
@on_an_engine(**FAST)
async def test_a_scope_that_is_cancelled_during_a_verb_catches_its_own_cancellation(
    engine: Engine, name: str, steps: int
) -> None:
    await attached(engine, Gate())
    engine._core.writer._submissions._give_way_at = 0.0  # the commit waits for the loop's tasks
    ended = False
    with anyio.CancelScope() as scope:
        cancelling = asyncio.create_task(_cancel_later(scope, steps))
        await VERBS[name](engine)
        ended = True
    assert ended or scope.cancelled_caught
    await cancelling
    assert (await engine.control.runtime_state("s")).current_run is None


async def _cancel_later(scope: Any, steps: int) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)
    scope.cancel()


@on_an_engine(**FAST)
async def test_a_turn_that_its_caller_no_longer_waits_for_ends_and_the_caller_goes_on(
    engine: Engine,
) -> None:
    await attached(engine, Gate())
    with anyio.move_on_after(0.05) as scope:
        await engine.apply_turn("s", "a", run_id="r1")
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError), anyio.fail_after(0.05):
        await engine.apply_turn("s", "a", run_id="r2")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await engine.apply_turn("s", "a", run_id="r3")
    async with anyio.create_task_group() as group:
        group.start_soon(engine.apply_turn, "s", "a")
        await asyncio.sleep(0.05)
        group.cancel_scope.cancel()
    for run_id in ("r1", "r2", "r3"):
        again = await engine.apply_turn("s", "a", run_id=run_id)
        assert isinstance(again.terminal, Cancelled)


@pytest.mark.parametrize("steps", range(8))
@on_an_engine(**FAST)
async def test_an_agent_s_own_scope_around_a_boundary_catches_its_own_cancellation(
    engine: Engine, steps: int
) -> None:
    async def agent(turn: Turn) -> str:
        with anyio.CancelScope() as scope:
            cancelling = asyncio.create_task(_cancel_later(scope, steps))
            await turn.boundary([says("so far")])
        await cancelling
        return "went on"

    await attached(engine, agent)
    engine._core.writer._submissions._give_way_at = 0.0
    out = await engine.apply_turn("s", "a")
    assert out.terminal.__class__.__name__ == "Completed"


@pytest.mark.parametrize("steps", range(4))
def test_a_scope_that_is_cancelled_during_the_opening_catches_its_own_cancellation(
    url: str, steps: int
) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            cancelling = asyncio.create_task(_cancel_later(scope, steps))
            async with Engine.open(url):
                await asyncio.Event().wait()
        assert scope.cancelled_caught
        await cancelling

    asyncio.run(main())
