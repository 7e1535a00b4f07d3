"""Turns that fail: the failure is recorded and can be read, and what landed before it stays."""

import asyncio
import dataclasses
import enum
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import ANY

import pytest

from perdure import (
    AgentFailure,
    CallbackPending,
    Cancelled,
    Completed,
    EchoAgent,
    Engine,
    Failed,
    InvalidArgument,
    StaleWriter,
    Turn,
    TurnResult,
    Usage,
)
from tests.support.engines import on_an_engine
from tests.support.messages import digest, says, user
from tests.support.sessions import attached, ingest
from tests.support.waiting import until


async def states(engine: Engine, *expected: str) -> bool:
    return [one.state for one in await engine.inputs("s")] == [*expected]


class Mute(Exception):
    """Cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError


class Number(int):
    """A whole number that is not encoded as one."""


class Kind(enum.StrEnum):
    CONTEXT = "context"


CONTEXT: Any = Kind.CONTEXT  # equal to a kind, and of another type


@pytest.mark.parametrize(
    ("error", "terminal"),
    [
        (StaleWriter("another session", 1, 2), Failed("turn", ANY)),
        (Mute(), Failed("turn", "Mute: its text cannot be read (RuntimeError)")),
        (AgentFailure("full", kind=CONTEXT), Failed("context", "full")),
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


async def refusing(session: Any) -> Any:
    raise AgentFailure("not for you", kind="rejected", recoverable=True)


@on_an_engine(agents=refusing)
async def test_a_builder_may_say_how_it_failed(engine: Engine) -> None:
    await engine.register("s")
    out = await engine.apply_turn("s", "a")
    assert out.terminal == Failed("rejected", "not for you", recoverable=True)


class OfItsOwnKind(AgentFailure):
    def __init__(self, kind: Any, recoverable: Any) -> None:
        super().__init__("x")
        self.kind, self.recoverable = kind, recoverable


@dataclasses.dataclass
class Overloaded(AgentFailure):
    status: int


class Secretive(AgentFailure):
    @property
    def kind(self) -> Any:
        raise ValueError("who asks?")

    @kind.setter
    def kind(self, given: Any) -> None:
        pass


@pytest.mark.parametrize(
    "failure",
    [
        lambda: AgentFailure("x", kind="rate_limited"),  # type: ignore[arg-type]
        lambda: AgentFailure("x", recoverable="yes"),  # type: ignore[arg-type]
        lambda: AgentFailure("x" * 100_000),
        lambda: OfItsOwnKind("denied", "503"),
        lambda: OfItsOwnKind(["rejected"], None),
        lambda: Overloaded(503),
        lambda: Secretive("x"),
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


@on_an_engine(retry_seconds=0.01)
async def test_a_loop_goes_on_whatever_its_agent_s_failure_looks_like(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        raise Overloaded(503)

    await attached(engine, agent)
    await engine.keep_alive("s")
    await ingest(engine, "one")
    await until(lambda: states(engine, "abandoned"))
    await engine.attach("s", EchoAgent())
    await ingest(engine, "two")
    await until(lambda: states(engine, "abandoned", "consumed"))


# What cannot be recorded


class Cancelling:
    """Messages that cancel whoever goes through them."""

    def __iter__(self) -> Any:
        raise asyncio.CancelledError


@on_an_engine()
async def test_g9_messages_that_cannot_be_gone_through_fail_the_turn(engine: Engine) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(messages=Cancelling())  # type: ignore[arg-type]

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert out.terminal == Failed("turn", "CancelledError: ")
    assert (await engine.apply_turn("s", "a", run_id="r")).terminal == out.terminal


@on_an_engine()
async def test_g9_a_reason_that_cannot_be_told_ends_the_turn_nevertheless(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        turn.scope.request(Mute())  # type: ignore[arg-type]
        await turn.boundary([says("one")])
        return "two"

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert out.terminal == Cancelled("its text cannot be read (RuntimeError)")
    assert (await engine.read("s")).phase == "attached"


@on_an_engine()
async def test_g9_a_run_whose_end_broke_on_the_way_to_the_log_ends_as_failed(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(turn: Any) -> str:
        commit = turn._commit

        async def broken(command: Any) -> Any:
            turn._commit = commit
            raise TypeError("not to be encoded")

        turn._commit = broken
        return "done"

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert out.terminal == Failed("internal", "TypeError: not to be encoded")
    assert (await engine.apply_turn("s", "a", run_id="r")).terminal == out.terminal
    assert "not to be encoded" in caplog.text


@on_an_engine()
async def test_a_run_gives_back_at_once_what_a_retry_will_read(engine: Engine) -> None:
    async def agent(turn: Turn) -> TurnResult:
        return TurnResult(
            terminal=Completed(result={"pair": (1, 2)}), usage=Usage(input_tokens=Number(3))
        )

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert out.terminal == Completed(result={"pair": [1, 2]})
    assert (await engine.apply_turn("s", "a", run_id="r")).terminal == out.terminal
    assert (await engine.read("s")).usage == Usage(input_tokens=3)


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
        raise LookupError("x")

    await attached(engine, agent)
    await engine.apply_turn("s", "a", run_id="meant")
    assert caplog.text == ""
    await engine.apply_turn("s", "a", run_id="broken")
    assert "the agent of run broken failed" in caplog.text
    assert 'raise LookupError("x")' in caplog.text


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
