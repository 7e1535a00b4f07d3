"""Turns that the engine runs: from the request to the receipt, and every way they can end."""

import asyncio
import hashlib
import json
from typing import Any

import msgspec
import pytest
from engines import Meddler, on_an_engine

from engine import (
    AtCapacity,
    AuthorityRequired,
    CallbackPending,
    CallsUnresolved,
    Cancelled,
    Completed,
    Conflict,
    Engine,
    EngineClosed,
    Failed,
    InvalidArgument,
    InvalidMessage,
    NoAgent,
    NoPendingBoundary,
    SessionBusy,
    SessionNotFound,
    SessionNotRunning,
    StaleWriter,
    Usage,
)
from engine.machines import LIFECYCLE, Token
from engine.runtime.agents import AgentFailure, EchoAgent, ScriptedAgent, Turn, TurnResult
from engine.runtime.running import BEGINNINGS

FAST = {"grace_seconds": 0.2}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def digest(*messages: dict[str, Any]) -> str:
    text = json.dumps(list(messages), separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def attached(engine: Engine, agent: Any, session_id: str = "s") -> str:
    await engine.register(session_id)
    await engine.attach(session_id, agent)
    return session_id


class Gate:
    """An agent that waits, and says when it has begun to."""

    def __init__(self, *, heeds: bool = True) -> None:
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.heeds = heeds

    async def run_turn(self, turn: Turn) -> str:
        self.begun.set()
        while True:
            try:
                await self.open.wait()
            except asyncio.CancelledError:
                if self.heeds:
                    raise
            else:
                return "done"


# A turn


@on_an_engine()
async def test_a_turn_records_the_request_and_what_the_agent_says(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    out = await engine.apply_turn("s", "hello there", run_id="run-1")
    assert out.terminal == Completed()
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest(user("hello there"), says("hello there"))
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
    said = [m["content"] for m in (await engine.history("s")).messages if m["role"] != "user"]
    assert said == ["0 before, one now", "2 before, two now"]


@on_an_engine(agents=lambda session: ScriptedAgent([user("a"), says(session.labels["voice"])]))
async def test_an_agent_is_made_on_demand_for_a_session_without_one(engine: Engine) -> None:
    await engine.register("s", labels={"voice": "alto"})
    out = await engine.apply_turn("s", "a")
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest(user("a"), says("alto"))
    assert (await engine.read("s")).phase == "idle"


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


@on_an_engine()
async def test_what_a_request_cannot_be_is_refused_before_anything_is_written(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    for request in ([], [1], {"a": float("nan")}):
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


# Retries


@on_an_engine()
async def test_g3_a_retried_turn_runs_nothing_and_returns_what_is_recorded(engine: Engine) -> None:
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        return "x"

    await attached(engine, agent)
    first = await engine.apply_turn("s", "a", run_id="r")
    again = await engine.apply_turn("s", "a", run_id="r")
    assert times == 1
    assert again.duplicate
    assert (again.receipt, again.terminal) == (first.receipt, first.terminal)
    with pytest.raises(Conflict):
        await engine.apply_turn("s", "b", run_id="r")
    with pytest.raises(Conflict):
        await engine.apply_turn("s", "a", run_id="r", boundary="immediate")


@on_an_engine()
async def test_c_a_failed_turn_is_not_run_again_under_the_same_id(engine: Engine) -> None:
    times = 0

    async def agent(turn: Turn) -> str:
        nonlocal times
        times += 1
        raise AgentFailure("the provider is down", recoverable=True)

    await attached(engine, agent)
    first = await engine.apply_turn("s", "a", run_id="r")
    again = await engine.apply_turn("s", "a", run_id="r")
    assert first.terminal == again.terminal == Failed("turn", "the provider is down", True)
    assert times == 1
    await engine.apply_turn("s", "a", run_id="r-2")
    assert times == 2


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
    said = [user("go"), says("one"), says("two"), says("three")]
    assert out.receipt.conversation_digest == digest(*said)
    assert [await engine.load_receipt("s", "r", n) for n in (1, 2, 3)] == [*receipts, out.receipt]
    assert await engine.receipts("s") == [*receipts, out.receipt]
    assert (await engine.read("s")).usage == Usage(output_tokens=2)


@on_an_engine()
async def test_a_bad_message_at_a_boundary_is_the_agent_s_to_handle(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        with pytest.raises(InvalidMessage):
            await turn.boundary([{"role": "assistant", "content": float("inf")}])
        return "sorry"

    await attached(engine, agent)
    assert (await engine.apply_turn("s", "a")).terminal == Completed()


# Failures


@pytest.mark.parametrize(
    ("error", "terminal"),
    [
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


@on_an_engine()
async def test_what_landed_before_a_failure_stays(engine: Engine) -> None:
    async def agent(turn: Turn) -> str:
        await turn.boundary([says("one")])
        raise ValueError

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a")
    assert isinstance(out.terminal, Failed)
    assert out.receipt is not None
    assert out.receipt.conversation_digest == digest(user("a"), says("one"))
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


# Admission


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


# Interrupts


@pytest.mark.parametrize("heeds", [True, False])
@on_an_engine(**FAST)
async def test_an_interrupt_ends_a_turn_now_whether_its_agent_heeds_it_or_not(
    engine: Engine, heeds: bool
) -> None:
    gate = Gate(heeds=heeds)
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    await engine.interrupt("s", reason="enough")
    assert (await engine.read("s")).phase == "attached"
    assert (await turn).terminal == Cancelled("enough")
    gate.open.set()
    await engine.record_turn("s", [user("b")])


@on_an_engine(**FAST)
async def test_what_an_agent_lands_after_it_was_left_behind_is_stale(engine: Engine) -> None:
    late: list[BaseException] = []
    over = asyncio.Event()

    async def agent(turn: Turn) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
            try:
                await turn.boundary([says("late")])
            except StaleWriter as refused:
                late.append(refused)
            over.set()
        return "x"

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await asyncio.sleep(0.05)
    await engine.interrupt("s")
    assert isinstance((await turn).terminal, Cancelled)
    await over.wait()
    assert len(late) == 1
    assert (await engine.read("s")).message_count == 0


@on_an_engine()
async def test_interrupting_an_idle_session_is_not_running(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    for verb in (engine.interrupt, engine.cancel_after_boundary):
        with pytest.raises(SessionNotRunning):
            await verb("s")
        with pytest.raises(SessionNotFound):
            await verb("nobody")


@on_an_engine(**FAST)
async def test_cancelling_after_a_boundary_lets_the_boundary_land(engine: Engine) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def agent(turn: Turn) -> str:
        begun.set()
        await go.wait()
        await turn.boundary([says("one")])
        raise AssertionError("it goes on")

    await attached(engine, agent)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await begun.wait()
    await engine.cancel_after_boundary("s")
    assert (await engine.read("s")).phase == "running"
    go.set()
    out = await turn
    assert isinstance(out.terminal, Cancelled)
    assert out.receipt is not None
    assert out.receipt.message_count == 2
    assert (await engine.history("s")).messages == [user("a"), says("one")]


@on_an_engine(**FAST)
async def test_cancelling_the_awaiting_task_is_an_interrupt_and_not_a_leak(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a", run_id="r"))
    await gate.begun.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (await engine.read("s")).phase == "attached"
    again = await engine.apply_turn("s", "a", run_id="r")
    assert again.terminal == Cancelled("the caller was cancelled")


@on_an_engine(**FAST)
async def test_however_early_the_caller_is_cancelled_the_session_is_free_again(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    for steps in range(12):
        turn = asyncio.create_task(engine.apply_turn("s", "a", run_id=f"r-{steps}"))
        for _ in range(steps):
            await asyncio.sleep(0)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        await engine.record_turn("s", [user("b")])


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


# Callbacks and calls


CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c-1", "function": {"name": "ask", "arguments": "{}"}}],
}


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


# Closing


@pytest.mark.parametrize("heeds", [True, False])
@on_an_engine()
async def test_closing_lets_a_turn_end_or_interrupts_it_after_the_grace_period(
    engine: Engine, url: str, heeds: bool
) -> None:
    async with Engine.open(url, grace_seconds=0.2) as other:
        gate = Gate(heeds=heeds)
        await attached(other, gate)
        await attached(other, EchoAgent(), "t")
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        closing = asyncio.create_task(other.close())
        await asyncio.sleep(0.01)
        with pytest.raises(EngineClosed):
            await other.apply_turn("t", "b")
        if heeds:
            gate.open.set()
        await closing
        out = await turn
        assert out.terminal == (Completed() if heeds else Cancelled("the engine is closing"))
        gate.open.set()


# Other engines, crashes


@on_an_engine(**FAST)
async def test_g9_a_run_whose_owner_is_gone_is_closed_on_first_touch(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory ends with its engine")

    async def agent(turn: Turn) -> str:
        await turn.boundary([CALL])
        await asyncio.sleep(60)
        return "never"

    lost = await Engine.open(url, lease_seconds=0.3)
    await attached(lost, agent)
    turn = asyncio.create_task(lost.apply_turn("s", "a"))
    while (await lost.read("s")).message_count < 2:  # noqa: ASYNC110 - the log is what tells
        await asyncio.sleep(0.01)
    with pytest.raises(SessionBusy):
        await engine.record_turn("s", [user("b")])
    await lost._ownership.release()  # as if its process had died
    with pytest.raises(CallsUnresolved):
        await engine.record_turn("s", [user("b")])
    view = await engine.read("s")
    assert (view.phase, view.message_count) == ("attached", 2)
    with pytest.raises(StaleWriter):
        await turn
    await lost.close()


@on_an_engine(**FAST)
async def test_g4_a_turn_that_runs_in_another_engine_is_busy_and_can_be_interrupted_from_here(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    async with Engine.open(url, grace_seconds=0.2) as other:
        gate = Gate()
        await attached(other, gate)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        with pytest.raises(SessionBusy):
            await engine.record_turn("s", [user("b")])
        await engine.interrupt("s")
        assert (await turn).terminal == Cancelled("asked from elsewhere")
    assert (await engine.read("s")).phase == "attached"


@on_an_engine(**FAST)
async def test_g4_attaching_to_a_session_that_another_engine_runs_is_busy(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    async with Engine.open(url, grace_seconds=0.2) as other:
        gate = Gate()
        await attached(other, gate)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await gate.begun.wait()
        version = (await engine.head("s")).version
        with pytest.raises(SessionBusy):
            await engine.attach("s", EchoAgent())
        assert (await engine.head("s")).version == version
        gate.open.set()
        assert (await turn).terminal == Completed()
    await engine.attach("s", EchoAgent())


async def slow_builder(session: Any) -> Any:
    await asyncio.sleep(0.3)
    return EchoAgent()


class SlowToCome:
    """Builds an agent that never ends by itself, after a while."""

    async def __call__(self, session: Any) -> Any:
        await asyncio.sleep(0.2)
        return Gate()


@on_an_engine(agents=SlowToCome(), **FAST)
async def test_an_interrupt_that_comes_before_the_agent_is_there_is_not_lost(
    engine: Engine,
) -> None:
    await engine.register("s")
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    while (await engine.read("s")).phase != "running":  # noqa: ASYNC110 - the log is what tells
        await asyncio.sleep(0.01)
    await engine.interrupt("s", reason="never mind")
    assert (await engine.read("s")).phase == "idle"
    assert (await turn).terminal == Cancelled("never mind")


@on_an_engine()
async def test_closing_releases_what_only_waits_and_ends_what_has_no_agent_yet(
    engine: Engine, url: str
) -> None:
    async with Engine.open(url, agents=SlowToCome(), grace_seconds=0.1) as other:
        await other.register("s")
        await other.register("t")
        seat = await other.reserve("t")
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        while (await other.read("s")).phase != "running":  # noqa: ASYNC110 - the log is what tells
            await asyncio.sleep(0.01)
        await other.close()
        assert (await turn).terminal == Cancelled("the engine is closing")
        assert seat.phase == "shut_down"
    if url != "memory:":
        assert (await engine.read("s")).phase == "idle"


# What a fresh reader found


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


@pytest.mark.parametrize("reason", [429, "\ud800", "", "x" * 1000])
@on_an_engine(**FAST)
async def test_g9_a_reason_that_cannot_be_recorded_is_refused_before_anything_ends(
    engine: Engine, reason: Any
) -> None:
    gate = Gate()
    await attached(engine, gate)
    turn = asyncio.create_task(engine.apply_turn("s", "a"))
    await gate.begun.wait()
    with pytest.raises(InvalidArgument):
        await engine.interrupt("s", reason=reason)
    gate.open.set()
    assert (await turn).terminal == Completed()


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


@on_an_engine(**FAST)
async def test_a_turn_is_not_lost_however_often_another_engine_writes_meanwhile(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    left = []

    async def agent(turn: Turn) -> str:
        left.append(meddler.writes_left)
        await meddler.meddle(20)
        await turn.boundary([says("so far")])
        left.append(meddler.writes_left)
        await meddler.meddle(20)
        return "done"

    await attached(engine, agent)
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(BEGINNINGS - 1)
        out = await engine.apply_turn("s", "a")
    assert out.terminal == Completed()
    assert [*left, meddler.writes_left] == [0, 0, 0]


@on_an_engine(**FAST)
async def test_a_turn_that_others_do_not_let_begin_is_refused_and_nothing_is_recorded(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    await attached(engine, EchoAgent())
    async with Engine.open(url) as other:
        meddler = Meddler(engine, other)
        await meddler.meddle(BEGINNINGS)
        with pytest.raises(StaleWriter):
            await engine.apply_turn("s", "a", run_id="r")
        assert (await engine.control.runtime_state("s")).phase == "attached"
        assert (await engine.apply_turn("s", "a", run_id="r")).terminal == Completed()


@on_an_engine(**FAST)
async def test_an_agent_s_clean_up_is_cancelled_once_and_not_again(
    engine: Engine, url: str
) -> None:
    if url == "memory:":
        pytest.skip("a store in memory has one engine")
    begun, cleaned = asyncio.Event(), []

    async def agent(turn: Turn) -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.15)
            cleaned.append(True)
        return "never"

    async with Engine.open(url, grace_seconds=2) as other:
        await attached(other, agent)
        turn = asyncio.create_task(other.apply_turn("s", "a"))
        await begun.wait()
        await engine.interrupt("s")
        assert isinstance((await turn).terminal, Cancelled)
    assert cleaned == [True]


@on_an_engine(**FAST)
async def test_g3_a_retry_of_a_finished_run_is_answered_while_another_turn_runs(
    engine: Engine,
) -> None:
    await attached(engine, EchoAgent())
    first = await engine.apply_turn("s", "a", run_id="r")
    gate = Gate()
    await engine.attach("s", gate)
    turn = asyncio.create_task(engine.apply_turn("s", "b"))
    await gate.begun.wait()
    again = await engine.apply_turn("s", "a", run_id="r")
    assert (again.receipt, again.duplicate) == (first.receipt, True)
    with pytest.raises(Conflict):
        await engine.apply_turn("s", "other", run_id="r")
    gate.open.set()
    await turn


@on_an_engine()
async def test_hung_turns_are_ended_together_when_the_engine_closes(
    engine: Engine, url: str
) -> None:
    async with Engine.open(url, grace_seconds=0.3) as other:
        gates = [Gate() for _ in range(6)]
        for number, gate in enumerate(gates):
            await attached(other, gate, f"s{number}")
        turns = [asyncio.create_task(other.apply_turn(f"s{n}", "a")) for n in range(6)]
        for gate in gates:
            await gate.begun.wait()
        started = asyncio.get_running_loop().time()
        await other.close()
        assert asyncio.get_running_loop().time() - started < 6 * 0.3
        assert {(await turn).terminal for turn in turns} == {Cancelled("the engine is closing")}


@on_an_engine(**FAST)
async def test_a_reservation_in_use_is_not_released_by_its_holder(engine: Engine) -> None:
    gate = Gate()
    await attached(engine, gate)
    seat = await engine.reserve("s")
    turn = asyncio.create_task(engine.apply_turn("s", "a", reservation=seat))
    await gate.begun.wait()
    await engine.release(seat)
    with pytest.raises(SessionBusy):
        await engine.reserve("s")
    gate.open.set()
    await turn
    await engine.apply_turn("s", "b")


@on_an_engine(**FAST)
async def test_archiving_can_drain_what_is_queued_first(engine: Engine) -> None:
    await attached(engine, EchoAgent())
    await engine.ingest("s", "one")
    await engine.ingest("s", "two")
    view = await engine.archive("s", pending="drain")
    assert view.phase == "archived"
    assert (await engine.read("s")).message_count == 3
    assert engine._agents == {}


@on_an_engine(**FAST)
async def test_g2_a_boundary_that_lands_while_its_turn_is_interrupted_has_its_receipt(
    engine: Engine,
) -> None:
    engine._store.commit_now = lambda submissions: None  # type: ignore[method-assign]

    async def agent(turn: Turn) -> None:
        interrupting = asyncio.create_task(engine.interrupt("s"))
        try:
            await turn.boundary([says("x")])
        finally:
            await interrupting

    await attached(engine, agent)
    out = await engine.apply_turn("s", "a", run_id="r")
    assert isinstance(out.terminal, Cancelled)
    assert [out.receipt] == await engine.receipts("s")
    assert await engine.apply_turn("s", "a", run_id="r") == msgspec.structs.replace(
        out, terminal=out.terminal, duplicate=True
    )


@on_an_engine()
async def test_g9_a_turn_cancelled_again_and_again_has_ended_its_run_when_it_ends(
    engine: Engine,
) -> None:
    async def never(turn: Turn) -> None:
        raise AssertionError

    await attached(engine, never)
    engine._store.commit_now = lambda submissions: None  # type: ignore[method-assign]
    for moments in range(12):
        turn = asyncio.create_task(engine.apply_turn("s", "a", run_id=f"r-{moments}"))
        for _ in range(moments):
            await asyncio.sleep(0)
        while not turn.done():
            turn.cancel()
            await asyncio.sleep(0)
        assert turn.cancelled()
        (newest,) = engine._store.recorder.select_events("s", desc=True, limit=1)
        assert newest.topic != "run-begun", moments
