"""Turns that fail: the failure is recorded and can be read, and what landed before it stays."""

import enum
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import ANY

import pytest
from engines import on_an_engine
from messages import digest, says, user
from sessions import attached

from engine import (
    AgentFailure,
    CallbackPending,
    Cancelled,
    Completed,
    Engine,
    Failed,
    InvalidArgument,
    StaleWriter,
    Turn,
    TurnResult,
)


class Mute(Exception):
    """Cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError


class Kind(enum.StrEnum):
    CONTEXT = "context"


@pytest.mark.parametrize(
    ("error", "terminal"),
    [
        (StaleWriter("another session", 1, 2), Failed("turn", ANY)),
        (Mute(), Failed("turn", "Mute: what it says cannot be told (RuntimeError)")),
        (AgentFailure("full", kind=Kind.CONTEXT), Failed("context", "full")),
        (ValueError("boom"), Failed("turn", "ValueError: boom")),
        (AgentFailure("no", kind="hook_denied"), Failed("hook_denied", "no")),
        (AgentFailure("later", recoverable=True), Failed("turn", "later", True)),
        (AgentFailure("\udcff"), Failed("turn", "\\udcff")),
    ],
)
@on_an_engine()
async def test_a_failing_agent_leaves_the_session_as_it_was_plus_the_failure(
    engine: Engine, error: Exception, terminal: Failed
) -> None:
    async def agent(turn: Turn) -> str:
        raise error

    await attached(engine, agent)
    await engine.record_turn("s", [user("before")])
    before = await engine.read("s")
    out = await engine.apply_turn("s", "a")
    after = await engine.read("s")
    assert (out.receipt, out.terminal) == (None, terminal)
    assert (after.phase, after.conversation_digest) == (before.phase, before.conversation_digest)
    assert after.version == before.version + 2


@on_an_engine()
async def test_an_agent_that_returns_what_is_no_answer_is_told_what_would_be(
    engine: Engine,
) -> None:
    async def agent(turn: Turn) -> Any:
        return 5

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert out.terminal == Failed(
        "turn", "an agent returns a TurnResult, messages, a text or None, not int"
    )


@pytest.mark.parametrize(
    "terminal",
    [
        CallbackPending(None),  # type: ignore[arg-type]
        CallbackPending("approve", call_id=7),  # type: ignore[arg-type]
        CallbackPending("approve", {"at": float("nan")}),
        Failed("turn", "agents raise that"),
    ],
    ids=repr,
)
@on_an_engine()
async def test_g3_an_end_that_no_retry_could_be_told_is_a_failure(
    engine: Engine, terminal: Any
) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(messages=[says("x")], terminal=terminal)

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert isinstance(out.terminal, Failed)
    again = await engine.apply_turn("s", "a", run_id="r")
    assert (again.duplicate, again.terminal, again.receipt) == (True, out.terminal, None)


@on_an_engine()
async def test_what_landed_before_a_failure_stays(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        await turn.boundary([says("one")])
        raise ValueError

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest([user("a"), says("one")])
    assert (await engine.read("s")).conversation_digest == out.receipt.conversation_digest


async def broken_builder(session: Any) -> Any:
    raise ValueError("no agents today")


@on_an_engine(agents=broken_builder)
async def test_a_builder_that_fails_is_a_failed_turn(engine: Engine) -> None:
    await engine.register("s")
    out = await engine.apply_turn("s", "a")
    assert out.terminal == Failed("internal", "no agent was made: ValueError: no agents today")
    assert (await engine.read("s")).phase == "idle"
    await engine.record_turn("s", [user("b")])


@pytest.mark.parametrize(
    "failure",
    [
        lambda: AgentFailure("x", kind="rate_limited"),  # type: ignore[arg-type]
        lambda: AgentFailure("x", recoverable="yes"),  # type: ignore[arg-type]
        lambda: AgentFailure("x" * 100_000),
    ],
)
@on_an_engine()
async def test_g9_whatever_an_agent_says_of_its_failure_can_be_read_again(
    engine: Engine, failure: Any
) -> None:
    async def agent(turn: Turn) -> str:
        raise failure()

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    await engine.discard_live("s")
    assert (await engine.read("s")).phase == "attached"
    assert (await engine.apply_turn("s", "a", run_id="r")).terminal == out.terminal


# What cannot be recorded


@pytest.mark.parametrize("returned", [7, [1], {"content": float("nan")}, "\udcff"])
@on_an_engine()
async def test_an_agent_that_returns_what_cannot_be_recorded_has_failed(
    engine: Engine, returned: Any
) -> None:
    async def agent(turn: Turn) -> Any:
        return returned

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert (await engine.read("s")).message_count == 0


@on_an_engine()
async def test_what_is_no_coroutine_function_fails_as_an_agent_and_ends_its_run(
    engine: Engine,
) -> None:
    await attached(engine, lambda turn: "x")
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert (await engine.read("s")).phase == "attached"


@pytest.mark.parametrize(
    "returned",
    [
        TurnResult(messages=5),  # type: ignore[arg-type]
        TurnResult(usage={"input_tokens": 1}),  # type: ignore[arg-type]
        TurnResult(terminal="done"),  # type: ignore[arg-type]
        TurnResult(terminal=Failed("turn", "no")),  # type: ignore[arg-type]
        TurnResult(terminal=CallbackPending("t", object())),
        TurnResult(terminal=Completed({1, 2})),
    ],
)
@on_an_engine()
async def test_a_malformed_result_is_a_failed_turn(engine: Engine, returned: Any) -> None:
    async def agent(turn: Turn) -> Any:
        return returned

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert (await engine.read("s")).phase == "attached"


@on_an_engine()
async def test_what_an_agent_broke_on_is_logged_with_its_traceback(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(turn: Turn) -> None:
        if turn.run_id == "meant":
            raise AgentFailure("the provider is overloaded")
        raise {}["x"]

    await attached(engine, agent)
    await engine.apply_turn("s", "a", run_id="meant")
    assert caplog.text == ""
    await engine.apply_turn("s", "a", run_id="broken")
    assert "the agent of run broken failed" in caplog.text
    assert 'raise {}["x"]' in caplog.text


@pytest.mark.parametrize("terminal", [Failed("turn", "it broke"), Cancelled(), "done"], ids=repr)
@on_an_engine()
async def test_an_end_that_no_agent_returns_is_a_failure_that_says_which_are(
    engine: Engine, terminal: Any
) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(terminal=terminal)

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert "Completed, CallbackPending or NoPendingBoundary" in out.terminal.message
    assert "AgentFailure" in out.terminal.message


@on_an_engine()
async def test_an_agent_that_is_not_asynchronous_is_told_so(engine: Engine) -> None:
    await attached(engine, lambda turn: "at once")
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert "an agent is asynchronous" in out.terminal.message


@on_an_engine()
async def test_an_agent_that_yields_is_refused(engine: Engine) -> None:
    async def function(turn: Turn) -> AsyncIterator[str]:
        yield "one"

    class Yields:
        async def run_turn(self, turn: Turn) -> AsyncIterator[str]:
            yield "one"

    await engine.register("s")
    for agent in (function, Yields()):
        with pytest.raises(InvalidArgument, match=r"turn\.emit"):
            await engine.attach("s", agent)  # type: ignore[arg-type]
