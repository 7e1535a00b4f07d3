"""Checkpoints that an engine takes by itself, and those that come with a commit."""

import asyncio
import json
import logging

import pytest

from perdure import (
    CheckpointPolicy,
    Conflict,
    EchoAgent,
    Engine,
    InvalidArgument,
    SessionNotFound,
    Turn,
)
from perdure.runtime.session import cache as live
from perdure.store import links
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import user
from tests.support.sessions import attached
from tests.support.waiting import until


async def checkpoints(engine: Engine, session_id: str = "s") -> int:
    rows = engine._core.store.recorder.select_rows(session_id)
    return sum(row.topic == "session-checkpointed" for row in rows)


async def at_least(engine: Engine, count: int, session_id: str = "s") -> bool:
    return await checkpoints(engine, session_id) >= count


# After so many turns or bytes


@on_an_engine(checkpoints=CheckpointPolicy(turns=2))
async def test_a_session_is_checkpointed_by_itself_every_so_many_turns(engine: Engine) -> None:
    await engine.register("s")
    for number in range(6):
        await engine.record_turn("s", [user(str(number))])
        await asyncio.sleep(0.01)
    await until(lambda: at_least(engine, 3))
    assert await checkpoints(engine) == 3


@on_an_engine(checkpoints=CheckpointPolicy(turns=2), **FAST)
async def test_a_run_counts_as_one_turn_however_many_boundaries_it_lands(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        for number in range(5):
            await turn.boundary([user(str(number))])
        return "done"

    await attached(engine, agent)
    await engine.apply_turn("s", "one")
    await asyncio.sleep(0.05)
    assert await checkpoints(engine) == 0
    await engine.apply_turn("s", "two")
    await until(lambda: at_least(engine, 1))


@on_an_engine(checkpoints=CheckpointPolicy(message_bytes=1000))
async def test_a_session_is_checkpointed_by_itself_every_so_many_bytes(engine: Engine) -> None:
    await attached(engine, EchoAgent())
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

    await attached(engine, agent)
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


# After some time


@on_an_engine(checkpoints=CheckpointPolicy(seconds=0.05))
async def test_a_session_is_checkpointed_by_itself_some_time_after_a_turn(engine: Engine) -> None:
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    assert await checkpoints(engine) == 0
    await until(lambda: at_least(engine, 1))
    await asyncio.sleep(0.15)
    assert await checkpoints(engine) == 1


@on_an_engine(checkpoints=CheckpointPolicy(seconds=0.05), **FAST)
async def test_a_run_is_checkpointed_by_itself_some_time_after_its_first_boundary(
    engine: Engine,
) -> None:
    async def agent(turn: Turn) -> str:
        await turn.boundary()
        await turn.scope.wait()
        return "never"

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "go"))
    await until(lambda: at_least(engine, 1))
    assert (await engine.read("s")).phase == "running"
    await engine.interrupt("s")
    await turn


# Cancelled and rearmed


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
    await engine.cancel_all_checkpointers()
    await engine.register("t")
    await engine.record_turn("t", [user("a")])
    await asyncio.sleep(0.05)
    assert await checkpoints(engine, "t") == 0
    await engine.rearm_all_checkpointers()
    await engine.record_turn("t", [user("b")])
    await until(lambda: at_least(engine, 1, "t"))
    await engine.record_turn("t", [user("c")])
    await engine.archive("t")
    await asyncio.sleep(0.05)
    await engine.rearm_all_checkpointers()
    assert not caplog.records


# Kept and forgotten


@on_an_engine(checkpoints=CheckpointPolicy(turns=2))
async def test_only_so_many_sessions_are_counted_and_the_least_recently_used_begin_anew(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.runtime.session.checkpointers.MAX_COUNTED", 2)
    for session_id in ("s", "t", "u"):
        await engine.register(session_id)
        await engine.record_turn(session_id, [user("a")])
    assert list(engine._core.checkpointers._counted) == ["t", "u"]
    for session_id in ("t", "s", "s"):
        await engine.record_turn(session_id, [user("b")])
    for session_id in ("s", "t"):
        await until(lambda name=session_id: at_least(engine, 1, name))  # type: ignore[misc]
    assert list(engine._core.checkpointers._counted) == ["u"]


@on_an_engine(checkpoints=CheckpointPolicy(seconds=0.05))
async def test_no_session_is_forgotten_while_its_time_runs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.runtime.session.checkpointers.MAX_COUNTED", 1)
    names = ("s", "t", "u")
    for session_id in names:
        await engine.register(session_id)
        await engine.record_turn(session_id, [user("a")])
    for session_id in names:
        await until(lambda name=session_id: at_least(engine, 1, name))  # type: ignore[misc]


@on_an_engine(checkpoints=CheckpointPolicy(turns=1))
async def test_no_session_is_forgotten_while_its_checkpoint_is_overdue(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.runtime.session.checkpointers.MAX_COUNTED", 1)
    await engine.cancel_all_checkpointers()
    names = ("s", "t", "u")
    for session_id in names:
        await engine.register(session_id)
        await engine.record_turn(session_id, [user("a")])
    await engine.rearm_all_checkpointers()
    for session_id in names:
        await until(lambda name=session_id: at_least(engine, 1, name))  # type: ignore[misc]


@on_an_engine(checkpoints=CheckpointPolicy(turns=2))
async def test_archiving_closes_a_sessions_gate_for_good(engine: Engine) -> None:
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    held = engine._core.checkpointers._counted["s"]
    await engine.archive("s")
    assert held.gate.phase == "closed"
    assert not held.fire("write")
    await engine.cancel_all_checkpointers()
    await engine.rearm_all_checkpointers()
    assert held.gate.phase == "closed"
    assert not engine._core.checkpointers._counted


@pytest.mark.parametrize("policy", [CheckpointPolicy(turns=1), CheckpointPolicy(seconds=60.0)])
@on_an_engine()
async def test_what_lands_while_the_engine_closes_begins_no_checkpoint(
    engine: Engine, url: str, policy: CheckpointPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    async with Engine.open(url, checkpoints=policy) as other:
        await other.register("s")
        turn = asyncio.create_task(other.record_turn("s", [user("a")]))
        await asyncio.sleep(0)
        await other.close()
        await turn
    await asyncio.sleep(0)
    assert not other._core.checkpointers._taking
    assert not other._core.checkpointers._counted
    assert not caplog.records


# Handed over


@on_an_engine()
async def test_a_snapshot_that_came_with_a_commit_is_kept_only_if_the_log_agrees(
    engine: Engine,
) -> None:
    await engine.register("s")
    await engine.register("other")
    for session_id in ("s", "other"):
        await engine.record_turn(session_id, [user("x" * 1_100_000)])
    snapshot = engine._core.store.derived.snapshot("s")
    for _ in range(100):
        if snapshot is not None:
            break
        await asyncio.sleep(0.02)
        snapshot = engine._core.store.derived.snapshot("s")
    assert snapshot is not None
    engine._core.store.derived.clear()
    await engine.checkpoint_committed("s", snapshot[1])
    assert engine._core.store.derived.snapshot("s") == snapshot
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
        b'{"version":0}',
        b'{"version":9223372036854775808}',
        sealed,  # with the log's own head, which is no secret
    ):
        with pytest.raises(Conflict):
            await engine.checkpoint_committed("s", wrong)
    with pytest.raises(Conflict):
        await engine.checkpoint_committed("other", snapshot[1])
    with pytest.raises(SessionNotFound):
        await engine.checkpoint_committed("nobody", snapshot[1])
    with pytest.raises(InvalidArgument):
        await engine.checkpoint_committed("s", "{}")  # type: ignore[arg-type]


@on_an_engine(checkpoints=CheckpointPolicy(turns=2))
async def test_a_checkpoint_asked_for_begins_the_count_anew(engine: Engine) -> None:
    await engine.register("s")
    await engine.record_turn("s", [user("a")])
    await engine.checkpoint("s")
    await engine.record_turn("s", [user("b")])
    await asyncio.sleep(0.01)
    assert await checkpoints(engine) == 1
    await engine.record_turn("s", [user("c")])
    await until(lambda: at_least(engine, 2))


@on_an_engine(on_file=True, checkpoints=CheckpointPolicy(turns=2))
async def test_a_turn_that_lands_for_a_cancelled_caller_is_counted(engine: Engine) -> None:
    await engine.register("s")
    engine._core.store.commit_now = lambda submissions: None  # type: ignore[method-assign]
    while (await engine.read("s")).message_count < 2:
        turn = asyncio.create_task(engine.record_turn("s", [user("a")]))
        await asyncio.sleep(0)
        turn.cancel()
        await asyncio.wait({turn})
        assert turn.cancelled()
    await until(lambda: at_least(engine, 1))


@on_an_engine()
async def test_a_snapshot_that_cannot_be_made_fails_no_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(live, "snapshot_of", full)
    await engine.register("s")
    out = await engine.record_turn("s", [user("x" * 1_100_000)])
    assert out.snapshot is None
    assert "no snapshot of session 's' was made" in caplog.text
    assert (await engine.record_turn("s", [user("next")])).receipt is not None
