"""What the simulation has found, reduced to what it takes."""

import asyncio
import contextlib

from perdure import Cancelled, Engine, Turn
from tests.support.engines import on_an_engine


@on_an_engine(grace_seconds=0.05)
async def test_a_boundary_that_lands_as_its_agent_is_left_behind_is_in_the_run_s_output(
    engine: Engine,
) -> None:
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await turn.boundary([{"role": "assistant", "content": "so far"}])
        return "never"

    await engine.register("s")
    await engine.attach("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    lock = engine._core.sessions.get("s").lock
    async with lock:  # another writer is at work while the grace period ends
        interrupt = asyncio.create_task(engine.interrupt("s"))
        await asyncio.sleep(0.2)
    await interrupt
    out = await turn
    assert isinstance(out.terminal, Cancelled)
    assert [out.receipt] == await engine.receipts("s")
