"""What an engine does by itself: loops, checkpointers, live streams; and what it shows."""

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from engines import on_an_engine
from msgspec import Raw

from engine import (
    AgentFailure,
    AuthorityRequired,
    CallbackPending,
    Cancelled,
    CheckpointPolicy,
    Completed,
    Conflict,
    Delivery,
    EchoAgent,
    Engine,
    Failed,
    LiveEvent,
    Missed,
    SessionNotFound,
    StoreError,
    Turn,
    TurnResult,
)
from engine.aggregates import AcceptInput, JoinMob, LeaveMob, StageToolFilter, encode_messages
from engine.runtime import streams
from engine.runtime.views import (
    ExecutionSnapshot,
    ExternalToolSurfaceSnapshot,
    Operation,
    PeerIngressSnapshot,
    StagedFilter,
    ToolScopeSnapshot,
)
from engine.store import links

FAST = {"grace_seconds": 0.2}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Wait until the async condition holds."""
    for _ in range(int(seconds / 0.01)):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def ingest(engine: Engine, text: str, session_id: str = "s", **fields: Any) -> str:
    input_id = f"in-{text}"
    await engine._write(
        session_id,
        AcceptInput(
            now=engine._now(), input_id=input_id, messages=encode_messages([user(text)]), **fields
        ),
    )
    return input_id


async def said(engine: Engine, session_id: str = "s") -> list[str]:
    return [m["content"] for m in (await engine.history(session_id)).messages]


# Loops


@on_an_engine()
async def test_a_loop_drains_what_is_queued_and_wakes_for_more(engine: Engine) -> None:
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))
    await ingest(engine, "two")
    await until(lambda: has(engine, 4))
    assert await said(engine) == ["one", "one", "two", "two"]
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert shown.loop_state == "waiting"
    assert await engine.stop_loop("s")
    assert not await engine.stop_loop("s")
    await ingest(engine, "three")
    await asyncio.sleep(0.1)
    assert await has(engine, 4)


async def has(engine: Engine, messages: int) -> bool:
    return (await engine.read("s")).message_count == messages


@on_an_engine()
async def test_a_loop_wakes_for_what_another_engine_records(engine: Engine, url: str) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    await engine.keep_alive("s")
    async with Engine.open(url) as other:
        await ingest(other, "hello")
        await until(lambda: has(engine, 2))


@on_an_engine()
async def test_a_loop_tries_a_failed_turn_again_until_its_inputs_are_abandoned(
    engine: Engine,
) -> None:
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        raise AgentFailure("no", recoverable=True)

    await engine.register("s")
    await engine.attach("s", agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await until(lambda: idle_with_nothing_queued(engine))
    assert times == 3
    shown = await engine.execution_snapshot("s")
    assert shown is not None
    assert shown.terminal == Failed("turn", "no", recoverable=True)


async def idle_with_nothing_queued(engine: Engine) -> bool:
    state = (await engine._live.read("s")).state
    return state.phase == "attached" and not state.work.inputs


@on_an_engine()
async def test_a_loop_ends_when_a_retired_session_is_drained(engine: Engine) -> None:
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    await ingest(engine, "one")
    await engine.retire("s")
    await engine.keep_alive("s")
    await until(lambda: has(engine, 2))
    await until(lambda: ended(engine))
    await engine.archive("s")
    with pytest.raises(SessionNotFound):
        await engine.keep_alive("nobody")


async def ended(engine: Engine) -> bool:
    return engine._loops.state("s") == "none"


@on_an_engine(**FAST)
async def test_stopping_a_loop_interrupts_its_turn_and_gives_its_input_back(
    engine: Engine,
) -> None:
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await asyncio.sleep(60)
        return "never"

    await engine.register("s")
    await engine.attach("s", agent)
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await begun.wait()
    assert await engine.stop_loop("s")
    state = (await engine._live.read("s")).state
    assert (state.phase, list(state.work.inputs)) == ("attached", ["in-one"])


@on_an_engine(**FAST)
async def test_an_interrupted_turn_of_a_loop_waits_for_something_new(engine: Engine) -> None:
    begun = asyncio.Event()
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        if times == 1:
            begun.set()
            await asyncio.sleep(60)
        return "done"

    await engine.register("s")
    await engine.attach("s", agent)
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await begun.wait()
    await engine.interrupt("s")
    await asyncio.sleep(0.1)
    assert times <= 2
    await ingest(engine, "two")
    await until(lambda: idle_with_nothing_queued(engine))


@on_an_engine(**FAST)
async def test_steering_reaches_the_running_turn_at_its_next_boundary(engine: Engine) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    steered: list[str] = []

    async def agent(turn: Turn) -> str:
        begun.set()
        await go.wait()
        landed = await turn.boundary([{"role": "assistant", "content": "so far"}])
        steered.extend(item.id for item in landed.steered)
        return "done"

    await engine.register("s")
    await engine.attach("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    await begun.wait()
    await ingest(engine, "left", lane="steer")
    await ingest(engine, "later")
    go.set()
    out = await turn
    assert steered == ["in-left"]
    assert out.receipt is not None
    assert out.receipt.contributing_input_ids == ("in-left",)
    assert await said(engine) == ["go", "so far", "left", "done"]


# Checkpointers


async def checkpoints(engine: Engine, session_id: str = "s") -> int:
    rows = engine._store.recorder.select_events(session_id)
    return sum(row.topic == "session-checkpointed" for row in rows)


@on_an_engine(checkpoints=CheckpointPolicy(turns=2))
async def test_a_session_is_checkpointed_by_itself_every_so_many_turns(engine: Engine) -> None:
    await engine.register("s")
    for number in range(6):
        await engine.record_turn("s", [user(str(number))])
        await asyncio.sleep(0.01)
    await until(lambda: at_least(engine, 3))
    assert await checkpoints(engine) == 3


async def at_least(engine: Engine, count: int) -> bool:
    return await checkpoints(engine) >= count


@on_an_engine(checkpoints=CheckpointPolicy(message_bytes=1000))
async def test_a_session_is_checkpointed_by_itself_every_so_many_bytes(engine: Engine) -> None:
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    await engine.apply_turn("s", "small")
    await engine.apply_turn("s", "x" * 1000)
    await until(lambda: at_least(engine, 1))


@on_an_engine(checkpoints=CheckpointPolicy(message_bytes=1000), **FAST)
async def test_a_run_that_lands_many_boundaries_is_checkpointed_as_their_bytes_land(
    engine: Engine,
) -> None:
    async def agent(turn: Turn) -> str:
        for _ in range(2):
            await turn.boundary([user("x" * 600)])
        await turn.scope.wait()
        return "never"

    await engine.register("s")
    await engine.attach("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    await until(lambda: at_least(engine, 1))
    assert (await engine.read("s")).phase == "running"
    await engine.interrupt("s")
    await turn
    assert await checkpoints(engine) == 1


@on_an_engine(checkpoints=CheckpointPolicy(message_bytes=1000))
async def test_context_that_is_appended_counts_as_bytes_that_landed(engine: Engine) -> None:
    await engine.register("s")
    await engine.append_context("s", "x" * 600)
    await engine.stage_context("s", "x" * 600)
    await asyncio.sleep(0.05)
    assert await checkpoints(engine) == 0
    await engine.append_context("s", "y" * 600)
    await until(lambda: at_least(engine, 1))


@on_an_engine(checkpoints=CheckpointPolicy(turns=2), **FAST)
async def test_a_run_counts_as_one_turn_however_many_boundaries_it_lands(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        for number in range(5):
            await turn.boundary([user(str(number))])
        return "done"

    await engine.register("s")
    await engine.attach("s", agent)
    await engine.apply_turn("s", "one")
    await asyncio.sleep(0.05)
    assert await checkpoints(engine) == 0
    await engine.apply_turn("s", "two")
    await until(lambda: at_least(engine, 1))


@on_an_engine(checkpoints=CheckpointPolicy(seconds=0.05), **FAST)
async def test_a_run_is_checkpointed_by_itself_some_time_after_its_first_boundary(
    engine: Engine,
) -> None:
    async def agent(turn: Turn) -> str:
        await turn.boundary()
        await turn.scope.wait()
        return "never"

    await engine.register("s")
    await engine.attach("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    await until(lambda: at_least(engine, 1))
    assert (await engine.read("s")).phase == "running"
    await engine.interrupt("s")
    await turn


@on_an_engine(checkpoints=CheckpointPolicy(seconds=0.05))
async def test_a_session_is_checkpointed_by_itself_some_time_after_a_turn(engine: Engine) -> None:
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    assert await checkpoints(engine) == 0
    await until(lambda: at_least(engine, 1))
    await asyncio.sleep(0.15)
    assert await checkpoints(engine) == 1


@on_an_engine(checkpoints=CheckpointPolicy(seconds=0.05))
async def test_a_checkpoint_that_was_due_while_cancelled_is_taken_once_rearmed(
    engine: Engine,
) -> None:
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    await engine.cancel_all_checkpointers()
    await asyncio.sleep(0.15)
    assert await checkpoints(engine) == 0
    await engine.rearm_all_checkpointers()
    await until(lambda: at_least(engine, 1))
    await engine.record_turn("s", [user("b")])
    await until(lambda: at_least(engine, 2))


@on_an_engine(checkpoints=CheckpointPolicy(turns=1))
async def test_cancelled_checkpointers_take_nothing_until_they_are_rearmed(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    await until(lambda: at_least(engine, 1))
    engine._checkpointers.landed("s", ())  # the session is known from here on
    await until(lambda: at_least(engine, 1))
    await engine.cancel_all_checkpointers()
    await engine.register("t")
    await engine.record_turn("t", [user("a")])
    await asyncio.sleep(0.05)
    assert await checkpoints(engine, "t") == 0
    await engine.rearm_all_checkpointers()
    await engine.record_turn("t", [user("b")])
    await until(lambda: at_least_in(engine, "t", 1))
    await engine.record_turn("t", [user("c")])
    await engine.archive("t")
    await asyncio.sleep(0.05)
    await engine.rearm_all_checkpointers()
    assert not caplog.records


async def at_least_in(engine: Engine, session_id: str, count: int) -> bool:
    return await checkpoints(engine, session_id) >= count


@on_an_engine()
async def test_a_snapshot_that_came_with_a_commit_is_kept_only_if_the_log_agrees(
    engine: Engine,
) -> None:
    await engine.register("s")
    await engine.register("other")
    for session_id in ("s", "other"):
        await engine.record_turn(session_id, [user("x" * 1_100_000)])
    snapshot = engine._store.derived.snapshot("s")
    for _ in range(100):
        if snapshot is not None:
            break
        await asyncio.sleep(0.02)
        snapshot = engine._store.derived.snapshot("s")
    assert snapshot is not None
    engine._store.derived.clear()
    await engine.checkpoint_committed("s", snapshot[1])
    assert engine._store.derived.snapshot("s") == snapshot
    forged = json.loads(snapshot[1]) | {"runs": {}}
    del forged["link"]
    head = await engine.head("s")
    sealed, _ = links.seal(head.link, json.dumps(forged, separators=(",", ":")).encode())
    for wrong in (
        snapshot[1].replace(b"idle", b"gone"),
        b"{}",
        b"\xff",
        b'{"version":99}',
        b'{"version":-1}',
        sealed,  # with the log's own head, which is no secret
    ):
        with pytest.raises(Conflict):
            await engine.checkpoint_committed("s", wrong)
    with pytest.raises(Conflict):
        await engine.checkpoint_committed("other", snapshot[1])
    with pytest.raises(SessionNotFound):
        await engine.checkpoint_committed("nobody", snapshot[1])


# Live streams


@on_an_engine()
async def test_what_a_turn_emits_comes_along_marked_and_before_what_it_recorded(
    engine: Engine,
) -> None:
    await engine.register("s")
    await engine.attach("s", EchoAgent())
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
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    source = engine.subscribe("s", "end", live=True)
    gone = engine.subscribe("s", "end", live=True)
    await engine.apply_turn("s", "hello", run_id="r")
    kinds = []
    while "run-completed" not in kinds:
        one = await asyncio.wait_for(anext(source), 5)
        kinds.append(one.tag if isinstance(one, Delivery) else one.payload["delta"])
    assert kinds == ["hello", "run-begun", "run-completed"]
    assert len(engine._streams._watching) == 2
    del gone
    await source.aclose()  # type: ignore[attr-defined]
    del source
    assert len(engine._streams._watching) == 0


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

    await engine.register("s")
    await engine.attach("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    source = engine.subscribe("s", live=True)
    seen: list[Any] = []
    while not (seen and isinstance(seen[-1], Delivery) and seen[-1].tag == "run-completed"):
        seen.append(await asyncio.wait_for(anext(source), 5))
        if isinstance(seen[-1], LiveEvent) and not go.is_set():
            go.set()
            await turn  # while the subscriber does something else
    assert [one.payload for one in seen if isinstance(one, LiveEvent)] == ["a", "b"]
    await source.aclose()  # type: ignore[attr-defined]


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


async def running(engine: Engine, *names: str) -> bool:
    return all([(await engine.read(name)).phase == "running" for name in names])


async def taken(source: Any, count: int) -> AsyncIterator[Any]:
    for _ in range(count):
        yield await asyncio.wait_for(anext(source), 5)


@on_an_engine()
async def test_a_slow_watcher_delays_no_turn_and_is_told_what_it_missed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BUFFERED", 3)
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    source = engine.subscribe("s", live=True)
    first = await anext(source)
    assert isinstance(first, Delivery)
    await engine.apply_turn("s", "a b c d e", run_id="r")
    seen = [first]
    while not (isinstance(seen[-1], Delivery) and seen[-1].tag == "run-completed"):
        seen.append(await asyncio.wait_for(anext(source), 5))
    assert Missed(count=2) in seen
    assert [one.payload["delta"] for one in seen if isinstance(one, LiveEvent)] == ["c", "d", "e"]
    tags = [one.tag for one in seen if isinstance(one, Delivery)]
    assert tags == ["session-registered", "session-attached", "run-begun", "run-completed"]
    await source.aclose()  # type: ignore[attr-defined]


@on_an_engine()
async def test_a_group_s_events_are_those_of_its_members_from_joining_to_leaving(
    engine: Engine,
) -> None:
    for session_id in ("in", "out"):
        await engine.register(session_id)
        await engine.record_turn(session_id, [user("before")])
    await engine._write("in", JoinMob(now=engine._now(), mob="crew"))
    for session_id in ("in", "out"):
        await engine.record_turn(session_id, [user("during")])
    middle = (await engine.head("in")).version
    await engine._write("in", LeaveMob(now=engine._now(), mob="crew"))
    for session_id in ("in", "out"):
        await engine.record_turn(session_id, [user("after")])
    await engine._write("out", JoinMob(now=engine._now(), mob="crew"))

    async def tags(after: int, count: int) -> list[tuple[str, str]]:
        source = engine.subscribe(mob="crew", after=after)
        found = [await asyncio.wait_for(anext(source), 5) for _ in range(count)]
        await source.aclose()  # type: ignore[attr-defined]
        return [(one.session_id, one.tag) for one in found]

    during = [("in", "mob-joined"), ("in", "turn-applied"), ("in", "mob-left")]
    assert await tags(0, 4) == [*during, ("out", "mob-joined")]
    rows = list(engine._store.recorder.scan())
    resumed = next(row[0] for row in rows if tuple(row[1:3]) == ("in", middle - 1))
    assert await tags(resumed, 3) == [*during[1:], ("out", "mob-joined")]


# Views


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
        await turn.boundary([{"role": "assistant", "content": "one"}])
        landed.set()
        await go.wait()
        return "done"

    await engine.register("s")
    await engine.attach("s", agent)
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

    await engine.register("s")
    await engine.attach("s", agent)
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


# The adapter


@on_an_engine(**FAST)
async def test_there_is_one_adapter_for_all_who_ask_and_none_once_nobody_holds_it(
    engine: Engine,
) -> None:
    one, two = await engine.runtime_adapter(), await engine.runtime_adapter()
    assert one is two
    with pytest.raises(SessionNotFound):
        await one.take("no such session")
    assert not engine._machine_owned
    known = id(one)
    del one, two
    gc.collect()
    assert engine._adapter is not None
    assert engine._adapter() is None
    assert await engine.runtime_adapter() is not None
    assert known


@on_an_engine(**FAST)
async def test_a_session_that_the_machine_has_taken_is_controlled_through_it_alone(
    engine: Engine,
) -> None:
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await asyncio.sleep(60)
        return "never"

    await engine.register("s")
    adapter = await engine.runtime_adapter()
    await adapter.take("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    with pytest.raises(AuthorityRequired):
        await engine.interrupt("s")
    with pytest.raises(AuthorityRequired):
        await engine.cancel_after_boundary("s")
    await adapter.cancel_after_boundary("s")
    await adapter.interrupt("s", reason="the machine says so")
    assert (await turn).terminal == Cancelled("the machine says so")
    begun.clear()
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    await adapter.give_back("s")
    with pytest.raises(AuthorityRequired):  # it began as the machine's
        await engine.interrupt("s")
    await adapter.interrupt("s")
    await turn
    begun.clear()
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    await engine.interrupt("s")
    await turn


# What a fresh reader found of loops


@on_an_engine(lease_seconds=0.3)
async def test_a_loop_recovers_what_a_dead_owner_left_and_goes_on(engine: Engine, url: str) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")

    async def hangs(turn: Turn) -> str:
        await asyncio.sleep(60)
        return "never"

    lost = await Engine.open(url, lease_seconds=0.2, grace_seconds=0.1)
    await lost.register("s")
    await lost.attach("s", hangs)
    await ingest(lost, "one")
    turn = asyncio.create_task(lost.apply_turn("s", input_ids=["in-one"]))
    await until(lambda: runs(engine))
    await engine.keep_alive("s")
    engine._agents["s"] = EchoAgent()
    await lost._ownership.release()  # as if its process had died
    await until(lambda: has(engine, 2))
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    await lost.close()


async def runs(engine: Engine) -> bool:
    return (await engine.read("s")).phase == "running"


@on_an_engine()
async def test_attaching_wakes_a_loop_though_nothing_is_recorded(engine: Engine) -> None:
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    engine._agents.clear()  # as in a process that was started again
    await ingest(engine, "one")
    await engine.keep_alive("s")
    await asyncio.sleep(0.05)
    assert await has(engine, 0)
    await engine.attach("s", EchoAgent())
    await until(lambda: has(engine, 2))


@on_an_engine()
async def test_a_loop_survives_a_log_that_cannot_be_read_for_a_moment(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, times = engine._loops._follow, 0

    def failing(after: int | None) -> Any:
        nonlocal times
        times += 1
        if times == 1:
            raise StoreError("the disk is away")
        return follow(after)

    monkeypatch.setattr(engine._loops, "_follow", failing)
    await engine.register("s")
    await engine.attach("s", EchoAgent())
    await engine.keep_alive("s")
    await asyncio.sleep(0.2)
    await ingest(engine, "one")
    await until(lambda: has(engine, 2))
    assert times >= 2


CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c-1", "function": {"name": "ask", "arguments": "{}"}}],
}


@on_an_engine()
async def test_a_loop_goes_on_once_every_open_call_has_its_result(engine: Engine) -> None:
    async def agent(turn: Turn) -> Any:
        if turn.results:
            return "so be it"
        return TurnResult(messages=[CALL], terminal=CallbackPending("ask", {}, "c-1"))

    await engine.register("s")
    await engine.attach("s", agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await until(lambda: has(engine, 2))
    await engine.stage_tool_results("s", [{"role": "tool", "tool_call_id": "c-1", "content": "y"}])
    await until(lambda: has(engine, 4))


@on_an_engine(**FAST)
async def test_an_interrupted_turn_of_a_loop_is_not_run_again_by_itself(engine: Engine) -> None:
    times = 0
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        begun.set()
        await asyncio.sleep(60)
        return "never"

    await engine.register("s")
    await engine.attach("s", agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await begun.wait()
    await engine.interrupt("s")
    await asyncio.sleep(0.3)
    assert times == 1
    begun.clear()
    await engine.publish("s", "go on")
    await begun.wait()
    assert times == 2
    await engine.stop_loop("s")


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

    await engine.register("s")
    await engine.attach("s", agent)
    watching = engine._streams.watch("s", lambda: None)
    turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
    await begun.wait()
    await engine.interrupt("s")
    await turn
    go.set()
    await over.wait()
    assert [one.payload for one in watching.take() if isinstance(one, LiveEvent)] == ["before"]
    assert engine._streams._numbers == {}


@on_an_engine(**FAST)
async def test_what_the_machine_has_taken_is_not_interrupted_from_another_engine_either(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    begun = asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await asyncio.sleep(60)
        return "never"

    await engine.register("s")
    adapter = await engine.runtime_adapter()
    await adapter.take("s", agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    async with Engine.open(url) as other:
        with pytest.raises(AuthorityRequired):
            await other.interrupt("s")
        with pytest.raises(AuthorityRequired):
            await other.cancel_after_boundary("s")
        theirs = await other.runtime_adapter()
        await theirs.interrupt("s")
    assert isinstance((await turn).terminal, Cancelled)
