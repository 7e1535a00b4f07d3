"""Given events, when a command is decided, then events or a refusal."""

import pytest
from msgspec import Raw

from perdure.aggregates import (
    AcceptInput,
    AppendContext,
    Archive,
    BeginRun,
    CommitCheckpoint,
    ContextAppended,
    ContextStaged,
    RecordTurn,
    Register,
    Retire,
    RunBegun,
    SessionArchived,
    SessionCheckpointed,
    SessionCommand,
    SessionRegistered,
    SessionRetired,
    StageContext,
    TurnApplied,
    decide,
    encode_messages,
)
from perdure.aggregates.session.call_shapes import RULES
from perdure.aggregates.session.messages import EncodedMessages, encode_object
from perdure.aggregates.session.retries import same_context, same_turn
from perdure.errors import Conflict, IllegalTransition, InputNotQueued, SessionBusy
from perdure.machines import LIFECYCLE
from perdure.testing import NOW, SESSION_ID, Scenario, given, register, turn
from perdure.values import Usage

LATER = "2026-02-01T00:00:00.000001Z"


def context(text: str) -> EncodedMessages:
    return encode_messages([{"role": "system", "content": text}])


def append(text: str = "note", run_id: str = "context-1", key: str | None = None) -> AppendContext:
    return AppendContext(now=NOW, run_id=run_id, message=context(text), idempotency_key=key)


def stage(text: str = "note", key: str | None = None, source: str | None = None) -> StageContext:
    return StageContext(now=NOW, message=context(text), idempotency_key=key, source=source)


def metadata(value: object) -> Register:
    return Register(now=NOW, metadata=Raw(encode_object(value, "metadata")))


EPOCH = "epoch-1"


def accept(input_id: str, text: str = "please") -> AcceptInput:
    message = encode_messages([{"role": "user", "content": text}])
    return AcceptInput(now=NOW, input_id=input_id, messages=message)


def running(*, queued: int = 0, retiring: bool = False) -> Scenario:
    """Return a session with a run in flight, and inputs in-1, in-2, … queued."""
    session = given(register(), *(accept(f"in-{number + 1}") for number in range(queued)))
    session.when(BeginRun(now=NOW, run_id="run-0", epoch=EPOCH)).then(RunBegun)
    if retiring:
        session.when(Retire(now=NOW)).then(SessionRetired)
    return session


def queueing(count: int, *, retired: bool = False) -> Scenario:
    """Return a session with inputs in-1, in-2, … queued."""
    session = given(register(), *(accept(f"in-{number + 1}") for number in range(count)))
    if retired:
        session.when(Retire(now=NOW)).then(SessionRetired)
    return session


COMMANDS: dict[str, SessionCommand] = {
    "register": register(),
    "record_turn": turn("run-1", "hello"),
    "append_context": append(),
    "stage_context": stage(),
    "checkpoint": CommitCheckpoint(now=NOW),
    "retire": Retire(now=NOW),
    "archive": Archive(now=NOW),
}


# Registering


def test_registering_makes_a_session_exist() -> None:
    (event,) = given().when(register(team="support")).then(SessionRegistered)
    assert event == SessionRegistered(
        session_id=SESSION_ID,
        version=1,
        at=NOW,
        labels={"team": "support"},
        metadata=Raw(b"{}"),
        rules=RULES,
    )


@pytest.mark.parametrize("again", [Register(now=LATER), register(team="support")])
def test_registering_again_the_same_decides_nothing(again: Register) -> None:
    given(register(team="support")).when(again).then()


@pytest.mark.parametrize("labels", [{}, {"team": "sales"}, {"team": "support", "tier": "1"}])
def test_registering_again_with_other_labels_is_a_conflict(labels: dict[str, str]) -> None:
    conflict = (
        given(register(team="support"))
        .when(Register(now=NOW, labels=labels))
        .then_refused(Conflict)
    )
    assert conflict.data == {"session_id": SESSION_ID, "parameter": "labels"}
    assert str(conflict) == f"session {SESSION_ID!r} is registered already, with other labels"


def test_metadata_is_compared_as_json_whatever_the_order_of_keys() -> None:
    recorded = given(metadata({"a": 1, "b": [True, None]}))
    recorded.when(metadata({"b": [True, None], "a": 1})).then()
    for other in ({"a": 1}, {"a": 1, "b": [1, None]}, {"a": 1.0, "b": [True, None]}, {}):
        conflict = recorded.when(metadata(other)).then_refused(Conflict)
        assert conflict.data["parameter"] == "metadata"


@pytest.mark.parametrize("then", [Retire(now=NOW), turn("run-1", "hello")])
def test_a_session_registers_again_wherever_it_lives(then: SessionCommand) -> None:
    given(register(), then).when(register()).then()


# Recording turns


def test_a_turn_is_one_event_with_its_receipt() -> None:
    command = turn(
        "run-1", "hello", "hi", boundary="immediate", usage=Usage(input_tokens=3, output_tokens=5)
    )
    (event,) = given(register()).when(command).then(TurnApplied)
    assert (event.session_id, event.version, event.at) == (SESSION_ID, 2, NOW)
    assert event.messages == command.messages.array()
    assert event.usage == Usage(input_tokens=3, output_tokens=5)
    receipt = event.receipt
    assert (receipt.run_id, receipt.boundary, receipt.sequence) == ("run-1", "immediate", 1)
    assert (receipt.message_count, receipt.contributing_input_ids) == (2, ())


def test_a_turn_consumes_the_inputs_it_names() -> None:
    session = queueing(2)
    (event,) = session.when(turn("run-1", "hello", input_ids=("in-1", "in-2"))).then(TurnApplied)
    assert event.receipt.contributing_input_ids == ("in-1", "in-2")
    assert LIFECYCLE.value(session.state.lifecycle, "queued") == 0


def test_g5_a_turn_that_names_more_inputs_than_are_queued_is_refused() -> None:
    error = (
        queueing(1).when(turn("run-1", "a", input_ids=("in-1", "2"))).then_refused(InputNotQueued)
    )
    assert error.data["input_id"] == "2"


def test_staged_context_lands_first_and_only_once() -> None:
    session = given(register(), stage("one"), stage("two"))
    (event,) = session.when(turn("run-1", "hello")).then(TurnApplied)
    assert (event.staged_context, event.receipt.message_count) == (2, 3)
    assert event.messages == (context("one") + context("two") + turn("", "hello").messages).array()
    (event,) = session.when(turn("run-2", "again")).then(TurnApplied)
    assert (event.staged_context, event.receipt.message_count) == (0, 4)


def test_g5_a_turn_is_refused_once_the_session_retired_unless_it_drains() -> None:
    given(register(), Retire(now=NOW)).when(turn("run-1", "hello")).then_refused(IllegalTransition)
    draining = queueing(1, retired=True)
    draining.when(turn("run-1", "hello", input_ids=("in-1",))).then(TurnApplied)
    assert draining.state.phase == "retired"
    draining.when(turn("run-2", "hello", input_ids=("in-2",))).then_refused(IllegalTransition)


def test_g4_a_turn_is_refused_while_a_run_is_current() -> None:
    running().when(turn("run-1", "hello")).then_refused(SessionBusy)


# Context


def test_appended_context_is_part_of_the_conversation_at_once() -> None:
    command = append("mind the gap", key="key-1")
    (event,) = given(register(), turn("run-1", "a")).when(command).then(ContextAppended)
    assert event.receipt.message_count == 2
    assert (event.receipt.boundary, event.receipt.sequence) == ("immediate", 1)
    assert (event.idempotency_key, event.messages) == ("key-1", command.message.array())


def test_staged_context_waits_and_has_no_receipt() -> None:
    session = given(register())
    (event,) = session.when(stage("later", key="key-1", source="crm")).then(ContextStaged)
    assert (event.idempotency_key, event.source) == ("key-1", "crm")
    assert session.state.conversation.count == 0
    assert session.state.staged_context == (context("later").joined,)


@pytest.mark.parametrize("command", [append(), stage()])
def test_g5_context_is_refused_where_no_run_may_follow(command: SessionCommand) -> None:
    given(register(), Retire(now=NOW)).when(command).then_refused(IllegalTransition)
    queueing(1, retired=True).when(command).then(
        ContextAppended if isinstance(command, AppendContext) else ContextStaged
    )


# Checkpoints


def test_a_checkpoint_states_the_conversation() -> None:
    session = given(register(), turn("run-1", "a", "b"))
    (event,) = session.when(CommitCheckpoint(now=NOW)).then(SessionCheckpointed)
    assert event.message_count == 2
    assert event.conversation_digest == session.state.conversation.digest()


def test_a_second_checkpoint_decides_nothing_until_something_happens() -> None:
    session = given(register(), CommitCheckpoint(now=NOW))
    session.when(CommitCheckpoint(now=LATER)).then()
    session.when(stage()).then(ContextStaged)
    session.when(CommitCheckpoint(now=LATER)).then(SessionCheckpointed)


def test_a_retired_session_can_still_be_checkpointed() -> None:
    given(register(), Retire(now=NOW)).when(CommitCheckpoint(now=NOW)).then(SessionCheckpointed)


# Retiring and archiving


def test_retiring_records_the_reason_and_retiring_again_decides_nothing() -> None:
    session = given(register())
    (event,) = session.when(Retire(now=NOW, reason="done")).then(SessionRetired)
    assert event.reason == "done"
    session.when(Retire(now=LATER, reason="really")).then()


def test_retiring_during_a_run_is_recorded_once() -> None:
    running().when(Retire(now=NOW)).then(SessionRetired)
    running(retiring=True).when(Retire(now=NOW)).then()


def test_archiving_a_live_session_retires_it_first_in_the_same_decision() -> None:
    session = given(register(), turn("run-1", "a"))
    retired, archived = session.when(Archive(now=NOW, reason="done")).then(
        SessionRetired, SessionArchived
    )
    assert (retired.version, archived.version) == (3, 4)
    assert (retired.reason, archived.reason) == ("done", "done")
    assert session.state.phase == "archived"


def test_archiving_a_retired_session_is_one_event() -> None:
    (event,) = given(register(), Retire(now=NOW)).when(Archive(now=NOW)).then(SessionArchived)
    assert event.version == 3


def test_g5_archiving_is_refused_while_running_or_with_input_queued() -> None:
    for session in (running(), running(retiring=True), queueing(1), queueing(1, retired=True)):
        before = session.state
        session.when(Archive(now=NOW)).then_refused(IllegalTransition)
        assert session.state is before


# Refusals in general


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "register"])
def test_g5_nothing_but_registering_is_allowed_before_registering(name: str) -> None:
    error = given().when(COMMANDS[name]).then_refused(IllegalTransition)
    assert (error.data["phase"], error.data["allowed"]) == ("unregistered", ["register"])


@pytest.mark.parametrize("name", COMMANDS)
def test_g5_nothing_at_all_is_allowed_after_archiving(name: str) -> None:
    archived = given(register(), Archive(now=NOW))
    error = archived.when(COMMANDS[name]).then_refused(IllegalTransition)
    verb = {"record_turn": "begin_run"}.get(name, name)
    assert str(error) == (f"cannot {verb} session {SESSION_ID!r}: it is archived; allowed: nothing")


# Purity


@pytest.mark.parametrize("name", COMMANDS)
def test_deciding_is_a_function_of_state_and_command_alone(name: str) -> None:
    def outcome() -> object:
        state = given(register(), stage("x"), turn("run-0", "hello")).state
        before = repr(state)
        decided = [decide(state, COMMANDS[name]) for _ in range(2)]
        assert decided[0] == decided[1]
        assert repr(state) == before
        return decided

    assert outcome() == outcome()


def test_state_commands_and_events_cannot_be_changed() -> None:
    session = given(register())
    (event,) = session.when(turn("run-1", "a")).then(TurnApplied)
    for frozen in (session.state, event, event.receipt, turn("run-1", "a")):
        for name in frozen.__struct_fields__:
            with pytest.raises(AttributeError):
                setattr(frozen, name, None)
    with pytest.raises(AttributeError):
        session.state.conversation.anything = None  # type: ignore[attr-defined]


# Recognising a retry


def recorded_turn(command: RecordTurn, *before: SessionCommand) -> TurnApplied:
    (event,) = given(register(), *before).when(command).then(TurnApplied)
    assert isinstance(event, TurnApplied)
    return event


@pytest.mark.parametrize("before", [(), (stage("x"), stage("y"))])
def test_g3_the_same_turn_is_recognised_whatever_was_staged_before_it(
    before: tuple[SessionCommand, ...],
) -> None:
    command = turn("run-1", "a,b", "[c]", usage=Usage(input_tokens=1))
    assert same_turn(recorded_turn(command, *before), command)


@pytest.mark.parametrize(
    "other",
    [
        turn("run-1", "a"),
        turn("run-1", "a", "c"),
        turn("run-1", "a", "b", "c"),
        turn("run-1", "a", "b", boundary="immediate"),
        turn("run-1", "a", "b", input_ids=("in-1",)),
        turn("run-1", "a", "b", usage=Usage(input_tokens=1)),
    ],
)
def test_g3_a_turn_that_differs_in_anything_is_another(other: RecordTurn) -> None:
    assert not same_turn(recorded_turn(turn("run-1", "a", "b"), stage("a")), other)


def test_g3_a_turn_is_never_taken_for_context_or_context_for_a_turn() -> None:
    (appended,) = given(register()).when(append("a")).then(ContextAppended)
    applied = recorded_turn(RecordTurn(now=NOW, run_id="context-1", messages=context("a")))
    assert not same_turn(appended, RecordTurn(now=NOW, run_id="context-1", messages=context("a")))
    assert not same_context(applied, append("a"))


@pytest.mark.parametrize("command", [append("a", key="k"), stage("a", key="k")])
def test_g3_the_same_context_is_recognised_by_text_and_source(
    command: AppendContext | StageContext,
) -> None:
    session = given(register()).when(command)
    (event,) = session.then(*[type(e) for e in decide(given(register()).state, command)])
    assert same_context(event, command)
    assert not same_context(event, append("b", key="k"))
    assert not same_context(event, stage("a", key="k", source="elsewhere"))
