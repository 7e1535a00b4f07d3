"""Live streams: what turns emit, in order, marked, beside what is recorded, and delaying nobody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perdure import Delivery, EchoAgent, Engine, LiveEvent, Missed, Turn
from perdure.aggregates import JoinMob, LeaveMob
from perdure.runtime.watch import streams
from perdure.runtime.write import write
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import user
from tests.support.sessions import attached, running
from tests.support.waiting import until

# A session


@on_an_engine()
async def test_what_a_turn_emits_comes_along_marked_and_before_what_it_recorded(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    seen: list[Any] = []

    async def watch() -> None:
        async for one in engine.subscribe("s", live=True):
            seen.append(one)
            if isinstance(one, Delivery) and one.tag == "run-completed":
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    await engine.apply_turn("s", "hello there", run_id="r")
    await asyncio.wait_for(watching, 5)
    kinds = [one.tag if isinstance(one, Delivery) else one.payload["delta"] for one in seen]
    assert sorted(kinds) == sorted(
        ["session-registered", "session-attached", "run-begun", "hello", "there", "run-completed"]
    )
    assert kinds[-1] == "run-completed"
    live = [one for one in seen if isinstance(one, LiveEvent)]
    assert [(one.session_id, one.run_id, one.number) for one in live] == [
        ("s", "r", 1),
        ("s", "r", 2),
    ]


@on_an_engine()
async def test_what_a_turn_emits_is_kept_from_the_call_on_and_not_for_who_has_gone(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    source = engine.subscribe("s", "end", live=True)
    gone = engine.subscribe("s", "end", live=True)
    await engine.apply_turn("s", "hello", run_id="r")
    kinds = []
    while "run-completed" not in kinds:
        one = await asyncio.wait_for(anext(source), 5)
        assert not isinstance(one, Missed)
        kinds.append(one.tag if isinstance(one, Delivery) else one.payload["delta"])
    assert kinds == ["hello", "run-begun", "run-completed"]
    assert len(engine._core.streams._watching) == 2
    del gone
    await source.aclose()
    del source
    assert len(engine._core.streams._watching) == 0


@on_an_engine()
async def test_all_that_a_turn_emits_comes_before_its_recorded_end_however_late_it_is_read(
    engine: Engine,
) -> None:
    go = asyncio.Event()

    async def agent(turn: Turn) -> str:
        turn.emit("a")
        await go.wait()
        turn.emit("b")
        return "done"

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    source = engine.subscribe("s", live=True)
    seen: list[Any] = []
    while not (seen and isinstance(seen[-1], Delivery) and seen[-1].tag == "run-completed"):
        seen.append(await asyncio.wait_for(anext(source), 5))
        if isinstance(seen[-1], LiveEvent) and not go.is_set():
            go.set()
            await turn  # while the subscriber does something else
    assert [one.payload for one in seen if isinstance(one, LiveEvent)] == ["a", "b"]
    await source.aclose()


@on_an_engine()
async def test_a_slow_watcher_delays_no_turn_and_is_told_what_it_missed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BUFFERED", 3)
    await attached(engine, EchoAgent())
    source = engine.subscribe("s", live=True)
    first = await anext(source)
    assert isinstance(first, Delivery)
    await engine.apply_turn("s", "a b c d e", run_id="r")
    seen: list[Any] = [first]
    while not (isinstance(seen[-1], Delivery) and seen[-1].tag == "run-completed"):
        seen.append(await asyncio.wait_for(anext(source), 5))
    assert Missed(count=2) in seen
    assert [one.payload["delta"] for one in seen if isinstance(one, LiveEvent)] == ["c", "d", "e"]
    tags = [one.tag for one in seen if isinstance(one, Delivery)]
    assert tags == ["session-registered", "session-attached", "run-begun", "run-completed"]
    await source.aclose()


@on_an_engine(**FAST)
async def test_an_agent_that_was_left_behind_is_heard_no_more(engine: Engine) -> None:
    begun, go, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn) -> str:
        turn.emit("before")
        begun.set()
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()
        turn.emit("after")
        over.set()
        return "late"

    await attached(engine, agent)
    watching = engine._core.streams.watch("s", lambda: None)
    turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
    await begun.wait()
    await engine.interrupt("s")
    await turn
    go.set()
    await over.wait()
    assert [one.payload for one in watching.take() if isinstance(one, LiveEvent)] == ["before"]
    assert engine._core.streams._numbers == {}


# A group


@on_an_engine()
async def test_what_a_group_s_turns_emit_comes_along_whenever_the_watching_begins(
    engine: Engine,
) -> None:
    go = asyncio.Event()

    async def agent(turn: Turn) -> str:
        turn.emit(f"{turn.session.id} begins")
        await go.wait()
        turn.emit(f"{turn.session.id} ends")
        return "done"

    for name in ("m", "joins", "other"):
        await engine.register(name)
        await engine.attach(name, agent)
    await engine.join_mob("m", "crew")
    turns = [asyncio.create_task(engine.apply_turn(name, "go")) for name in ("m", "other")]
    await until(lambda: running(engine, "m", "other"))
    newest = [one.position async for one in taken(engine.subscribe(), 9)][-1]
    assert isinstance(newest, int)
    seen: list[Any] = []

    async def watch() -> None:
        async for one in engine.subscribe(after=newest, mob="crew", live=True):
            assert not isinstance(one, Missed)
            seen.append(one.payload if isinstance(one, LiveEvent) else (one.session_id, one.tag))
            if seen.count("joins ends") and ("m", "run-completed") in seen:
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    turns.append(asyncio.create_task(engine.apply_turn("joins", "go")))
    await until(lambda: running(engine, "joins"))
    await engine.join_mob("joins", "crew")  # emits and records at once
    go.set()
    await asyncio.gather(*turns)
    await asyncio.wait_for(watching, 5)
    assert [one for one in seen if isinstance(one, str) and "ends" in one] == [
        "m ends",
        "joins ends",
    ]
    assert seen.index("m ends") < seen.index(("m", "run-completed"))
    assert not [one for one in seen if "other" in one]


async def taken(source: Any, count: int) -> AsyncIterator[Any]:
    for _ in range(count):
        yield await asyncio.wait_for(anext(source), 5)


@on_an_engine()
async def test_a_group_s_events_are_those_of_its_members_from_joining_to_leaving(
    engine: Engine,
) -> None:
    for session_id in ("in", "out"):
        await engine.register(session_id)
        await engine.record_turn(session_id, [user("before")])
    await write(engine._core, "in", JoinMob(now=engine._core.now(), mob="crew"))
    for session_id in ("in", "out"):
        await engine.record_turn(session_id, [user("during")])
    middle = (await engine.head("in")).version
    await write(engine._core, "in", LeaveMob(now=engine._core.now(), mob="crew"))
    for session_id in ("in", "out"):
        await engine.record_turn(session_id, [user("after")])
    await write(engine._core, "out", JoinMob(now=engine._core.now(), mob="crew"))

    async def tags(after: int, count: int) -> list[tuple[str, str]]:
        source = engine.subscribe(mob="crew", after=after)
        found = [await asyncio.wait_for(anext(source), 5) for _ in range(count)]
        await source.aclose()
        return [(one.session_id, one.tag) for one in found if isinstance(one, Delivery)]

    during = [("in", "mob-joined"), ("in", "turn-applied"), ("in", "mob-left")]
    assert await tags(0, 4) == [*during, ("out", "mob-joined")]
    rows = list(engine._core.store.recorder.scan())
    resumed = next(row[0] for row in rows if tuple(row[1:3]) == ("in", middle - 1))
    assert await tags(resumed, 3) == [*during[1:], ("out", "mob-joined")]
