"""Runs that the engine drives, inputs, and tool calls: decisions and refusals."""

import hashlib
import json
from typing import Any

import msgspec
import pytest

from perdure.aggregates import (
    AbandonCall,
    AcceptInput,
    ApplyBoundary,
    Archive,
    Attach,
    BeginRun,
    BoundaryApplied,
    CallAbandoned,
    CancelRun,
    CompleteRun,
    ContextStaged,
    Destroy,
    Detach,
    DropInputs,
    FailRun,
    Fork,
    InputAccepted,
    InputsDropped,
    InterruptRequested,
    JoinMob,
    LeaveMob,
    MobJoined,
    MobLeft,
    Origin,
    Publish,
    RecordTurn,
    Recover,
    Recycle,
    Register,
    RequestInterrupt,
    Reset,
    Retire,
    RollBackRun,
    RunBegun,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunRolledBack,
    Session,
    SessionArchived,
    SessionAttached,
    SessionCommand,
    SessionDestroyed,
    SessionDetached,
    SessionForked,
    SessionRecycled,
    SessionReset,
    SessionRetired,
    SessionStopped,
    StageContext,
    StageToolFilter,
    StageToolResults,
    Stop,
    ToolFilterStaged,
    ToolResultsStaged,
    TurnApplied,
    encode_messages,
    initial_state,
)
from perdure.aggregates.session.conversation import EMPTY
from perdure.aggregates.session.messages import NO_MESSAGES, EncodedMessages, decode_messages
from perdure.aggregates.session.retries import same_input, same_run, same_turn
from perdure.aggregates.session.work import unknown_calls
from perdure.errors import (
    CallNotOpen,
    CallsUnresolved,
    Conflict,
    IllegalTransition,
    InputNotQueued,
    SessionBusy,
    SessionNotRunning,
    StaleWriter,
)
from perdure.machines import LIFECYCLE
from perdure.machines.builtin.input import STAGING_LIMIT
from perdure.testing import NOW, Scenario, given, register, turn
from perdure.values import Usage

EPOCH = "epoch-1"
OTHERS = "epoch-2"


def user(text: str) -> EncodedMessages:
    return encode_messages([{"role": "user", "content": text}])


def says(text: str) -> EncodedMessages:
    return encode_messages([{"role": "assistant", "content": text}])


def calls(*ids: str) -> EncodedMessages:
    made = [{"id": i, "function": {"name": f"do_{i}", "arguments": "{}"}} for i in ids]
    return encode_messages([{"role": "assistant", "tool_calls": made}])


def result(call_id: str, text: str = "42") -> EncodedMessages:
    return encode_messages([{"role": "tool", "tool_call_id": call_id, "content": text}])


def open_ids(session: Scenario) -> list[str]:
    return [call.id for call in session.state.work.calls]


def accept(input_id: str, **fields: Any) -> AcceptInput:
    return AcceptInput(now=NOW, input_id=input_id, messages=user(input_id), **fields)


def begin(run_id: str = "run-1", **fields: Any) -> BeginRun:
    return BeginRun(now=NOW, run_id=run_id, epoch=EPOCH, **fields)


def boundary(messages: EncodedMessages, run_id: str = "run-1", **fields: Any) -> ApplyBoundary:
    return ApplyBoundary(now=NOW, run_id=run_id, epoch=EPOCH, messages=messages, **fields)


def complete(
    messages: EncodedMessages = NO_MESSAGES, run_id: str = "run-1", **fields: Any
) -> CompleteRun:
    return CompleteRun(now=NOW, run_id=run_id, epoch=EPOCH, messages=messages, **fields)


def fail(run_id: str = "run-1") -> FailRun:
    return FailRun(now=NOW, run_id=run_id, epoch=EPOCH, kind="turn", message="it broke")


def cancel(run_id: str = "run-1") -> CancelRun:
    return CancelRun(now=NOW, run_id=run_id, epoch=EPOCH, reason="stop it")


def conversation(*parts: EncodedMessages) -> str:
    """Return the digest of these messages in a row, by the standard library alone."""
    texts = [m for part in parts for m in decode_messages(part.array())]
    encoded = json.dumps(texts, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(encoded.encode()).hexdigest()


def counts(session: Scenario) -> tuple[Any, ...]:
    lifecycle = session.state.lifecycle
    return tuple(LIFECYCLE.value(lifecycle, name) for name in ("queued", "staged"))


# A run, from its beginning to its end


def test_a_run_begins_of_a_request_that_is_known_by_its_digest() -> None:
    session = given(register())
    (event,) = session.when(begin(request=user("hi"))).then(RunBegun)
    assert event.request_digest == conversation(user("hi"))
    assert session.state.phase == "running"
    assert session.state.conversation == EMPTY


def test_a_completed_run_lands_the_request_and_what_the_agent_said_in_one_event() -> None:
    session = given(register(), begin(request=user("hi")))
    usage = Usage(input_tokens=3, output_tokens=4)
    (event,) = session.when(complete(says("hello"), request=user("hi"), usage=usage)).then(
        RunCompleted
    )
    assert event.receipt.conversation_digest == conversation(user("hi"), says("hello"))
    assert (event.receipt.sequence, event.receipt.message_count) == (1, 2)
    assert (session.state.phase, session.state.usage) == ("idle", usage)
    assert session.state.work.run is None


def test_what_a_run_that_landed_nothing_used_is_summed_too() -> None:
    session = given(register(), begin())
    used = complete(terminal="no_pending_boundary", usage=Usage(input_tokens=7))
    (event,) = session.when(used).then(RunCompleted)
    assert event.receipt is None
    assert session.state.usage == Usage(input_tokens=7)


def test_boundaries_land_as_the_run_goes_on_each_with_the_next_sequence() -> None:
    session = given(register(), begin(request=user("hi")))
    (one,) = session.when(boundary(says("a"), request=user("hi"))).then(BoundaryApplied)
    (two,) = session.when(boundary(says("b"), request=user("hi"))).then(BoundaryApplied)
    (end,) = session.when(complete(says("c"), request=user("hi"))).then(RunCompleted)
    assert [event.receipt.sequence for event in (one, two, end)] == [1, 2, 3]
    assert [event.receipt.message_count for event in (one, two, end)] == [2, 3, 4]
    assert one.receipt.boundary == "run_checkpoint"
    whole = conversation(user("hi"), says("a"), says("b"), says("c"))
    assert end.receipt.conversation_digest == whole


def test_a_run_that_had_nothing_to_land_ends_without_a_receipt() -> None:
    session = given(register(), StageContext(now=NOW, message=user("later")), begin())
    (event,) = session.when(complete(terminal="no_pending_boundary")).then(RunCompleted)
    assert (event.receipt, bytes(event.messages)) == (None, b"[]")
    assert session.state.staged_context != ()
    assert session.state.conversation == EMPTY


def test_a_run_that_ends_with_nothing_to_say_still_lands_what_was_asked() -> None:
    session = given(register(), begin(request=user("hi")))
    (event,) = session.when(complete(request=user("hi"))).then(RunCompleted)
    assert event.receipt.message_count == 1
    session.when(begin("run-2")).then(RunBegun)
    (event,) = session.when(complete(run_id="run-2")).then(RunCompleted)
    assert event.receipt is None


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (fail(), RunFailed),
        (cancel(), RunCancelled),
        (RollBackRun(now=NOW, run_id="run-1", epoch=EPOCH), RunRolledBack),
        (Recover(now=NOW), RunInterrupted),
        (Stop(now=NOW), SessionStopped),
    ],
)
def test_a_run_that_did_not_end_well_leaves_the_conversation_as_it_was(
    command: SessionCommand, kind: type
) -> None:
    session = given(register(), turn("run-0", "a", "b"), begin(request=user("hi")))
    before = session.state.conversation
    session.when(command).then(kind)
    assert session.state.conversation == before
    assert session.state.work.run is None


def test_what_a_failed_run_had_landed_stays() -> None:
    session = given(register(), begin(request=user("hi")), boundary(says("a"), request=user("hi")))
    session.when(fail()).then(RunFailed)
    assert session.state.conversation.digest() == conversation(user("hi"), says("a"))


def test_a_run_ends_in_the_phase_it_left_or_retired_if_that_came_meanwhile() -> None:
    session = given(register(), Attach(now=NOW), begin())
    session.when(complete(says("x"))).then(RunCompleted)
    assert session.state.phase == "attached"
    session = given(register(), begin(), Retire(now=NOW))
    session.when(complete(says("x"))).then(RunCompleted)
    assert session.state.phase == "retired"


def test_g4_a_second_run_is_busy_and_so_is_a_turn() -> None:
    session = given(register(), begin())
    session.when(begin("run-2")).then_refused(SessionBusy)
    session.when(turn("run-2", "a")).then_refused(SessionBusy)


@pytest.mark.parametrize("command", [boundary(says("x")), complete(says("x")), fail(), cancel()])
def test_g4_the_late_commit_of_an_owner_that_was_replaced_is_stale(command: Any) -> None:
    session = given(register(), begin(), Recover(now=NOW))
    session.when(command).then_refused(StaleWriter)
    session.when(BeginRun(now=NOW, run_id="run-1b", epoch=OTHERS)).then(RunBegun)
    session.when(command).then_refused(StaleWriter)
    mine = msgspec.structs.replace(command, run_id="run-1b")
    session.when(mine).then_refused(StaleWriter)


def test_an_interrupt_is_a_recorded_request_and_needs_a_run() -> None:
    ask = RequestInterrupt(now=NOW, mode="cancel_after_boundary", by="authority")
    given(register()).when(ask).then_refused(SessionNotRunning)
    session = given(register(), begin())
    (event,) = session.when(ask).then(InterruptRequested)
    assert (event.run_id, event.mode, event.by) == ("run-1", "cancel_after_boundary", "authority")
    assert LIFECYCLE.value(session.state.lifecycle, "cancel_requested") is True
    session.when(cancel()).then(RunCancelled)
    assert LIFECYCLE.value(session.state.lifecycle, "cancel_requested") is False


def test_an_interrupt_is_never_made_less_urgent() -> None:
    soon = RequestInterrupt(now=NOW, mode="cancel_after_boundary", by="caller")
    at_once = RequestInterrupt(now=NOW, mode="interrupt", by="caller")
    session = given(register(), begin(), soon, at_once)
    session.when(soon).then(InterruptRequested)
    run = session.state.work.run
    assert run is not None
    assert run.interrupt == "interrupt"


def test_g3_the_same_run_is_known_by_request_boundary_and_inputs() -> None:
    session = given(register(), accept("in-1"))
    (event,) = session.when(begin(request=user("hi"), input_ids=("in-1",))).then(RunBegun)
    assert same_run(event, begin(request=user("hi"), input_ids=("in-1",)))
    assert not same_run(event, begin(request=user("ho"), input_ids=("in-1",)))
    assert not same_run(event, begin(request=user("hi")))
    assert not same_run(event, begin(request=user("hi"), input_ids=("in-1",), boundary="immediate"))


# Inputs


def test_an_input_is_landed_by_the_run_that_takes_it() -> None:
    session = given(register(), accept("in-1"), accept("in-2"))
    session.when(begin(input_ids=("in-2",), request=user("hi"))).then(RunBegun)
    assert counts(session) == (1, 1)
    (event,) = session.when(complete(says("x"), request=user("hi"))).then(RunCompleted)
    assert event.receipt.contributing_input_ids == ("in-2",)
    whole = conversation(user("in-2"), user("hi"), says("x"))
    assert event.receipt.conversation_digest == whole
    assert list(session.state.work.inputs) == ["in-1"]
    assert counts(session) == (1, 0)


def test_an_input_steers_the_run_from_its_next_boundary_on() -> None:
    session = given(register(), begin(), accept("in-1", lane="steer"), accept("in-2"))
    (event,) = session.when(boundary(says("a"))).then(BoundaryApplied)
    assert event.steered_input_ids == ("in-1",)
    assert event.receipt.contributing_input_ids == ()
    assert counts(session) == (1, 1)
    (end,) = session.when(complete(says("b"))).then(RunCompleted)
    assert end.receipt.contributing_input_ids == ("in-1",)
    assert end.receipt.conversation_digest == conversation(says("a"), user("in-1"), says("b"))


def test_an_input_without_a_receipt_is_queued_again_and_one_with_is_consumed() -> None:
    session = given(register(), accept("in-1"), begin(input_ids=("in-1",)))
    session.when(accept("in-2", lane="steer")).then(InputAccepted)
    session.when(boundary(says("a"))).then(BoundaryApplied)
    session.when(Recover(now=NOW)).then(RunInterrupted)
    assert list(session.state.work.inputs) == ["in-2"]
    assert counts(session) == (1, 0)


def test_an_input_staged_three_times_in_vain_is_abandoned() -> None:
    session = given(register(), accept("in-1"))
    for attempt in range(1, STAGING_LIMIT.actual + 1):
        session.when(begin(f"run-{attempt}", input_ids=("in-1",))).then(RunBegun)
        (event,) = session.when(fail(f"run-{attempt}")).then(RunFailed)
        last = attempt == STAGING_LIMIT.actual
        assert event.abandoned_input_ids == (("in-1",) if last else ())
    assert session.state.work.inputs == {}
    assert counts(session) == (0, 0)


def test_a_run_takes_only_what_is_queued() -> None:
    session = given(register(), accept("in-1"))
    session.when(begin(input_ids=("in-9",))).then_refused(InputNotQueued)
    session.when(turn("run-1", "a", input_ids=("in-9",))).then_refused(InputNotQueued)


def test_a_recorded_turn_consumes_the_inputs_it_names() -> None:
    session = given(register(), accept("in-1"), accept("in-2"))
    session.when(turn("run-1", "a", input_ids=("in-1",))).then(TurnApplied)
    assert (list(session.state.work.inputs), counts(session)) == (["in-2"], (1, 0))


def test_a_retired_session_takes_no_input_and_drains_what_it_has() -> None:
    session = given(register(), accept("in-1"), Retire(now=NOW))
    session.when(accept("in-2")).then_refused(IllegalTransition)
    session.when(begin()).then_refused(IllegalTransition)
    session.when(begin(input_ids=("in-1",))).then(RunBegun)
    session.when(complete(says("x"))).then(RunCompleted)
    session.when(Archive(now=NOW)).then(SessionArchived)


def test_an_input_that_a_boundary_landed_is_consumed_by_an_end_that_lands_nothing() -> None:
    session = given(register(), accept("in-1"), begin(input_ids=("in-1",)), boundary(says("a")))
    session.when(complete(terminal="no_pending_boundary")).then(RunCompleted)
    assert (session.state.work.inputs, counts(session)) == ({}, (0, 0))
    session.when(begin("run-2")).then(RunBegun)
    session.when(fail("run-2")).then(RunFailed)


@pytest.mark.parametrize("outcome", ["superseded", "coalesced", "abandoned"])
def test_a_queued_input_can_be_dropped_and_then_is_gone(outcome: Any) -> None:
    session = given(register(), accept("in-1"), accept("in-2"))
    drop = DropInputs(now=NOW, input_ids=("in-1",), outcome=outcome, into="in-2")
    session.when(drop).then(InputsDropped)
    assert (list(session.state.work.inputs), counts(session)) == (["in-2"], (1, 0))
    session.when(drop).then_refused(InputNotQueued)


def test_archiving_abandons_what_is_queued_only_where_that_was_asked() -> None:
    session = given(register(), accept("in-1"))
    session.when(Archive(now=NOW)).then_refused(IllegalTransition)
    dropped, *_ = session.when(Archive(now=NOW, abandon_inputs=True)).then(
        InputsDropped, SessionRetired, SessionArchived
    )
    assert (dropped.input_ids, dropped.outcome) == (("in-1",), "abandoned")
    assert session.state.phase == "archived"


def test_reset_abandons_and_recycle_carries_over() -> None:
    session = given(register(), accept("in-1"))
    (event,) = session.when(Recycle(now=NOW)).then(SessionRecycled)
    assert (event.transferred_input_ids, counts(session)) == (("in-1",), (1, 0))
    (reset,) = session.when(Reset(now=NOW)).then(SessionReset)
    assert (reset.abandoned_input_ids, counts(session)) == (("in-1",), (0, 0))
    assert session.state.work.inputs == {}


def test_destroying_ends_everything_that_is_pending() -> None:
    session = given(register(), accept("in-1"), accept("in-2"), begin(input_ids=("in-1",)))
    (event,) = session.when(Destroy(now=NOW, reason="gone")).then(SessionDestroyed)
    assert event.abandoned_input_ids == ("in-1", "in-2")
    assert (session.state.phase, session.state.work.inputs) == ("destroyed", {})


def test_g3_the_same_input_is_known_by_messages_lane_and_source() -> None:
    (event,) = given(register()).when(accept("in-1", source="mail")).then(InputAccepted)
    assert same_input(event, accept("in-1", source="mail"))
    assert not same_input(event, accept("in-1", source="mail", lane="steer"))
    assert not same_input(event, accept("in-2", source="mail"))


# Tool calls


def test_a_call_is_open_until_its_result_lands() -> None:
    session = given(register(), begin())
    session.when(boundary(calls("c-1", "c-2"))).then(BoundaryApplied)
    assert open_ids(session) == ["c-1", "c-2"]
    session.when(boundary(result("c-1"))).then(BoundaryApplied)
    assert open_ids(session) == ["c-2"]


def test_an_id_given_again_is_another_call_and_that_one_is_open() -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(boundary(result("c-1") + calls("c-1"))).then(BoundaryApplied)
    assert [call.version for call in session.state.work.calls] == [4]
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    session.when(complete(calls("c-1"))).then(RunCompleted)  # behind the staged result
    assert [call.status for call in session.state.work.calls] == ["intended"]
    session.when(StageToolResults(now=NOW, messages=result("c-1", "43"))).then(ToolResultsStaged)


def test_g9_calls_of_an_interrupted_run_are_unknown_and_refuse_the_next_turn() -> None:
    session = given(register(), begin(), boundary(calls("c-1")), Recover(now=NOW))
    assert unknown_calls(session.state.work) == ("c-1",)
    error = session.when(begin("run-2")).then_refused(CallsUnresolved)
    assert error.data["call_ids"] == ["c-1"]
    session.when(turn("run-2", "a")).then_refused(CallsUnresolved)


def test_g9_a_call_that_an_interrupted_run_was_offered_is_unknown_too() -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(complete(terminal="callback_pending")).then(RunCompleted)
    assert unknown_calls(session.state.work) == ()
    session.when(begin("run-2")).then(RunBegun)
    session.when(Recover(now=NOW)).then(RunInterrupted)
    assert unknown_calls(session.state.work) == ("c-1",)


def test_g5_an_ended_session_asks_for_no_call_to_be_resolved_and_no_input_to_be_queued() -> None:
    session = given(register(), begin(), boundary(calls("c-1")), Recover(now=NOW), Archive(now=NOW))
    for late in (begin("run-2"), turn("run-2", "a"), begin("run-2", input_ids=("input-1",))):
        assert session.when(late).then_refused(IllegalTransition).data["phase"] == "archived"


def test_g9_an_unknown_call_is_resolved_by_a_result_or_by_a_decision_and_nothing_else() -> None:
    past = (register(), begin(), boundary(calls("c-1", "c-2")), Recover(now=NOW))
    session = given(*past)
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    session.when(begin("run-2")).then_refused(CallsUnresolved)
    session.when(AbandonCall(now=NOW, call_id="c-2", reason="too late")).then(CallAbandoned)
    session.when(begin("run-2", request=user("so?"))).then(RunBegun)
    (event,) = session.when(complete(says("x"), "run-2", request=user("so?"))).then(RunCompleted)
    whole = conversation(calls("c-1", "c-2"), result("c-1"), user("so?"), says("x"))
    assert event.receipt.conversation_digest == whole
    assert (event.staged_results, session.state.work.calls) == (1, ())


def test_a_call_whose_result_was_staged_is_not_in_doubt_after_a_crash() -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    session.when(Recover(now=NOW)).then(RunInterrupted)
    assert unknown_calls(session.state.work) == ()


def test_staged_results_come_before_staged_context() -> None:
    session = given(register(), turn("run-1", "a"), begin("run-2"), boundary(calls("c-1"), "run-2"))
    session.when(complete(run_id="run-2", terminal="callback_pending")).then(RunCompleted)
    session.when(StageContext(now=NOW, message=user("by the way"))).then(ContextStaged)
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    (event,) = session.when(turn("run-3", "go on")).then(TurnApplied)
    assert (event.staged_results, event.staged_context) == (1, 1)
    landed = decode_messages(event.messages)
    assert [message["role"] for message in landed] == ["tool", "user", "user"]


def test_a_call_whose_result_is_staged_is_not_given_up() -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    error = session.when(AbandonCall(now=NOW, call_id="c-1")).then_refused(Conflict)
    assert error.data["key"] == "c-1"


STAGED = result("c-1", "from outside") + result("c-2", "from outside")


def test_g3_a_result_that_the_agent_gave_itself_is_not_landed_before_it() -> None:
    session = given(register(), begin(), boundary(calls("c-1", "c-2")))
    session.when(StageToolResults(now=NOW, messages=STAGED)).then(ToolResultsStaged)
    (event,) = session.when(complete(result("c-1", "its own") + says("x"))).then(RunCompleted)
    landed = result("c-2", "from outside") + result("c-1", "its own") + says("x")
    assert (event.staged_results, event.messages) == (1, landed.array())
    assert event.receipt.conversation_digest == conversation(calls("c-1", "c-2"), landed)
    assert (session.state.work.calls, session.state.work.results) == ((), ())


def test_a_result_that_the_recorded_turn_brings_too_is_landed_once() -> None:
    session = given(register(), turn("run-1", "a"), begin("run-2"), boundary(calls("c-1"), "run-2"))
    session.when(complete(run_id="run-2", terminal="callback_pending")).then(RunCompleted)
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    own = RecordTurn(now=NOW, run_id="run-3", messages=result("c-1") + says("x"))
    (event,) = session.when(own).then(TurnApplied)
    assert (event.staged_results, event.messages) == (0, own.messages.array())
    assert same_turn(event, own)
    assert session.state.work.results == ()


def test_a_result_lands_if_only_a_later_call_of_its_id_is_answered_behind_it() -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    again = calls("c-1") + result("c-1", "43")
    (event,) = session.when(complete(again)).then(RunCompleted)
    assert (event.staged_results, event.messages) == (1, (result("c-1") + again).array())


@pytest.mark.parametrize(
    "messages", [result("c-9"), user("hi"), result("c-1") + result("c-1", "43")]
)
def test_a_result_that_answers_no_open_call_is_refused(messages: EncodedMessages) -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(StageToolResults(now=NOW, messages=messages)).then_refused(CallNotOpen)


def test_g3_staging_the_same_result_again_changes_nothing_and_another_is_a_conflict() -> None:
    session = given(register(), begin(), boundary(calls("c-1")))
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then(ToolResultsStaged)
    session.when(StageToolResults(now=NOW, messages=result("c-1"))).then()
    session.when(StageToolResults(now=NOW, messages=result("c-1", "43"))).then_refused(Conflict)


ANTHROPIC_CALLS = encode_messages(
    [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "t-1", "name": "look", "input": {"at": 1}},
                {"type": "tool_use", "id": "t-2", "name": "look", "input": {"at": 2}},
            ],
        }
    ]
)
ANTHROPIC_RESULTS = encode_messages(
    [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t-1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "t-2", "content": "two"},
            ],
        }
    ]
)
RESPONSES_CALL = encode_messages(
    [{"type": "function_call", "call_id": "f-1", "name": "look", "arguments": "{}"}]
)
RESPONSES_RESULT = encode_messages(
    [{"type": "function_call_output", "call_id": "f-1", "output": "one"}]
)
CUSTOM = {"id": "x-1", "type": "custom", "custom": {"name": "look", "input": "there"}}
CUSTOM_CALL = encode_messages([{"role": "assistant", "tool_calls": [CUSTOM]}])
DUMPED_CALL = encode_messages([{"role": "assistant", "tool_calls": [CUSTOM | {"function": None}]}])


def item(kind: str, key: str = "call_id") -> EncodedMessages:
    """An item of the responses' shape: a call, or what answers it."""
    return encode_messages([{"type": kind, key: "i-1", "id": "i-1", "action": {}, "output": ""}])


@pytest.mark.parametrize(
    ("made", "answer", "ids"),
    [
        (calls("c-1"), result("c-1"), ["c-1"]),
        (CUSTOM_CALL, result("x-1"), ["x-1"]),
        (DUMPED_CALL, result("x-1"), ["x-1"]),
        (ANTHROPIC_CALLS, ANTHROPIC_RESULTS, ["t-1", "t-2"]),
        (RESPONSES_CALL, RESPONSES_RESULT, ["f-1"]),
        (item("custom_tool_call"), item("custom_tool_call_output"), ["i-1"]),
        (item("computer_call"), item("computer_call_output"), ["i-1"]),
        (item("shell_call"), item("shell_call_output"), ["i-1"]),
        (item("local_shell_call"), item("local_shell_call_output", "id"), ["i-1"]),
    ],
)
def test_calls_are_found_in_each_provider_s_shape(
    made: EncodedMessages, answer: EncodedMessages, ids: list[str]
) -> None:
    session = given(register(), begin(), boundary(made))
    assert open_ids(session) == ids
    session.when(StageToolResults(now=NOW, messages=answer)).then(ToolResultsStaged)
    session.when(complete(says("x"))).then(RunCompleted)
    assert session.state.work.calls == ()


def test_text_that_only_speaks_of_tools_opens_no_call() -> None:
    words = [
        {"role": "user", "content": "what is tool_calls, tool_use or function_call?"},
        {"role": "assistant", "tool_calls": None, "content": "a field"},
        {"role": "assistant", "tool_calls": [{"id": 7}, "x"], "content": [{"type": "tool_use"}]},
        {"type": "web_search_call", "id": "ws-1", "status": "completed"},  # run by the provider
        {"type": 7, "call_id": "c"},
    ]
    session = given(register(), begin(), boundary(encode_messages(words)))
    assert session.state.work.calls == ()


# The rest of a session's life


def test_attaching_twice_changes_nothing_and_detaching_undoes_it() -> None:
    session = given(register())
    session.when(Attach(now=NOW, agent="echo")).then(SessionAttached)
    session.when(Attach(now=NOW)).then()
    session.when(Detach(now=NOW)).then(SessionDetached)
    session.when(Detach(now=NOW)).then_refused(IllegalTransition)


def test_recovering_what_needs_no_recovery_changes_nothing() -> None:
    given(register()).when(Recover(now=NOW)).then()


def test_membership_is_recorded_once() -> None:
    session = given(register())
    session.when(LeaveMob(now=NOW, mob="crew")).then()
    session.when(JoinMob(now=NOW, mob="crew")).then(MobJoined)
    session.when(JoinMob(now=NOW, mob="crew")).then()
    session.when(JoinMob(now=NOW, mob="other")).then(MobJoined)
    session.when(LeaveMob(now=NOW, mob="crew")).then(MobLeft)
    assert session.state.mobs == ("other",)


FILTER = msgspec.Raw(b'{"deny":["rm"]}')


def filters(state: Session) -> tuple[msgspec.Raw | None, msgspec.Raw | None]:
    """Return the tool filter in effect, and the one staged for the next boundary."""
    return state.work.filter, state.work.next_filter


def test_a_tool_filter_takes_effect_at_the_next_boundary() -> None:
    session = given(register(), begin())
    session.when(StageToolFilter(now=NOW, filter=FILTER)).then(ToolFilterStaged)
    assert filters(session.state) == (None, FILTER)
    session.when(boundary(says("x"))).then(BoundaryApplied)
    assert filters(session.state) == (FILTER, None)


def test_a_run_begins_with_the_tool_filter_that_was_staged_before_it() -> None:
    session = given(register(), StageToolFilter(now=NOW, filter=FILTER))
    assert filters(session.state) == (None, FILTER)
    session.when(begin()).then(RunBegun)
    assert filters(session.state) == (FILTER, None)


def test_a_fork_goes_on_from_its_origin_s_conversation() -> None:
    past = given(register(), turn("run-1", "a", "b"))
    at = past.state.conversation
    origin = Origin(
        session_id="origin", version=2, message_count=at.count, conversation_digest=at.digest()
    )
    session = Scenario(initial_state("fork", at))
    session.when(Fork(now=NOW, origin=origin)).then(SessionForked)
    session.when(Fork(now=NOW, origin=origin)).then()
    session.when(Register(now=NOW)).then()
    session.when(Fork(now=NOW, origin=msgspec.structs.replace(origin, version=1))).then_refused(
        Conflict
    )
    session.when(turn("run-1", "c")).then(TurnApplied)
    whole = conversation(turn("", "a", "b").messages, turn("", "c").messages)
    assert session.state.conversation.digest() == whole
    assert session.state.origin == origin


FINISHED = [
    [register(), Archive(now=NOW)],
    [register(), Destroy(now=NOW)],
]


@pytest.mark.parametrize("past", FINISHED)
@pytest.mark.parametrize(
    "command",
    [
        Attach(now=NOW),
        begin(),
        accept("in-1"),
        JoinMob(now=NOW, mob="crew"),
        Publish(now=NOW, name="x"),
        StageToolFilter(now=NOW, filter=msgspec.Raw(b"1")),
        Stop(now=NOW),
        Reset(now=NOW),
        Recycle(now=NOW),
        Destroy(now=NOW),
        Archive(now=NOW),
        Retire(now=NOW),
    ],
    ids=lambda command: type(command).__name__,
)
def test_g5_nothing_is_written_after_the_end(
    past: list[SessionCommand], command: SessionCommand
) -> None:
    given(*past).when(command).then_refused(IllegalTransition)
