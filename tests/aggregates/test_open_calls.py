"""The law of a conversation, decided and folded: nothing comes between a call and its result.

Given, when, then; the shapes are chat completions', whose table row is tested elsewhere.
"""

from typing import Any

import pytest

from perdure.aggregates import (
    AcceptInput,
    AppendContext,
    ApplyBoundary,
    BeginRun,
    BoundaryApplied,
    CallAbandoned,
    CallRulesAdopted,
    CallsKept,
    CompleteRun,
    ContextAppended,
    ContextStaged,
    EncodedMessages,
    InputAccepted,
    RecordTurn,
    Recover,
    RunBegun,
    RunCompleted,
    RunInterrupted,
    SessionRegistered,
    StageContext,
    StageToolResults,
    ToolResultsStaged,
    TurnApplied,
    decide,
    decode_messages,
    encode_messages,
    evolve,
    fold,
    initial_state,
)
from perdure.aggregates.session.call_shapes import RULES
from perdure.errors import CallNotOpen, CallsUnresolved, Conflict
from perdure.testing import NOW, SESSION_ID, Scenario, given, register

EPOCH = "epoch-1"


def user(text: str) -> EncodedMessages:
    return encode_messages([{"role": "user", "content": text}])


def calls(*ids: str, said: str = "{}") -> EncodedMessages:
    made = [{"id": i, "function": {"name": "look", "arguments": said}} for i in ids]
    return encode_messages([{"role": "assistant", "tool_calls": made}])


def result(call_id: str, text: str = "42") -> EncodedMessages:
    return encode_messages([{"role": "tool", "tool_call_id": call_id, "content": text}])


def record(run_id: str, *messages: EncodedMessages, **fields: Any) -> RecordTurn:
    joined = messages[0]
    for more in messages[1:]:
        joined = joined + more
    return RecordTurn(now=NOW, run_id=run_id, messages=joined, **fields)


def begin(run_id: str, **fields: Any) -> BeginRun:
    return BeginRun(now=NOW, run_id=run_id, epoch=EPOCH, **fields)


def boundary(run_id: str, messages: EncodedMessages) -> ApplyBoundary:
    return ApplyBoundary(now=NOW, run_id=run_id, epoch=EPOCH, messages=messages)


def complete(run_id: str, **fields: Any) -> CompleteRun:
    return CompleteRun(now=NOW, run_id=run_id, epoch=EPOCH, **fields)


def stage(*messages: EncodedMessages) -> StageToolResults:
    return StageToolResults(now=NOW, messages=record("r", *messages).messages)


CONTEXT = StageContext(now=NOW, message=user("by the way"))
STEER = AcceptInput(now=NOW, input_id="in-1", lane="steer", messages=user("faster"))


def with_calls(*ids: str) -> Scenario:
    return given(register(), record("run-1", user("go"), calls(*ids)))


def kept(session: Scenario) -> list[tuple[str, bool]]:
    return [(call.id, call.kept) for call in session.state.work.calls]


def contents(event: Any) -> list[Any]:
    return [message["content"] for message in decode_messages(event.messages)]


# What is staged or steered waits


def test_staged_context_waits_until_no_call_is_open() -> None:
    session = with_calls("c-1")
    session.when(CONTEXT).then(ContextStaged)
    (event,) = session.when(record("run-2", result("c-1"), user("so"))).then(TurnApplied)
    assert (event.staged_context, contents(event)) == (0, ["42", "so"])
    (event,) = session.when(record("run-3", user("on"))).then(TurnApplied)
    assert (event.staged_context, contents(event)) == (1, ["by the way", "on"])


def test_staged_context_lands_behind_the_staged_results_of_all_open_calls() -> None:
    session = with_calls("c-1", "c-2")
    session.when(CONTEXT).then(ContextStaged)
    session.when(stage(result("c-2", "two"), result("c-1", "one"))).then(ToolResultsStaged)
    (event,) = session.when(record("run-2", user("so"))).then(TurnApplied)
    assert contents(event) == ["two", "one", "by the way", "so"]


def test_context_that_is_staged_in_a_run_waits_for_the_results_of_its_calls() -> None:
    session = given(register(), begin("run-1"), boundary("run-1", calls("c-1", "c-2")))
    session.when(CONTEXT).then(ContextStaged)
    (event,) = session.when(boundary("run-1", result("c-1"))).then(BoundaryApplied)
    assert (event.staged_context, contents(event)) == (0, ["42"])
    (event,) = session.when(boundary("run-1", result("c-2"))).then(BoundaryApplied)
    assert event.staged_context == 0
    (event,) = session.when(complete("run-1", messages=user("x"))).then(RunCompleted)
    assert contents(event) == ["by the way", "x"]


def test_an_input_that_steers_is_taken_once_no_call_of_the_run_is_open() -> None:
    session = given(register(), begin("run-1"))
    session.when(STEER).then(InputAccepted)
    (event,) = session.when(boundary("run-1", calls("c-1"))).then(BoundaryApplied)
    assert event.steered_input_ids == ()
    (event,) = session.when(boundary("run-1", result("c-1"))).then(BoundaryApplied)
    assert event.steered_input_ids == ("in-1",)
    (event,) = session.when(complete("run-1", messages=user("x"))).then(RunCompleted)
    assert contents(event) == ["faster", "x"]
    assert event.receipt.contributing_input_ids == ("in-1",)


def test_context_to_be_appended_is_staged_while_a_call_is_open() -> None:
    session = with_calls("c-1")
    append = AppendContext(now=NOW, run_id="a-1", run_id_given=True, message=user("note"))
    (event,) = session.when(append).then(ContextStaged)
    assert event.run_id == "a-1"
    assert session.state.runs["a-1"] == event.version
    session.when(stage(result("c-1"))).then(ToolResultsStaged)
    again = AppendContext(now=NOW, run_id="a-2", message=user("note"))
    (event,) = session.when(again).then(ContextStaged)  # its result has not landed yet
    assert event.run_id is None
    session.when(record("run-2", user("so"))).then(TurnApplied)
    session.when(again).then(ContextAppended)


# A turn on a session with open calls


def test_a_turn_that_leaves_open_calls_behind_is_refused_with_the_calls_named() -> None:
    session = with_calls("c-1", "c-2")
    for turn in (
        record("run-2", user("so")),
        record("run-2", result("c-1"), user("so")),
        record("run-2", user("so"), result("c-1"), result("c-2")),
        begin("run-2", request=user("so")),
        begin("run-2", request=user("so") + result("c-1") + result("c-2")),
    ):
        refusal = session.when(turn).then_refused(CallsUnresolved)
        assert "c-2" in refusal.data["call_ids"]
        assert "c-2 (intended)" in str(refusal)


def test_a_turn_that_begins_with_the_results_is_recorded() -> None:
    session = with_calls("c-1", "c-2")
    session.when(record("run-2", result("c-2"), result("c-1"), user("so"))).then(TurnApplied)
    assert session.state.work.calls == ()
    session = with_calls("c-1", "c-2")
    session.when(stage(result("c-1"))).then(ToolResultsStaged)
    session.when(begin("run-2", request=result("c-2") + user("so"))).then(RunBegun)


def test_a_run_with_inputs_does_not_begin_while_a_call_is_open() -> None:
    session = with_calls("c-1")
    session.when(AcceptInput(now=NOW, input_id="in-1", messages=user("a"))).then(InputAccepted)
    turn = begin("run-2", request=result("c-1"), input_ids=("in-1",))
    session.when(turn).then_refused(CallsUnresolved)
    session.when(stage(result("c-1"))).then(ToolResultsStaged)
    session.when(begin("run-2", input_ids=("in-1",))).then(RunBegun)


def test_a_run_without_a_request_may_execute_the_open_calls() -> None:
    session = with_calls("c-1")
    session.when(begin("run-2")).then(RunBegun)
    session.when(complete("run-2", messages=result("c-1"))).then(RunCompleted)
    assert session.state.work.calls == ()


@pytest.mark.parametrize("begins", [False, True])
def test_calls_are_given_up_in_the_commit_of_the_turn_that_leaves_them(begins: bool) -> None:
    session = with_calls("c-1", "c-2")
    fields: dict[str, Any] = {"open_calls": "abandon", "reason": "too late"}
    if begins:
        turn: Any = begin("run-2", request=result("c-1") + user("so"), **fields)
        first, _ = session.when(turn).then(CallAbandoned, RunBegun)
    else:
        turn = record("run-2", result("c-1"), user("so"), **fields)
        first, _ = session.when(turn).then(CallAbandoned, TurnApplied)
    assert (first.call_id, first.message, first.place, first.reason) == ("c-2", 1, 1, "too late")
    assert kept(session) == ([("c-1", False)] if begins else [])


def test_kept_calls_stay_open_and_hold_nothing_up() -> None:
    session = with_calls("c-1", "c-2")
    turn = record("run-2", user("so"), open_calls="keep", reason="it takes days")
    first, _ = session.when(turn).then(CallsKept, TurnApplied)
    assert [(one.call_id, one.message, one.place) for one in first.calls] == [
        ("c-1", 1, 0),
        ("c-2", 1, 1),
    ]
    assert kept(session) == [("c-1", True), ("c-2", True)]
    session.when(CONTEXT).then(ContextStaged)
    (event,) = session.when(record("run-3", user("on"))).then(TurnApplied)
    assert contents(event) == ["by the way", "on"]
    session.when(stage(result("c-2"))).then(ToolResultsStaged)
    (event,) = session.when(record("run-4", user("well"))).then(TurnApplied)
    assert (event.staged_results, kept(session)) == (1, [("c-1", True)])


def test_an_unknown_call_can_be_kept_and_is_no_more_in_the_way() -> None:
    session = given(register(), begin("run-1"), boundary("run-1", calls("c-1")))
    session.when(Recover(now=NOW)).then(RunInterrupted)
    session.when(record("run-2", result("c-1"))).then_refused(CallsUnresolved)
    session.when(record("run-2", user("so"), open_calls="keep")).then(CallsKept, TurnApplied)
    session.when(begin("run-3", request=user("on"))).then(RunBegun)
    assert [call.status for call in session.state.work.calls] == ["unknown"]


def test_a_turn_that_leaves_nothing_behind_records_no_decision() -> None:
    session = with_calls("c-1")
    session.when(record("run-2", result("c-1"), open_calls="abandon")).then(TurnApplied)
    session.when(record("run-3", user("on"), open_calls="keep")).then(TurnApplied)


def test_a_staged_result_is_not_answered_again_behind_a_request() -> None:
    session = with_calls("c-1")
    session.when(stage(result("c-1"))).then(ToolResultsStaged)
    session.when(record("run-2", user("so"), result("c-1"))).then_refused(CallsUnresolved)
    session.when(begin("run-2", request=user("so"))).then(RunBegun)
    late = complete("run-2", request=user("so"), messages=result("c-1", "its own"))
    session.when(late).then_refused(CallNotOpen)


# Ids that repeat


def test_a_second_call_under_an_open_id_does_not_replace_the_first() -> None:
    session = given(register(), begin("run-1"))
    session.when(boundary("run-1", calls("c-1", said="charge"))).then(BoundaryApplied)
    session.when(boundary("run-1", calls("c-1", said="look"))).then(BoundaryApplied)
    made = [(call.id, call.message, call.arguments) for call in session.state.work.calls]
    assert made == [("c-1", 0, "charge"), ("c-1", 1, "look")]
    session.when(boundary("run-1", result("c-1"))).then(BoundaryApplied)
    assert [call.arguments for call in session.state.work.calls] == ["look"]


def test_two_parallel_calls_of_one_id_are_both_answered_in_order() -> None:
    session = with_calls("c-1", "c-1")
    twice = stage(result("c-1"), result("c-1"))
    (event,) = session.when(twice).then(ToolResultsStaged)
    assert event.call_ids == ("c-1", "c-1")
    session.when(twice).then()  # the same again
    session.when(stage(result("c-1", "43"))).then_refused(Conflict)
    session.when(record("run-2", user("so"))).then(TurnApplied)
    assert session.state.work.calls == ()


def test_one_of_two_calls_of_one_id_is_given_up_by_its_place() -> None:
    session = with_calls("c-1", "c-1")
    session.when(stage(result("c-1"))).then(ToolResultsStaged)
    turn = record("run-2", user("so"), open_calls="abandon")
    first, _ = session.when(turn).then(CallAbandoned, TurnApplied)
    assert (first.message, first.place) == (1, 1)
    assert session.state.work.calls == ()


# Older logs


def test_a_session_of_an_older_log_takes_on_the_rules_with_its_next_landing() -> None:
    registered = SessionRegistered(session_id=SESSION_ID, version=1, at=NOW)
    state = evolve(initial_state(SESSION_ID), registered)
    assert state.work.rules.number == 0
    adopted, applied = decide(state, record("run-1", calls("c-1"), user("old order")))
    assert isinstance(adopted, CallRulesAdopted)
    assert (adopted.rules, applied.version) == (RULES, 3)
    state = fold(state, (adopted, applied))
    with pytest.raises(CallsUnresolved):
        decide(state, record("run-2", user("so")))


def test_by_the_first_rules_an_id_given_again_replaces_the_call_and_nothing_waits() -> None:
    old = evolve(
        initial_state(SESSION_ID), SessionRegistered(session_id=SESSION_ID, version=1, at=NOW)
    )
    new = evolve(
        initial_state(SESSION_ID),
        SessionRegistered(session_id=SESSION_ID, version=1, at=NOW, rules=RULES),
    )
    (event,) = decide(new, record("run-1", calls("c-1", said="1"), calls("c-1", said="2")))
    assert [call.arguments for call in evolve(old, event).work.calls] == ["2"]
    assert [call.arguments for call in evolve(new, event).work.calls] == ["1", "2"]
