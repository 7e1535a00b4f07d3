"""Who may begin a turn: one at a time in a session, as reserved, and no more than there may be."""

import asyncio

import pytest

from perdure import (
    AtCapacity,
    Completed,
    EchoAgent,
    Engine,
    InvalidArgument,
    NoAgent,
    SessionBusy,
)
from perdure.runtime.turn.admission import Admission
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import user
from tests.support.sessions import attached
from tests.support.waiting import Gate


@on_an_engine(**FAST)
async def test_g4_one_turn_at_a_time_and_the_second_is_busy_at_once(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    first = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    with pytest.raises(SessionBusy):
        await engine.apply_turn("s", "b")
    with pytest.raises(SessionBusy):
        await engine.record_turn("s", [user("b")])
    with pytest.raises(SessionBusy):
        await engine.reserve("s")
    with pytest.raises(SessionBusy):
        await engine.attach("s", EchoAgent())
    gate.open.set()
    assert (await first).terminal == Completed()
    await engine.record_turn("s", [user("b")])


@on_an_engine()
async def test_a_reservation_keeps_others_out_until_it_is_used_or_given_back(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    async with await engine.reserve("s"):
        with pytest.raises(SessionBusy):
            await engine.apply_turn("s", "a")
        with pytest.raises(SessionBusy):
            await engine.record_turn("s", [user("a")])
    async with await engine.reserve("s") as seat:
        await engine.apply_turn("s", "a", reservation=seat)
        with pytest.raises(InvalidArgument):
            await engine.apply_turn("s", "b", reservation=seat)
    await engine.apply_turn("s", "b")
    seat = await engine.reserve("s")
    await engine.release(seat)
    await engine.release(seat)
    await engine.apply_turn("s", "c")


@on_an_engine(max_active=1, **FAST)
async def test_a_reservation_in_use_is_not_released_by_its_holder(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    await engine.register("t")
    seat = await engine.reserve("s")
    turn = asyncio.create_task(engine.apply_turn("s", "a", reservation=seat))
    await gate.begun.wait()
    await engine.release(seat)
    with pytest.raises(SessionBusy):
        await engine.reserve("s")
    with pytest.raises(AtCapacity):
        await engine.reserve("t")
    gate.open.set()
    await turn
    await engine.apply_turn("s", "b")


@on_an_engine(max_active=2, **FAST)
async def test_no_more_turns_run_than_the_engine_may(engine: Engine) -> None:
    gates = [Gate(), Gate()]
    for number, gate in enumerate(gates):
        await attached(engine, gate, f"s{number}")
    await attached(engine, EchoAgent(), "s2")
    running = [asyncio.create_task(engine.apply_turn(f"s{n}", "a")) for n in range(2)]
    for gate in gates:
        await gate.begun.wait()
    with pytest.raises(AtCapacity):
        await engine.apply_turn("s2", "a")
    for gate in gates:
        gate.open.set()
    await asyncio.gather(*running)
    await engine.apply_turn("s2", "a")


def test_a_shutdown_cancelled_as_the_last_turn_ends_is_cancelled_and_not_done() -> None:
    async def main() -> None:
        cancelled = 0
        for moments in range(6):
            admission = Admission()
            claim = admission.claim("s")
            claim.in_use = True
            shutting = asyncio.create_task(admission.shut_down(60))
            await asyncio.sleep(0)
            claim.in_use = False
            claim.release()
            for _ in range(moments):
                await asyncio.sleep(0)
            if shutting.cancel():
                cancelled += 1
                with pytest.raises(asyncio.CancelledError):
                    await shutting
        assert cancelled

    asyncio.run(main())


@on_an_engine()
async def test_a_turn_that_waits_for_a_detaching_has_no_agent_any_more(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    async with engine._core.sessions.get("s").lock:
        detaching = asyncio.create_task(engine.detach("s"))
        await asyncio.sleep(0.02)
        turn = asyncio.create_task(engine.apply_turn("s", "a"))
        await asyncio.sleep(0.02)
    await detaching
    with pytest.raises(NoAgent):
        await turn
    assert (await engine.read("s")).phase == "idle"
