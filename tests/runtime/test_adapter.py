"""The runtime adapter: one for all, and alone in control of what the machine has taken."""

import asyncio
import gc

import pytest

from perdure import AuthorityRequired, Cancelled, Engine, IllegalTransition, SessionNotFound
from perdure.machines import LIFECYCLE, Token
from tests.support.engines import FAST, on_an_engine
from tests.support.sessions import attached, has, ingest
from tests.support.waiting import Gate, until


@on_an_engine(**FAST)
async def test_there_is_one_adapter_for_all_who_ask_and_none_once_nobody_holds_it(
    engine: Engine,
) -> None:
    one, two = await engine.runtime_adapter(), await engine.runtime_adapter()
    assert one is two
    with pytest.raises(SessionNotFound):
        await one.take("no such session")
    assert not engine._core.machine_owned
    known = id(one)
    del one, two
    gc.collect()
    assert engine._core.adapter is not None
    assert engine._core.adapter() is None
    assert await engine.runtime_adapter() is not None
    assert known


@on_an_engine(**FAST)
async def test_the_machine_s_control_needs_the_machine_s_token(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    for forged in (Token(), object()):
        with pytest.raises(AuthorityRequired):
            await engine.interrupt("s", authority=forged)  # type: ignore[arg-type]
    with pytest.raises(AuthorityRequired):
        await engine.interrupt("s", authority=LIFECYCLE.token)  # the law's own is no engine's
    adapter = await engine.runtime_adapter()
    await engine.interrupt("s", authority=adapter.authority)
    assert isinstance((await turn).terminal, Cancelled)


@on_an_engine(**FAST)
async def test_a_session_that_the_machine_has_taken_is_controlled_through_it_alone(
    engine: Engine,
) -> None:
    gate = Gate()
    await engine.register("s")
    with pytest.raises(AuthorityRequired, match="not the token of this engine's runtime adapter"):
        await engine.interrupt("s", authority=5)  # type: ignore[arg-type]
    adapter = await engine.runtime_adapter()
    await adapter.take("s", gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    with pytest.raises(AuthorityRequired, match="belongs to the machine"):
        await engine.interrupt("s")
    with pytest.raises(AuthorityRequired):
        await engine.cancel_after_boundary("s")
    await adapter.cancel_after_boundary("s")
    await adapter.interrupt("s", reason="the machine says so")
    assert (await turn).terminal == Cancelled("the machine says so")
    gate.begun.clear()
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    await adapter.give_back("s")
    with pytest.raises(AuthorityRequired):  # it began as the machine's
        await engine.interrupt("s")
    await adapter.interrupt("s")
    await turn
    gate.begun.clear()
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    await engine.interrupt("s")
    await turn


@on_an_engine(**FAST)
async def test_the_first_turn_of_a_loop_that_the_machine_starts_is_the_machine_s(
    engine: Engine,
) -> None:
    gate = Gate()
    await engine.register("s")
    await ingest(engine, "one")
    adapter = await engine.runtime_adapter()
    await adapter.take("s", gate, keep_alive=True)
    await gate.begun.wait()
    await adapter.give_back("s")  # but for the turn that runs
    with pytest.raises(AuthorityRequired, match="belongs to the machine"):
        await engine.interrupt("s")
    gate.open.set()
    await until(lambda: has(engine, 2))


@on_an_engine(**FAST)
async def test_what_has_ended_is_not_taken_to_be_kept_alive(engine: Engine) -> None:
    await engine.register("s")
    await engine.archive("s")
    adapter = await engine.runtime_adapter()
    with pytest.raises(IllegalTransition, match="cannot keep_alive session 's': it is archived"):
        await adapter.take("s", keep_alive=True)
    assert not engine._core.machine_owned
    assert engine._core.loops.state("s") == "none"


@on_an_engine(on_file=True, **FAST)
async def test_what_the_machine_has_taken_is_not_interrupted_from_another_engine_either(
    engine: Engine, url: str
) -> None:
    gate = Gate()
    await engine.register("s")
    adapter = await engine.runtime_adapter()
    await adapter.take("s", gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    async with Engine.open(url) as other:
        with pytest.raises(AuthorityRequired):
            await other.interrupt("s")
        with pytest.raises(AuthorityRequired):
            await other.cancel_after_boundary("s")
        theirs = await other.runtime_adapter()
        await theirs.interrupt("s")
    assert isinstance((await turn).terminal, Cancelled)
