"""Turns that the engine runs: from the request to the receipt, and what agents may say."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from perdure import (
    CallbackPending,
    Completed,
    EchoAgent,
    Engine,
    Failed,
    IllegalTransition,
    InvalidArgument,
    InvalidMessage,
    NoAgent,
    NoPendingBoundary,
    ScriptedAgent,
    SessionNotFound,
    Turn,
    TurnResult,
    Usage,
)
from perdure.projections import recorded_digest
from perdure.projections.snapshots import restore, snapshot_of
from tests.support.engines import FAST, on_an_engine
from tests.support.messages import CALL, digest, says, user
from tests.support.sessions import attached, ingest, said

# A turn


@on_an_engine()
async def test_a_turn_records_the_request_and_what_the_agent_says(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    out = await engine.apply_turn("s", "hello there", run_id="run-1")
    assert out.terminal == Completed()
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest([user("hello there"), says("hello there")])
    assert (out.receipt.run_id, out.receipt.sequence, out.receipt.boundary) == (
        "run-1",
        1,
        "run_start",
    )
    assert (await engine.read("s")).phase == "attached"
    assert (await engine.history("s")).messages == [user("hello there"), says("hello there")]


@on_an_engine()
async def test_any_async_callable_is_an_agent(engine: Engine) -> None:
    async def agent(turn: Turn) -> list[dict[str, Any]]:
        return [says(f"{len(await turn.history())} before, {turn.request[0]['content']} now")]

    await attached(engine, agent)
    await engine.apply_turn("s", user("one"))
    await engine.apply_turn("s", [user("two")])
    answers = [m["content"] for m in (await engine.history("s")).messages if m["role"] != "user"]
    assert answers == ["0 before, one now", "2 before, two now"]


@on_an_engine(agents=lambda session: ScriptedAgent([user("a"), says(session.labels["voice"])]))
async def test_an_agent_is_made_on_demand_for_a_session_without_one(engine: Engine) -> None:
    await engine.register("s", labels={"voice": "alto"})
    out = await engine.apply_turn("s", "a")
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest([user("a"), says("alto")])
    assert (await engine.read("s")).phase == "idle"


class Later:
    """Something that is awaited for an agent, and no coroutine."""

    def __await__(self) -> Generator[Any, None, EchoAgent]:
        yield from asyncio.sleep(0).__await__()
        return EchoAgent()


@on_an_engine(agents=lambda _: Later())
async def test_a_builder_may_return_whatever_can_be_awaited(engine: Engine) -> None:
    await engine.register("s")
    assert (await engine.apply_turn("s", "a")).terminal == Completed()


@on_an_engine(agents=lambda _: EchoAgent)
async def test_a_builder_that_returns_a_class_makes_no_agent(engine: Engine) -> None:
    await engine.register("s")
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert (out.terminal.kind, "the class EchoAgent" in out.terminal.message) == ("internal", True)


@on_an_engine()
async def test_a_turn_needs_a_session_and_an_agent(engine: Engine) -> None:
    with pytest.raises(SessionNotFound):
        await engine.apply_turn("nobody", "a")
    await engine.register("s")
    with pytest.raises(NoAgent):
        await engine.apply_turn("s", "a")
    with pytest.raises(InvalidArgument):
        await engine.attach("s", "not an agent")  # type: ignore[arg-type]
    assert (await engine.read("s")).version == 1
    await engine.control.stop("s")
    with pytest.raises(IllegalTransition, match=r"it is stopped; allowed: .*attach"):
        await engine.apply_turn("s", "a")


class Unspeakable(Exception):
    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


class Broken:
    """An agent, until it is asked for one thing, or what it is."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __getattr__(self, name: str) -> Any:
        if name == self.what:
            raise Unspeakable
        if name == "run_turn":
            return EchoAgent().run_turn
        raise AttributeError(name)

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("what", ["name", "run_turn"])
@on_an_engine()
async def test_an_agent_that_cannot_be_looked_at_is_refused(engine: Engine, what: str) -> None:
    await engine.register("s")
    with pytest.raises(InvalidArgument, match=r"cannot be \w+ \(Unspeakable\)"):
        await engine.attach("s", Broken(what))
    with pytest.raises(InvalidArgument, match="object is neither"):
        await engine.attach("s", object())  # type: ignore[arg-type]


@on_an_engine()
async def test_what_a_request_cannot_be_is_refused_before_anything_is_written(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    for request in ([], [1], {"a": float("nan")}, "", " "):
        with pytest.raises(InvalidMessage):
            await engine.apply_turn("s", request)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        await engine.apply_turn("s", "a", boundary="later")  # type: ignore[arg-type]
    assert (await engine.read("s")).version == 2


@on_an_engine()
async def test_a_result_can_be_any_json_value_and_usage_is_summed(engine: Engine) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(
            messages=[says("x")],
            terminal=Completed({"answer": [42, None]}),
            usage=Usage(input_tokens=2),
        )

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert out.terminal == Completed({"answer": [42, None]})
    again = await engine.apply_turn("s", "a", run_id="r")
    assert (again.terminal, again.duplicate) == (out.terminal, True)
    assert (await engine.read("s")).usage == Usage(input_tokens=2)


@on_an_engine()
async def test_an_agent_with_nothing_to_do_leaves_no_receipt(engine: Engine) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(terminal=NoPendingBoundary())

    await attached(engine, agent)
    out = await engine.apply_turn("s", run_id="r")
    assert (out.receipt, out.terminal) == (None, NoPendingBoundary())
    assert (await engine.apply_turn("s", run_id="r")).terminal == NoPendingBoundary()
    assert (await engine.read("s")).message_count == 0


@on_an_engine()
async def test_what_landed_at_a_boundary_is_in_the_prompt_once(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        assert await turn.prompt() == [user("a")]
        await turn.boundary([says("one")])
        assert await turn.prompt() == [user("a"), says("one")]
        return "two"

    await attached(engine, agent)
    assert (await engine.apply_turn("s", "a")).terminal == Completed()


@on_an_engine()
async def test_staged_context_lands_before_the_request(engine: Engine) -> None:
    seen: list[Any] = []

    async def agent(turn: Turn) -> str:
        seen.extend(await turn.prompt())
        return "x"

    await attached(engine, agent)
    await engine.stage_context("s", "be brief")
    await engine.apply_turn("s", "a")
    note = {"role": "system", "content": "be brief"}
    assert seen == [note, user("a")]
    assert (await engine.history("s")).messages == [note, user("a"), says("x")]


# Boundaries


@on_an_engine()
async def test_a_boundary_lands_mid_run_with_a_receipt_of_its_own(engine: Engine) -> None:
    receipts = []

    async def agent(turn: Turn) -> str:
        for text in ("one", "two"):
            landed = await turn.boundary([says(text)], usage=Usage(output_tokens=1))
            receipts.append(landed.receipt)
            assert (await engine.history("s")).message_count == landed.receipt.message_count
        return "three"

    await attached(engine, agent)
    out = await engine.apply_turn("s", "go", run_id="r")
    assert out.receipt is not None
    assert [r.sequence for r in (*receipts, out.receipt)] == [1, 2, 3]
    assert [r.boundary for r in receipts] == ["run_checkpoint", "run_checkpoint"]
    whole = [user("go"), says("one"), says("two"), says("three")]
    assert out.receipt.conversation_digest == digest(whole)
    assert [await engine.load_receipt("s", "r", n) for n in (1, 2, 3)] == [*receipts, out.receipt]
    assert await engine.receipts("s") == [*receipts, out.receipt]
    assert (await engine.read("s")).usage == Usage(output_tokens=2)


@pytest.mark.parametrize("wrong", [None, 5, "text", {}, b"", [5]], ids=repr)
@on_an_engine()
async def test_what_is_no_list_of_messages_does_not_land_at_a_boundary(
    engine: Engine, wrong: Any
) -> None:
    async def agent(turn: Turn) -> str:
        with pytest.raises(InvalidMessage):
            await turn.boundary(wrong)
        return "done"

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert out.terminal == Completed()
    assert len(await engine.receipts("s")) == 1


@on_an_engine()
async def test_a_bad_message_at_a_boundary_is_the_agent_s_to_handle(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        with pytest.raises(InvalidMessage):
            await turn.boundary([{"role": "assistant", "content": float("inf")}])
        return "sorry"

    await attached(engine, agent)
    assert (await engine.apply_turn("s", "a")).terminal == Completed()


@on_an_engine(**FAST)
async def test_steering_reaches_the_running_turn_at_its_next_boundary(engine: Engine) -> None:
    begun, go = asyncio.Event(), asyncio.Event()
    steered: list[str] = []

    async def agent(turn: Turn) -> str:
        begun.set()
        await go.wait()
        landed = await turn.boundary([says("so far")])
        steered.extend(item.id for item in landed.steered)
        return "done"

    await attached(engine, agent)
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


# Callbacks


@on_an_engine()
async def test_a_callback_ends_the_run_and_leaves_its_call_open(engine: Engine) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(messages=[CALL], terminal=CallbackPending("ask", {}, "c-1"))

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert out.terminal == CallbackPending("ask", {}, "c-1")
    again = await engine.apply_turn("s", "a", run_id="r")
    assert (again.terminal, again.receipt) == (out.terminal, out.receipt)
    assert (await engine.read("s")).phase == "attached"


ANSWER: dict[str, Any] = {"role": "tool", "tool_call_id": "c-1", "content": "42"}


@pytest.mark.parametrize("own", [[], [says("x")], [CALL, ANSWER]], ids=["no", "other", "answered"])
@on_an_engine()
async def test_a_run_that_waits_for_a_call_nobody_could_answer_fails(
    engine: Engine, own: list[dict[str, Any]]
) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(messages=own, terminal=CallbackPending("ask", {}, "c-1"))

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert "no open tool call 'c-1'" in out.terminal.message
    assert (await engine.read("s")).message_count == 0


@on_an_engine()
async def test_a_run_may_wait_for_a_call_that_an_earlier_one_made(engine: Engine) -> None:
    async def agent(turn: Turn) -> TurnResult:
        made = [] if turn.open_calls else [CALL]
        return TurnResult(messages=made, terminal=CallbackPending("ask", {}, "c-1"))

    await attached(engine, agent)
    for asked in ("a", None):
        out = await engine.apply_turn("s", asked)
        assert out.terminal == CallbackPending("ask", {}, "c-1")


@on_an_engine()
async def test_a_run_may_wait_for_a_call_that_was_answered_before_it_said_so(
    engine: Engine,
) -> None:
    async def agent(turn: Turn) -> TurnResult:
        await turn.boundary([CALL])
        await engine.stage_tool_results("s", [ANSWER])
        await turn.boundary([says("we will see")])
        return TurnResult(terminal=CallbackPending("ask", {}, "c-1"))

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert out.terminal == CallbackPending("ask", {}, "c-1")
    assert await engine.open_calls("s") == []


@pytest.mark.parametrize(
    "terminal",
    [
        Completed({"n": 1, "messages": [{"role": "user", "content": "not one of ours"}]}),
        Completed({"quoted": ',"messages":['}),
        Completed([{"messages": []}, {"n": 1, "messages": ["x"], "link": "0" * 64}]),
        CallbackPending("send", {"to": "x", "messages": ["hello"]}),
    ],
    ids=repr,
)
@on_an_engine()
async def test_g7_a_result_may_have_messages_of_its_own(engine: Engine, terminal: Any) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(messages=[says("done")], terminal=terminal)

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert out.terminal == terminal
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest([user("a"), says("done")])
    recorder = engine._core.store.recorder
    assert recorded_digest(recorder, "s") == out.receipt.conversation_digest
    kept = snapshot_of(await engine._core.sessions.read("s"))
    assert restore(recorder, engine._core.mapper, kept, "s") is not None
    fork = await engine.fork("s")
    assert fork.conversation_digest == out.receipt.conversation_digest
    assert (await engine.audit()).ok
