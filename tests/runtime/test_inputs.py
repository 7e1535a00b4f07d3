"""Inputs through the public API: accepted once, taken by runs, replaced, joined, given up."""

import asyncio
from typing import Any

import pytest

from perdure import (
    AgentFailure,
    Conflict,
    EchoAgent,
    Engine,
    IllegalTransition,
    InputNotQueued,
    InvalidArgument,
    InvalidMessage,
    NoAgent,
    Turn,
)
from tests.support.engines import FAST, on_an_engine
from tests.support.processes import message
from tests.support.sessions import attached


class Stubborn:
    """An agent that fails as often as it is told to, then echoes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def run_turn(self, turn: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise ValueError("not yet")
        return await EchoAgent().run_turn(turn)


async def states(engine: Engine) -> dict[str, str]:
    return {view.id: view.state for view in await engine.inputs("s")}


def texts(page: Any) -> list[str]:
    return [one["content"] for one in page.messages]


def test_an_input_waits_until_a_run_takes_it_and_then_is_consumed(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: EchoAgent()) as engine:
            await engine.register("s")
            taken = await engine.ingest("s", "hello", input_id="in-1", source="mail")
            assert (taken.status, taken.input_id) == ("accepted", "in-1")
            assert await states(engine) == {"in-1": "queued"}
            out = await engine.apply_turn("s", input_ids=["in-1"], run_id="r")
            assert out.receipt is not None
            assert out.receipt.contributing_input_ids == ("in-1",)
            (view,) = await engine.inputs("s")
            assert (view.state, view.lane, view.source) == ("consumed", "queue", "mail")
            assert (view.attempts, view.last_run_id, view.boundary_sequence) == (1, "r", 1)
            moves = [(step.state, step.run_id) for step in view.history]
            assert moves[:2] == [("accepted", None), ("queued", None)]
            assert moves[2:] == [("staged", "r"), ("applied", "r"), ("consumed", "r")]
            assert view.messages == [message("hello")]
            assert texts(await engine.history("s"))[0] == "hello"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "recorded"),
    [
        ("text", [message("text")]),
        ({"role": "user", "content": "one"}, [message("one")]),
        ([message("one"), message("two")], [message("one"), message("two")]),
    ],
    ids=["text", "message", "messages"],
)
def test_an_input_is_a_text_a_message_or_several(
    url: str, content: Any, recorded: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.ingest("s", content)
            (view,) = await engine.inputs("s")
            assert view.messages == recorded

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [" ", "", [], 7, [7], {"at": float("nan")}], ids=repr)
def test_an_input_without_content_is_refused_and_nothing_is_written(url: str, wrong: Any) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            with pytest.raises(
                (InvalidArgument, InvalidMessage), match=r"content|messages"
            ) as refused:
                await engine.ingest("s", wrong)
            assert refused.value.code in ("INVALID_ARGUMENT", "INVALID_MESSAGE")
            with pytest.raises(InvalidArgument, match="a lane is"):
                await engine.ingest("s", "text", lane="express")  # type: ignore[arg-type]
            assert (await engine.head("s")).version == 1

    asyncio.run(main())


def test_g3_the_same_input_is_accepted_once_whatever_became_of_it(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            first = await engine.ingest("s", "hello", idempotency_key="k")
            known: dict[str, Any] = {"idempotency_key": "k"}

            async def retry() -> None:
                version = (await engine.head("s")).version
                again = await engine.ingest("s", "hello", **known)
                assert (again.status, again.input_id) == ("duplicate", first.input_id)
                same = await engine.ingest("s", "hello", input_id=first.input_id, **known)
                assert (same.status, same.input_id) == ("duplicate", first.input_id)
                assert (await engine.head("s")).version == version

            await retry()
            await engine.discard_live("s")
            await retry()
            await engine.record_turn("s", [message("x")], input_ids=[first.input_id])
            await retry()
            await engine.archive("s")
            await retry()

    asyncio.run(main())


@pytest.mark.parametrize(
    "other",
    [
        {"content": "other", "input_id": "in-1"},
        {"content": "other", "idempotency_key": "k"},
        {"content": "hello", "input_id": "in-1", "lane": "steer"},
        {"content": "hello", "input_id": "in-1", "source": "mail"},
        {"content": "hello", "input_id": "in-2", "idempotency_key": "k"},
        {"content": "hello", "input_id": "in-1", "idempotency_key": "k-2"},
    ],
    ids=str,
)
def test_g3_the_same_id_or_key_with_other_content_is_a_conflict(
    url: str, other: dict[str, Any]
) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.ingest("s", "hello", input_id="in-1", idempotency_key="k")
            with pytest.raises(Conflict):
                await engine.ingest("s", **other)
            assert (await engine.head("s")).version == 2

    asyncio.run(main())


def test_g3_a_key_that_context_used_is_no_key_for_an_input(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.append_context("s", "hello", idempotency_key="k")
            with pytest.raises(Conflict):
                await engine.ingest("s", "hello", idempotency_key="k")
            await engine.ingest("s", "hello", idempotency_key="k-2")
            with pytest.raises(Conflict):
                await engine.stage_context("s", "hello", idempotency_key="k-2")

    asyncio.run(main())


def test_c_an_input_that_a_receipt_names_is_never_queued_again(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: Boundaries()) as engine:
            await engine.register("s")
            await engine.ingest("s", "hello", input_id="in-1")
            out = await engine.apply_turn("s", input_ids=["in-1"])
            assert out.terminal.kind == "turn"  # type: ignore[union-attr]
            (view,) = await engine.inputs("s")
            assert (view.state, view.attempts, view.boundary_sequence) == ("consumed", 1, 1)
            with pytest.raises(InputNotQueued):
                await engine.apply_turn("s", input_ids=["in-1"])
            assert (await engine.control.runtime_state("s")).queued == ()

    class Boundaries:
        async def run_turn(self, turn: Any) -> Any:
            await turn.boundary([message("so far")])
            raise ValueError("and no further")

    asyncio.run(main())


def test_c_an_input_without_a_receipt_is_queued_again_at_most_three_times(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: Stubborn(9)) as engine:
            await engine.register("s")
            await engine.ingest("s", "hello", input_id="in-1")
            for attempt in (1, 2, 3):
                assert await states(engine) == {"in-1": "queued"}
                await engine.apply_turn("s", input_ids=["in-1"], run_id=f"r-{attempt}")
            (view,) = await engine.inputs("s")
            assert (view.state, view.attempts, view.last_run_id) == ("abandoned", 3, "r-3")
            assert view.reason == "the run failed"
            assert [s.state for s in view.history].count("staged") == 3
            assert (await engine.history("s")).messages == []

    asyncio.run(main())


def test_c_the_key_of_an_input_is_the_same_at_every_attempt(url: str) -> None:
    async def main() -> None:
        agent = Stubborn(2)
        async with Engine.open(url, agents=lambda _: agent) as engine:
            await engine.register("s")
            await engine.ingest("s", "hello", input_id="in-1", idempotency_key="k")
            for _ in range(3):
                known = await engine.ingest("s", "hello", idempotency_key="k")
                assert known.status == "duplicate"
                await engine.apply_turn("s", input_ids=["in-1"])
            (view,) = await engine.inputs("s")
            assert (view.state, view.attempts) == ("consumed", 3)
            assert texts(await engine.history("s")) == ["hello", "hello"]  # asked and echoed, once

    asyncio.run(main())


def test_a_run_that_ends_with_nothing_more_to_say_consumes_what_it_had_landed(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: Quiet()) as engine:
            await engine.register("s")
            await engine.ingest("s", "hello", input_id="in-1")
            await engine.apply_turn("s", input_ids=["in-1"])
            assert await states(engine) == {"in-1": "consumed"}
            await engine.apply_turn("s", "and on")
            assert (await engine.audit()).ok

    class Quiet:
        async def run_turn(self, turn: Any) -> Any:
            await turn.boundary([message("said")])

    asyncio.run(main())


def test_f_no_input_is_admitted_while_the_session_drains(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: EchoAgent()) as engine:
            await engine.register("s")
            await engine.ingest("s", "before", input_id="in-1")
            await engine.retire("s")
            with pytest.raises(IllegalTransition):
                await engine.ingest("s", "after", input_id="in-2")
            with pytest.raises(IllegalTransition):
                await engine.supersede_input("s", "in-1", "after", by="in-2")
            assert await states(engine) == {"in-1": "queued"}
            await engine.apply_turn("s", input_ids=["in-1"])
            await engine.archive("s")
            with pytest.raises(IllegalTransition):
                await engine.ingest("s", "late")
            assert await states(engine) == {"in-1": "consumed"}

    asyncio.run(main())


def test_f_a_retired_session_lets_one_queued_input_supersede_another_and_takes_no_new_one(
    url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(url, agents=lambda _: EchoAgent()) as engine:
            await engine.register("s")
            for name in ("in-1", "in-2", "in-3"):
                await engine.ingest("s", name, input_id=name)
            await engine.retire("s")
            before = await engine.head("s")
            for refused in (
                engine.supersede_input("s", "in-1", "new"),
                engine.coalesce_inputs("s", ["in-1", "in-2", "in-3"]),
            ):
                with pytest.raises(IllegalTransition, match="is retired") as refusal:
                    await refused
                # as the session is, and not as it would be once the queue is empty
                assert "archive" not in refusal.value.data["allowed"]
            assert await engine.head("s") == before
            for status in ("accepted", "duplicate"):
                out = await engine.supersede_input("s", "in-1", by="in-2", reason="said twice")
                assert (out.status, out.input_id) == (status, "in-2")
            old, *_ = await engine.inputs("s")
            assert (old.state, old.replaced_by, old.reason) == ("superseded", "in-2", "said twice")
            await engine.apply_turn("s", input_ids=["in-2", "in-3"])  # what joins them
            assert texts(await engine.history("s"))[:2] == ["in-2", "in-3"]
            await engine.archive("s")

    asyncio.run(main())


def test_an_input_is_superseded_only_by_another_that_is_queued(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            for name in ("in-1", "in-2", "in-3"):
                await engine.ingest("s", name, input_id=name)
            await engine.abandon_input("s", "in-3")
            before = await engine.head("s")
            for old, by in (("in-1", "in-3"), ("in-3", "in-1"), ("in-1", "no"), ("no", "in-1")):
                with pytest.raises(InputNotQueued):
                    await engine.supersede_input("s", old, by=by)
            for given in ({}, {"by": "in-1"}):
                with pytest.raises(InvalidArgument, match="by"):
                    await engine.supersede_input("s", "in-1", **given)
            with pytest.raises(Conflict):  # one that is there brings what it brings
                await engine.supersede_input("s", "in-1", "in-2", by="in-2")
            assert await engine.head("s") == before

    asyncio.run(main())


def test_an_input_is_superseded_by_another_in_one_commit(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.ingest("s", "old", input_id="in-1", lane="steer")
            for status in ("accepted", "duplicate"):
                out = await engine.supersede_input("s", "in-1", "new", by="in-2", reason="typo")
                assert (out.status, out.input_id) == (status, "in-2")
            old, new = await engine.inputs("s")
            assert (old.state, old.replaced_by, old.reason) == ("superseded", "in-2", "typo")
            assert (new.state, new.lane, new.messages) == ("queued", "steer", [message("new")])
            assert (await engine.head("s")).version == 4
            with pytest.raises(Conflict):
                await engine.supersede_input("s", "in-1", "else", by="in-2")
            with pytest.raises(InputNotQueued):
                await engine.supersede_input("s", "in-1", "new", by="in-3")
            assert (await engine.head("s")).version == 4

    asyncio.run(main())


def test_inputs_are_coalesced_into_one_that_brings_all_their_messages(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.ingest("s", "a", input_id="in-1")
            await engine.ingest("s", [message("b"), message("c")], input_id="in-2")
            await engine.ingest("s", "d", input_id="in-3", lane="steer")
            for status in ("accepted", "duplicate"):
                out = await engine.coalesce_inputs("s", ["in-1", "in-2"], into="in-4")
                assert (out.status, out.input_id) == (status, "in-4")
            assert await states(engine) == {
                "in-1": "coalesced",
                "in-2": "coalesced",
                "in-3": "queued",
                "in-4": "queued",
            }
            joined = (await engine.inputs("s"))[-1]
            assert joined.messages == [message("a"), message("b"), message("c")]
            with pytest.raises(InvalidArgument, match="of one lane"):
                await engine.coalesce_inputs("s", ["in-3", "in-4"])
            with pytest.raises(InputNotQueued):
                await engine.coalesce_inputs("s", ["in-1"])
            for wrong in ([], ["in-3", "in-3"]):
                with pytest.raises(InvalidArgument, match="each once"):
                    await engine.coalesce_inputs("s", wrong)
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_an_input_is_given_up_once_and_says_why(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.ingest("s", "a", input_id="in-1")
            await engine.abandon_input("s", "in-1", reason="never mind")
            (view,) = await engine.inputs("s")
            assert (view.state, view.reason, view.attempts) == ("abandoned", "never mind", 0)
            with pytest.raises(InputNotQueued):
                await engine.abandon_input("s", "in-1")

    asyncio.run(main())


def test_what_became_of_inputs_is_known_after_reopening_and_agrees_with_the_fold(
    sqlite_url: str,
) -> None:
    async def main() -> None:
        async with Engine.open(sqlite_url, agents=lambda _: Stubborn(1)) as engine:
            await engine.register("s")
            for n in range(4):
                await engine.ingest("s", str(n), input_id=f"in-{n}")
            await engine.apply_turn("s", input_ids=["in-0", "in-1"])
            await engine.record_turn("s", [message("x")], input_ids=["in-1"])
            await engine.abandon_input("s", "in-2")
            before = await engine.inputs("s")
        async with Engine.open(sqlite_url) as engine:
            assert await engine.inputs("s") == before
            waiting = [view.id for view in before if view.state == "queued"]
            assert (await engine.control.runtime_state("s")).queued == (*waiting,)
            assert [view.state for view in before] == ["queued", "consumed", "abandoned", "queued"]

    asyncio.run(main())


@on_an_engine(**FAST)
async def test_archiving_can_drain_what_is_queued_first(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    await engine.ingest("s", "one")
    await engine.ingest("s", "two")
    view = await engine.archive("s", pending="drain")
    assert view.phase == "archived"
    assert (await engine.read("s")).message_count == 3
    assert engine._core.agents == {}


@on_an_engine(**FAST)
async def test_a_session_that_nobody_could_drain_is_not_retired_for_it(engine: Engine) -> None:
    await engine.register("s")
    await engine.ingest("s", "one")
    with pytest.raises(NoAgent):
        await engine.archive("s", pending="drain")
    assert (await engine.read("s")).phase == "idle"
    await engine.archive("s", pending="abandon")
    with pytest.raises(IllegalTransition, match="cannot archive session 's': it is archived"):
        await engine.archive("s", pending="drain")


@on_an_engine(**FAST)
async def test_input_that_cannot_be_drained_is_abandoned_and_says_so(engine: Engine) -> None:
    async def agent(turn: Turn) -> None:
        raise AgentFailure("the provider is away", recoverable=True)

    await attached(engine, agent)
    await engine.ingest("s", "one")
    assert (await engine.archive("s", pending="drain")).phase == "archived"
    assert [one.state for one in await engine.inputs("s")] == ["abandoned"]
