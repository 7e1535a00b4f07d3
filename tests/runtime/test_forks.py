"""Forks through the public API: exact, side-effect free, no dearer than what is new, audited."""

import asyncio
from typing import Any

import pytest

from perdure import (
    CallsUnresolved,
    Conflict,
    EchoAgent,
    Engine,
    IllegalTransition,
    InvalidArgument,
    InvalidMessage,
    SessionNotFound,
    TurnResult,
)
from perdure.aggregates.session.state import REPLACEMENT_RUN
from perdure.projections import canonical_digest, recorded_digest
from perdure.projections.snapshots import Kept, restore
from perdure.store import Mapper
from tests.support.forks import origin, said
from tests.support.messages import digest
from tests.support.processes import message
from tests.support.thorough import few_of


def rows(engine: Engine, session_id: str) -> list[tuple[Any, ...]]:
    return list(engine._core.store.recorder.scan(only=(session_id,)))


def test_a_fork_goes_on_from_the_newest_version_and_names_its_origin(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            past = await origin(engine)
            before = rows(engine, "o")
            view = await engine.fork("o", new_session_id="f", labels={"x": "y"}, metadata={"m": 2})
            head = await engine.head("o")
            assert (view.id, view.phase, view.version) == ("f", "idle", 1)
            assert (view.message_count, view.conversation_digest) == (len(past), digest(past))
            (listed,) = await engine.list(labels={"x": "y"})
            assert listed == view
            assert (view.labels, view.metadata, view.staged_context) == ({"x": "y"}, {"m": 2}, [])
            assert view.origin is not None
            assert (view.origin.session_id, view.origin.version) == ("o", head.version)
            assert view.origin.conversation_digest == digest(past)
            assert rows(engine, "o") == before
            assert await said(engine, "f") == past
            assert await engine.inputs("f") == []
            assert await engine.receipts("f") == []

            out = await engine.record_turn("f", [message("8")], run_id="r-1")
            assert out.receipt is not None
            assert out.receipt.message_count == len(past) + 1
            assert out.receipt.conversation_digest == digest([*past, message("8")])
            assert await said(engine, "f") == [*past, message("8")]
            assert await said(engine, "o") == past
            assert [one.id for one in await engine.list(labels={"x": "y"})] == ["f"]
            (listed,) = await engine.list(labels={"x": "y"})
            assert listed == await engine.read("f")
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_d_a_fork_at_every_message_has_the_digest_of_what_it_keeps(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            past = await origin(engine)
            for kept in range(len(past) + 1):
                view = await engine.fork("o", at_message=kept, new_session_id=f"f-{kept}")
                assert (view.message_count, view.conversation_digest) == (
                    kept,
                    digest(past[:kept]),
                )
                more = [message("more"), message("and more")]
                out = await engine.record_turn(view.id, more)
                assert out.receipt is not None
                assert out.receipt.conversation_digest == digest(past[:kept] + more)
                assert await said(engine, view.id) == past[:kept] + more
                store = engine._core.store
                assert recorded_digest(store.recorder, view.id) == digest(past[:kept] + more)
                other = await engine.register()
                await engine.record_turn(other.id, past[:kept] + more)
                assert canonical_digest(store.recorder, Mapper(), view.id) == canonical_digest(
                    store.recorder, Mapper(), other.id
                )
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_a_fork_at_every_version_is_the_session_as_it_was(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await origin(engine)
            for version in range(1, (await engine.head("o")).version + 1):
                then = await engine.as_of("o", version)
                view = await engine.fork("o", at_version=version)
                assert view.message_count == then.message_count
                assert view.conversation_digest == then.conversation_digest
                assert view.origin is not None
                assert view.origin.version == version
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_every_page_of_a_fork_of_a_fork_is_that_of_the_whole_conversation(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            past = await origin(engine)
            await engine.fork("o", at_message=4, new_session_id="f-1")
            await engine.record_turn("f-1", [message("a"), message("b")])
            await engine.fork("f-1", at_message=5, new_session_id="f-2")
            await engine.record_turn("f-2", [message("c")])
            await engine.fork("f-2", at_message=2, new_session_id="f-3")
            await engine.fork("f-2", new_session_id="f-4")
            await engine.record_turn("f-4", [message("d")])
            expected = {
                "f-1": [*past[:4], message("a"), message("b")],
                "f-2": [*past[:4], message("a"), message("c")],
                "f-3": past[:2],
                "f-4": [*past[:4], message("a"), message("c"), message("d")],
            }
            for name, whole in expected.items():
                assert (await engine.read(name)).conversation_digest == digest(whole)
                for offset in range(len(whole) + 2):
                    for limit in (None, 0, 1, 2, 3, 99):
                        page = await engine.history(name, offset=offset, limit=limit)
                        end = None if limit is None else offset + limit
                        assert page.messages == whole[offset:end]
                        assert page.message_count == len(whole)
            assert (await engine.audit()).ok

    asyncio.run(main())


@pytest.mark.parametrize("url", few_of(["memory", "sqlite"], ["memory"]), indirect=True)
def test_a_chain_of_forks_is_walked_and_not_recursed_into(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, durability="normal") as engine:
            await engine.register("f-0")
            await engine.record_turn("f-0", [message("0")])
            deep = 300
            for n in range(1, deep):
                await engine.fork(f"f-{n - 1}", new_session_id=f"f-{n}")
            await engine.record_turn(f"f-{deep - 1}", [message("1")])
            await engine.discard_live(f"f-{deep - 1}")
            view = await engine.read(f"f-{deep - 1}")
            assert view.conversation_digest == digest([message("0"), message("1")])
            assert await said(engine, view.id) == [message("0"), message("1")]

    asyncio.run(main())


@pytest.mark.parametrize("end", ["archive", "destroy"])
def test_what_has_ended_can_be_forked(url: str, end: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            past = await origin(engine)
            if end == "archive":
                await engine.archive("o", pending="abandon")
            else:
                await engine.control.destroy("o")
            view = await engine.fork("o", new_session_id="f")
            await engine.record_turn("f", [message("on")])
            assert await said(engine, view.id) == [*past, message("on")]
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_a_fork_survives_reopening_snapshots_and_their_loss(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url) as engine:
            past = await origin(engine)
            await engine.fork("o", at_message=3, new_session_id="f")
            await engine.record_turn("f", [message("x")], run_id="r")
            await engine.checkpoint("f")
        whole = [*past[:3], message("x")]
        for clear in (False, True):
            async with Engine.open(sqlite_url) as engine:
                if clear:
                    engine._core.store.derived.clear()
                else:
                    kept = engine._core.store.derived.snapshot("f")
                    assert kept is not None
                    restored = restore(
                        engine._core.store.recorder, engine._core.mapper, Kept(*kept), "f"
                    )
                    assert restored is not None
                    assert restored.state.conversation.digest() == digest(whole)
                view = await engine.read("f")
                assert view.conversation_digest == digest(whole)
                assert view.origin is not None
                assert (await engine.as_of("f", 1)).conversation_digest == digest(past[:3])
                assert (await engine.record_turn("f", [message("x")], run_id="r")).duplicate
                assert (await engine.audit()).ok

    asyncio.run(main())


def test_g10_a_fork_writes_its_own_event_and_no_more(sqlite_url: str) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url, durability="normal") as engine:
            await engine.register("o")
            for n in range(1000):
                await engine.record_turn("o", [message(f"{n} " + "x" * 200)])
            before = rows(engine, "o")
            await engine.fork("o", new_session_id="f")
            (row,) = rows(engine, "f")
            assert len(row[4]) < 1000
            await engine.record_turn("f", [message("on")])
            assert sum(len(one[4]) for one in rows(engine, "f")) < 2000
            assert rows(engine, "o") == before

    asyncio.run(main())


def test_a_message_can_be_replaced_in_the_commit_that_forks(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            past = await origin(engine)
            before = rows(engine, "o")
            for place in range(len(past)):
                view = await engine.fork("o", at_message=place, replace=message("instead"))
                assert (view.version, view.message_count) == (2, place + 1)
                assert view.conversation_digest == digest([*past[:place], message("instead")])
                assert view.updated_at == view.created_at  # for it is one commit
                (receipt,) = await engine.receipts(view.id)
                assert (receipt.run_id, receipt.boundary) == (REPLACEMENT_RUN, "immediate")
            assert rows(engine, "o") == before
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_g3_the_same_fork_again_changes_nothing_and_another_is_a_conflict(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await origin(engine)
            plain: dict[str, Any] = {"at_message": 3, "new_session_id": "f"}
            replaced: dict[str, Any] = {
                "at_message": 3,
                "new_session_id": "g",
                "replace": message("x"),
            }
            for given in (plain, replaced):
                first = await engine.fork("o", **given)
                assert await engine.fork("o", **given) == first
                await engine.discard_live(first.id)
                assert await engine.fork("o", **given) == first
            await engine.register("other")
            for wrong in (
                plain | {"at_message": 4},
                plain | {"replace": message("x")},
                plain | {"labels": {"x": "y"}},
                plain | {"new_session_id": "other"},
                replaced | {"replace": message("y")},
                {"at_message": 3, "new_session_id": "g"},
            ):
                with pytest.raises(Conflict):
                    await engine.fork("o", **wrong)
            await engine.archive("f")
            with pytest.raises(IllegalTransition):
                await engine.fork("o", **plain)
            assert (await engine.head("g")).version == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"at_version": 0}, InvalidArgument),
        ({"at_version": 99}, InvalidArgument),
        ({"at_version": "1"}, InvalidArgument),
        ({"at_message": 99}, InvalidArgument),
        ({"at_message": -1}, InvalidArgument),
        ({"at_message": 7, "replace": message("x")}, InvalidArgument),
        ({"at_version": 1, "at_message": 0}, InvalidArgument),
        ({"replace": message("x")}, InvalidArgument),
        ({"at_message": 1, "replace": {"x": float("nan")}}, InvalidMessage),
        ({"new_session_id": "o"}, InvalidArgument),
        ({"new_session_id": ""}, InvalidArgument),
        ({"labels": {"": "x"}}, InvalidArgument),
        ({"metadata": {"x": {1}}}, InvalidMessage),
    ],
    ids=str,
)
def test_a_fork_at_no_point_of_the_session_is_refused_and_nothing_is_written(
    url: str, wrong: dict[str, Any], error: type[Exception]
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await origin(engine)
            with pytest.raises(error):
                await engine.fork("o", **wrong)
            assert [view.id for view in await engine.list()] == ["o"]
            with pytest.raises(SessionNotFound):
                await engine.fork("unknown")

    asyncio.run(main())


def test_k_calls_that_are_open_at_the_point_are_open_in_the_fork(url: str) -> None:
    made = [{"id": i, "function": {"name": "look", "arguments": "{}"}} for i in ("c-1", "c-2")]
    asked = {"role": "assistant", "tool_calls": made}
    answer = {"role": "tool", "tool_call_id": "c-1", "content": "one"}

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("o")
            await engine.record_turn("o", [message("go"), asked, answer])
            await engine.publish("o", "noted")
            await engine.control.stop("o")  # while nothing runs
            await engine.attach("o", EchoAgent())
            await engine.record_turn("o", [message("so")], open_calls="keep")
            await engine.abandon_call("o", "c-2")
            had = {"c-1": "unknown", "c-2": "intended"}  # it was answered in the origin
            for given, found in (
                ({"at_message": 1}, {}),
                ({"at_message": 2}, had),
                ({"at_message": 3}, {"c-2": "intended"}),
                ({"at_message": 4}, {}),
                ({"at_version": 7}, {}),
                ({"at_version": 8}, {}),
            ):
                view = await engine.fork("o", **given)  # type: ignore[arg-type]
                for _ in range(2):
                    calls = await engine.open_calls(view.id)
                    assert {call.id: call.status for call in calls} == found
                    await engine.discard_live(view.id)
                if "c-1" in found:
                    with pytest.raises(CallsUnresolved):
                        await engine.record_turn(view.id, [message("on")])
                    await engine.stage_tool_results(view.id, [answer])
                    await engine.record_turn(view.id, [message("on")], open_calls="keep")
                    whole = [message("go"), asked, answer, message("on")]
                    assert await said(engine, view.id) == whole
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_k_what_became_of_a_call_behind_the_point_is_not_known_in_the_fork(url: str) -> None:
    made = [{"id": "c-1", "function": {"name": "look", "arguments": "{}"}}]

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("o")
            await engine.record_turn("o", [{"role": "assistant", "tool_calls": made}])
            await engine.abandon_call("o", "c-1")
            await engine.record_turn("o", [message("later")])
            whole = await engine.fork("o")
            for name in ("o", whole.id):  # at a message of the session itself, and of its origin
                view = await engine.fork(name, at_message=1)
                assert [call.id for call in await engine.open_calls(view.id)] == ["c-1"]
            assert await engine.open_calls(whole.id) == []

    asyncio.run(main())


def test_k_what_may_have_been_executed_is_unknown_in_the_fork_and_refuses_its_next_turn(
    url: str,
) -> None:
    made = [{"id": i, "function": {"name": "look", "arguments": "{}"}} for i in ("c-1", "c-2")]
    asked = {"role": "assistant", "tool_calls": made}
    answer = {"role": "tool", "tool_call_id": "c-1", "content": "one"}

    async def main() -> None:
        async with Engine.open(url) as engine:
            landed = asyncio.Event()

            async def agent(turn: Any) -> None:
                await turn.boundary([asked])
                landed.set()
                await asyncio.Event().wait()

            async def statuses(session_id: str) -> dict[str, str]:
                return {call.id: call.status for call in await engine.open_calls(session_id)}

            await engine.register("o")
            await engine.attach("o", agent)
            turn = asyncio.create_task(engine.apply_turn("o", "go"))
            await landed.wait()
            await engine.stage_tool_results("o", [answer])
            staged = await engine.head("o")
            await engine.interrupt("o")
            await turn
            assert await statuses("o") == {"c-1": "executed", "c-2": "unknown"}
            early = await engine.fork("o", at_message=2)
            between = await engine.fork("o", at_version=staged.version)
            fork = await engine.fork("o")
            whole = await engine.fork(fork.id)
            for name in (early.id, between.id, fork.id, whole.id):
                assert await statuses(name) == {"c-1": "unknown", "c-2": "unknown"}
                with pytest.raises(CallsUnresolved):
                    await engine.record_turn(name, [message("on")])
            more = [message("by the way"), message("and also")]
            await engine.record_turn("o", more, open_calls="abandon", reason="it takes too long")
            with pytest.raises(CallsUnresolved):
                await engine.fork("o", at_message=2, replace=message("x"), new_session_id="x")
            with pytest.raises(SessionNotFound):
                await engine.read("x")
            await engine.stage_tool_results(fork.id, [answer])
            await engine.abandon_call(fork.id, "c-2")
            await engine.record_turn(fork.id, [message("on")])
            assert await said(engine, fork.id) == [message("go"), asked, answer, message("on")]
            assert (await engine.audit()).ok

    asyncio.run(main())


async def with_calls(engine: Engine, landed: asyncio.Event, go: asyncio.Event) -> asyncio.Task[Any]:
    """Begin a run that lands two calls, and ends when it is told to, one of them answered."""
    made = [{"id": i, "function": {"name": "look", "arguments": "{}"}} for i in ("c-1", "c-2")]

    async def agent(turn: Any) -> TurnResult:
        await turn.boundary([{"role": "assistant", "tool_calls": made}])
        landed.set()
        await go.wait()
        return TurnResult(messages=[{"role": "tool", "tool_call_id": "c-1", "content": "one"}])

    await engine.register("o")
    await engine.attach("o", agent)
    return asyncio.create_task(engine.apply_turn("o", "go"))


def test_k_a_replaced_tool_result_says_what_came_of_its_call(url: str) -> None:
    made = [{"id": i, "function": {"name": "look", "arguments": "{}"}} for i in ("c-1", "c-2")]
    asked = {"role": "assistant", "tool_calls": made}

    def answer(call_id: str, text: str) -> dict[str, str]:
        return {"role": "tool", "tool_call_id": call_id, "content": text}

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("o")
            await engine.record_turn("o", [asked, answer("c-1", "one"), answer("c-2", "two")])
            with pytest.raises(CallsUnresolved) as refusal:
                await engine.fork("o", at_message=1, replace=answer("c-1", "other"))
            assert refusal.value.data["call_ids"] == ["c-2"]
            with pytest.raises(CallsUnresolved):
                await engine.fork("o", at_message=2, replace=message("never mind"))
            for _ in range(2):
                view = await engine.fork(
                    "o", at_message=2, replace=answer("c-2", "other"), new_session_id="f"
                )
            assert view.version == 2
            assert await engine.open_calls("f") == []
            await engine.record_turn("f", [message("on")])
            await engine.discard_live("f")
            whole = [asked, answer("c-1", "one"), answer("c-2", "other"), message("on")]
            assert await said(engine, "f") == whole
            assert (await engine.audit()).ok
            # The same message, recorded as any other turn, is no replacement.
            later = await engine.fork("o", at_message=2)
            with pytest.raises(CallsUnresolved):
                await engine.record_turn(later.id, [answer("c-2", "other")])

    asyncio.run(main())


POINTS: tuple[dict[str, Any], ...] = ({}, {"at_message": 2}, {"at_version": 4})


async def statuses_at(engine: Engine, point: dict[str, Any]) -> set[str]:
    view = await engine.fork("o", **point)
    return {call.status for call in await engine.open_calls(view.id)}


def test_g9_what_a_run_that_is_not_over_may_be_executing_is_unknown_in_a_fork(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            landed, go = asyncio.Event(), asyncio.Event()
            turn = await with_calls(engine, landed, go)
            await landed.wait()
            for point in POINTS:
                assert await statuses_at(engine, point) == {"unknown"}
            assert {call.status for call in await engine.open_calls("o")} == {"intended"}
            go.set()
            await turn
            view = await engine.fork("o", at_version=4)
            calls = {call.id: call.status for call in await engine.open_calls(view.id)}
            assert calls == {"c-1": "unknown", "c-2": "intended"}
            assert await statuses_at(engine, {}) == {"intended"}
            assert (await engine.audit()).ok

    asyncio.run(main())


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_g9_a_fork_that_is_the_first_touch_of_a_run_without_an_owner_has_its_calls_in_doubt(
    sqlite_url: str, point: dict[str, Any]
) -> None:
    async def main() -> None:
        landed = asyncio.Event()
        lost = await Engine.open(sqlite_url, grace_seconds=0.1)
        turn = await with_calls(lost, landed, asyncio.Event())
        await landed.wait()
        await lost._core.ownership.release()  # as if its process had died
        async with Engine.open(sqlite_url) as engine:
            fork = await engine.fork("o", **point)
            assert {call.status for call in await engine.open_calls(fork.id)} == {"unknown"}
            with pytest.raises(CallsUnresolved):
                await engine.record_turn(fork.id, [message("on")])
            await engine.control.recover("o")
            assert await statuses_at(engine, point) == {"unknown"}
            assert (await engine.audit()).ok
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        await lost.close()

    asyncio.run(main())


def test_g3_a_fork_with_open_calls_can_be_asked_for_again_whatever_the_origin_recorded_since(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            landed, go = asyncio.Event(), asyncio.Event()
            turn = await with_calls(engine, landed, go)
            await landed.wait()
            firsts = [
                (point, await engine.fork("o", new_session_id=f"f-{n}", **point))
                for n, point in enumerate(POINTS[1:])
            ]
            go.set()
            await turn
            for point, first in firsts:
                assert await engine.fork("o", new_session_id=first.id, **point) == first
                with pytest.raises(Conflict):
                    await engine.fork("o", new_session_id=first.id, at_message=1)

    asyncio.run(main())
