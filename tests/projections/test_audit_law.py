"""Events with perfect links that lie about one field each, and the finding for each field.

A log is decided by the engine's own law, up to an event which is then told otherwise and sealed.
Told honestly, the same log has no finding.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
import pytest
from msgspec import Raw

from perdure.aggregates import (
    AbandonCall,
    AcceptInput,
    AppendContext,
    ApplyBoundary,
    Attach,
    BeginRun,
    CallAbandoned,
    CommitCheckpoint,
    CompleteRun,
    Destroy,
    DropInputs,
    FailRun,
    InterruptRequested,
    JoinMob,
    MobJoined,
    MobLeft,
    RecordTurn,
    Recover,
    Recycle,
    Register,
    RequestInterrupt,
    Reset,
    Retire,
    RunBegun,
    RunInterrupted,
    SessionAttached,
    SessionCheckpointed,
    SessionCommand,
    SessionEvent,
    SessionRetired,
    StageContext,
    StageToolResults,
    Stop,
    ToolResultsStaged,
    decide,
    fold,
    initial_state,
)
from perdure.aggregates.session.messages import EncodedMessages, encode_messages
from perdure.projections import audit_session
from perdure.projections.audit.findings import Finding
from perdure.projections.audit.runs_inputs_calls import account_problems
from perdure.projections.origins import OriginReader, forked_state, origin_of
from perdure.store import Mapper, links
from perdure.store.recorder import RawRow, Recorder, StoredRow
from perdure.sync import Engine
from perdure.values import Receipt, Usage
from tests.support.messages import CALL, says, user

AT: Final = "2026-01-31T12:00:00.000000Z"
MAPPER: Final = Mapper()


def answer(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "42"}


def of(*messages: dict[str, Any]) -> EncodedMessages:
    return encode_messages(list(messages))


def array(*messages: dict[str, Any]) -> msgspec.Raw:
    return of(*messages).array()


def taken(name: str, lane: Any = "queue") -> AcceptInput:
    return AcceptInput(now=AT, input_id=name, messages=of(user(name)), lane=lane)


def turn(run_id: str, *messages: dict[str, Any], **given: Any) -> RecordTurn:
    return RecordTurn(now=AT, run_id=run_id, messages=of(*messages), **given)


RUN: Final[dict[str, Any]] = {"now": AT, "run_id": "r", "epoch": "e"}
CALLED: Final = turn("called", CALL)
RESULT: Final = StageToolResults(now=AT, messages=of(answer("c-1")))
BEGUN: Final = BeginRun(**RUN)
CONTEXT: Final = StageContext(now=AT, message=of(says("context")))
WAITING: Final = CompleteRun(
    **RUN,
    messages=of(CALL),
    terminal="callback_pending",
    waits_for="c-1",
    result=Raw(b'{"terminal":"callback_pending","tool_name":"look","call_id":"c-1"}'),
)
IN_DOUBT: Final = (CALLED, BEGUN, FailRun(**RUN, kind="turn", message="no"))
ANSWERED_OUTSIDE: Final = (
    BEGUN,
    ApplyBoundary(**RUN, messages=of(CALL)),
    RESULT,
    ApplyBoundary(**RUN, messages=of(says("on"))),
)


class Lie(NamedTuple):
    """The commands to a new session, and the fields of its last event that are then falsified."""

    asked: tuple[SessionCommand, ...]
    fields: dict[str, Any]
    kind: str = "transition"
    receipt: bool = False


LIES: Final[dict[str, Lie]] = {
    "a reset that abandoned nothing": Lie(
        (taken("a"), taken("b"), Reset(now=AT)), {"abandoned_input_ids": ()}
    ),
    "a reset that abandoned one of two": Lie(
        (taken("a"), taken("b"), Reset(now=AT)), {"abandoned_input_ids": ("a",)}
    ),
    "a reset that abandoned what never was": Lie(
        (taken("a"), Reset(now=AT)), {"abandoned_input_ids": ("never",)}
    ),
    "a recycling that carried nothing over": Lie(
        (taken("a"), Recycle(now=AT)), {"transferred_input_ids": ()}
    ),
    "a recycling that carried over what never was": Lie(
        (Recycle(now=AT),), {"transferred_input_ids": ("never",)}
    ),
    "a destruction that abandoned nothing": Lie(
        (taken("a"), Destroy(now=AT)), {"abandoned_input_ids": ()}
    ),
    "a destruction that abandoned what never was": Lie(
        (taken("a"), Destroy(now=AT)), {"abandoned_input_ids": ("a", "never")}
    ),
    "a destruction that spared what a run had taken": Lie(
        (taken("a"), taken("b"), BeginRun(**RUN, input_ids=("b",)), Destroy(now=AT)),
        {"abandoned_input_ids": ("a",)},
    ),
    "a result of another call": Lie((CALLED, RESULT), {"messages": array(answer("c-9"))}),
    "a result that names no call": Lie((CALLED, RESULT), {"call_ids": ()}),
    "no result": Lie((CALLED, RESULT), {"call_ids": (), "messages": msgspec.Raw(b"[]")}),
    "a result and something else": Lie(
        (CALLED, RESULT), {"messages": array(answer("c-1"), user("and"))}
    ),
    "context of an input": Lie(
        (AppendContext(now=AT, run_id="c", message=of(says("x"))),),
        {"contributing_input_ids": ("never",)},
        "receipt",
        receipt=True,
    ),
    "context that landed with a turn": Lie(
        (AppendContext(now=AT, run_id="c", message=of(says("x"))),),
        {"boundary": "run_start"},
        "receipt",
        receipt=True,
    ),
    "a turn of fewer than no tokens": Lie(
        (turn("t", user("x")),), {"usage": Usage(input_tokens=-1)}, "receipt"
    ),
    "a run's end of fewer than no tokens": Lie(
        (BEGUN, CompleteRun(**RUN, messages=of(says("x")))),
        {"usage": Usage(output_tokens=-1)},
        "receipt",
    ),
    "a boundary that was not steered": Lie(
        (BEGUN, taken("a", "steer"), ApplyBoundary(**RUN, messages=of(says("x")))),
        {"steered_input_ids": ()},
    ),
    "a boundary steered by what was for the next turn": Lie(
        (BEGUN, taken("a"), ApplyBoundary(**RUN, messages=of(says("x")))),
        {"steered_input_ids": ("a",)},
    ),
    "a run's end that leaves staged context lying": Lie(
        (CONTEXT, BEGUN, CompleteRun(**RUN, terminal="no_pending_boundary")),
        {"terminal": "completed"},
        "receipt",
    ),
    "a run's end that landed nothing and counts context": Lie(
        (CONTEXT, BEGUN, CompleteRun(**RUN, terminal="no_pending_boundary")),
        {"staged_context": 1},
        "receipt",
    ),
    "a run's end that landed nothing and counts results": Lie(
        (BEGUN, CompleteRun(**RUN)), {"staged_results": -1}, "receipt"
    ),
    "a second boundary that is called the first": Lie(
        (
            BEGUN,
            ApplyBoundary(**RUN, messages=of(says("x"))),
            ApplyBoundary(**RUN, messages=of(says("y"))),
        ),
        {"sequence": 1},
        "receipt",
        receipt=True,
    ),
    "a run's end with the receipt of another run": Lie(
        (BEGUN, CompleteRun(**RUN, messages=of(says("x")))),
        {"run_id": "other"},
        "receipt",
        receipt=True,
    ),
    "a receipt that names one of two inputs": Lie(
        (
            taken("a"),
            taken("b"),
            BeginRun(**RUN, input_ids=("a", "b")),
            CompleteRun(**RUN, messages=of(says("x"))),
        ),
        {"contributing_input_ids": ("a",)},
        "receipt",
        receipt=True,
    ),
    "a run's end with messages and no receipt": Lie(
        (BEGUN, CompleteRun(**RUN, messages=of(says("x")))), {"receipt": None}, "receipt"
    ),
    "a turn with the sequence of another": Lie(
        (turn("t", user("x")),), {"sequence": 2}, "receipt", receipt=True
    ),
    "a turn that takes staged context for its own": Lie(
        (CONTEXT, turn("t", user("x"))), {"staged_context": 0}, "receipt"
    ),
    "a turn that counts its own for staged context": Lie(
        (turn("t", user("x"), says("y")),), {"staged_context": 1}, "receipt"
    ),
    "a run's end that says other than was staged": Lie(
        (CALLED, RESULT, BEGUN, CompleteRun(**RUN, messages=of(says("x")))),
        {"staged_results": 0, "staged_context": 1},
        "receipt",
    ),
    "an input accepted under the id of another": Lie(
        (taken("a"), turn("t", user("x"), input_ids=("a",)), taken("b")), {"input_id": "a"}
    ),
    "an interruption of another run": Lie((BEGUN, Recover(now=AT)), {"run_id": "other"}),
    "an interruption of another owner's run": Lie((BEGUN, Recover(now=AT)), {"epoch": "other"}),
    "a request that another run end": Lie(
        (BEGUN, RequestInterrupt(now=AT, mode="interrupt")), {"run_id": "other"}
    ),
    "a caller's request that the machine's run end": Lie(
        (
            BeginRun(**RUN, machine_owned=True),
            RequestInterrupt(now=AT, mode="interrupt", by="authority"),
        ),
        {"by": "caller"},
    ),
    "a stop that abandoned what no run had": Lie(
        (taken("a"), Stop(now=AT)), {"abandoned_input_ids": ("a",)}
    ),
    "nothing dropped": Lie(
        (taken("a"), DropInputs(now=AT, input_ids=("a",), outcome="abandoned")),
        {"input_ids": ()},
    ),
    "an input dropped that a run had taken": Lie(
        (
            taken("a"),
            taken("b"),
            BeginRun(**RUN, input_ids=("a",)),
            DropInputs(now=AT, input_ids=("b",), outcome="abandoned"),
        ),
        {"input_ids": ("a",)},
    ),
    "an input abandoned into another": Lie(
        (taken("a"), taken("b"), DropInputs(now=AT, input_ids=("a",), outcome="abandoned")),
        {"into": "b"},
    ),
    "an input superseded by none": Lie(
        (
            taken("a"),
            taken("b"),
            DropInputs(now=AT, input_ids=("a",), outcome="superseded", into="b"),
        ),
        {"into": None},
    ),
    "an input superseded by itself": Lie(
        (
            taken("a"),
            taken("b"),
            DropInputs(now=AT, input_ids=("a",), outcome="superseded", into="b"),
        ),
        {"into": "a"},
    ),
    "an input superseded by one that had ended": Lie(
        (
            taken("past"),
            turn("t", user("x"), input_ids=("past",)),
            taken("a"),
            DropInputs(now=AT, input_ids=("a",), outcome="superseded", into="fresh"),
        ),
        {"into": "past"},
    ),
    **{
        f"a callback that is {result.decode()}": Lie(
            (BEGUN, WAITING), {"result": Raw(result)}, "undecodable"
        )
        for result in (
            b"null",
            b"[1]",
            b'{"terminal":"callback_pending"}',
            b'{"terminal":"callback_pending","tool_name":7}',
            b'{"terminal":"failed","tool_name":"look"}',
        )
    },
    "a call given up that never was": Lie(
        (CALLED, AbandonCall(now=AT, call_id="c-1")), {"call_id": "never"}
    ),
}


def asked(*commands: SessionCommand) -> list[SessionEvent]:
    """The events that the law makes of the commands, after a registration."""
    events: list[SessionEvent] = []
    for command in (Register(now=AT), *commands):
        decided = decide(fold(initial_state("s"), events), command)
        assert decided
        events += decided
    return events


def audited(events: list[SessionEvent]) -> list[Finding]:
    stored, _ = MAPPER.to_stored(events, links.genesis("s"))
    rows = [
        RawRow(n, row.session_id, row.version, row.topic, row.state)
        for n, row in enumerate(stored, start=1)
    ]
    return audit_session("s", rows, MAPPER)


def places(findings: list[Finding]) -> set[tuple[int, str]]:
    return {(finding.version, finding.kind) for finding in findings}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_g8_an_event_that_says_what_did_not_happen_is_found(lie: Lie) -> None:
    *past, honest = asked(*lie.asked)
    assert audited([*past, honest]) == []
    fields = lie.fields
    if lie.receipt:
        receipt = getattr(honest, "receipt", None)
        assert isinstance(receipt, Receipt)
        fields = {"receipt": msgspec.structs.replace(receipt, **fields)}
    told = msgspec.structs.replace(honest, **fields)
    assert places(audited([*past, told])) == {(told.version, lie.kind)}


FACTS: Final[dict[str, Any]] = {"session_id": "s", "at": AT, "version": 0}
NEVER_DECIDED: Final[dict[str, tuple[tuple[SessionCommand, ...], SessionEvent]]] = {
    "an interruption of no run": ((), RunInterrupted(**FACTS, run_id="r", epoch="e")),
    "a request that no run end": (
        (Attach(now=AT),),
        InterruptRequested(**FACTS, run_id="r", mode="interrupt"),
    ),
    "a call given up whose result waits": (
        (CALLED, RESULT),
        CallAbandoned(**FACTS, call_id="c-1"),
    ),
    "a second result": (
        (CALLED, RESULT),
        ToolResultsStaged(**FACTS, call_ids=("c-1",), messages=array(answer("c-1"))),
    ),
    "two results at once": (
        (CALLED,),
        ToolResultsStaged(
            **FACTS, call_ids=("c-1", "c-1"), messages=array(answer("c-1"), answer("c-1"))
        ),
    ),
    "a run begun while a call is in doubt": (
        IN_DOUBT,
        RunBegun(**FACTS, run_id="n", boundary="run_start", epoch="e", request_digest="0" * 64),
    ),
    "a group joined twice": ((JoinMob(now=AT, mob="m"),), MobJoined(**FACTS, mob="m")),
    "a group left that was not joined": ((), MobLeft(**FACTS, mob="m")),
    "an executor bound twice": ((Attach(now=AT),), SessionAttached(**FACTS)),
    "a session retired twice": ((Retire(now=AT),), SessionRetired(**FACTS)),
}


@pytest.mark.parametrize(("past", "event"), NEVER_DECIDED.values(), ids=NEVER_DECIDED)
def test_g8_an_event_that_is_never_decided_is_found(
    past: tuple[SessionCommand, ...], event: SessionEvent
) -> None:
    before = asked(*past)
    event = msgspec.structs.replace(event, version=len(before) + 1)
    assert places(audited([*before, event])) == {(event.version, "transition")}


def test_g8_what_replaces_an_input_and_does_not_come_with_it_is_found() -> None:
    drop = DropInputs(now=AT, input_ids=("a",), outcome="superseded", into="b")
    events = asked(taken("a"), drop, taken("b"), turn("t", user("x")))
    assert audited(events) == []
    told = msgspec.structs.replace(events[2], into="never")
    assert places(audited([*events[:2], told, *events[3:]])) == {(3, "transition")}
    other = msgspec.structs.replace(events[4], version=4)
    assert places(audited([*events[:3], other])) == {(3, "transition")}


def test_g8_a_checkpoint_of_a_checkpoint_is_found() -> None:
    events = asked(turn("t", user("x")), CommitCheckpoint(now=AT))
    again = msgspec.structs.replace(events[-1], version=4)
    assert isinstance(again, SessionCheckpointed)
    assert places(audited([*events, again])) == {(4, "transition")}


def landed(past: list[SessionEvent], event: Any, *messages: dict[str, Any]) -> Any:
    """The event with these messages and a receipt that is true of them."""
    state = fold(initial_state("s"), past)
    after = state.conversation.extend(array(*messages), len(messages)) if messages else None
    after = state.conversation if after is None else after
    receipt = msgspec.structs.replace(
        event.receipt, message_count=after.count, conversation_digest=after.digest()
    )
    joined = array(*messages) if messages else msgspec.Raw(b"[]")
    return msgspec.structs.replace(
        event, version=state.version + 1, receipt=receipt, messages=joined
    )


def test_g8_a_whole_turn_while_a_call_is_in_doubt_is_found() -> None:
    honest = asked(turn("t", user("x")))[-1]
    past = asked(*IN_DOUBT)
    told = landed(past, honest, user("x"))
    assert places(audited([*past, told])) == {(told.version, "transition")}


@pytest.mark.parametrize(
    "messages", [(says("x"),), (user("other"), says("x")), (says("x"), user("a"))]
)
def test_g8_a_run_that_lands_without_what_its_inputs_brought_is_found(
    messages: tuple[dict[str, Any], ...],
) -> None:
    begun = BeginRun(**RUN, input_ids=("a",))
    for end in (CompleteRun, ApplyBoundary):
        *past, honest = asked(taken("a"), begun, end(**RUN, messages=of(says("x"))))
        assert audited([*past, landed(past, honest, user("a"), says("x"))]) == []
        told = landed(past, honest, *messages)
        assert places(audited([*past, told])) == {(told.version, "receipt")}


def test_g8_a_turn_that_begins_with_other_context_than_was_staged_is_found() -> None:
    *past, honest = asked(CONTEXT, turn("t", user("x")))
    assert audited([*past, landed(past, honest, says("context"), user("x"))]) == []
    for messages in ((says("other"), user("x")), (user("x"), says("context"))):
        told = landed(past, honest, *messages)
        assert places(audited([*past, told])) == {(told.version, "receipt")}
    alone = landed(past, honest, says("context"))
    assert places(audited([*past, alone])) == {(alone.version, "receipt")}


def test_g8_a_receipt_for_no_message_at_a_runs_end_is_found() -> None:
    *past, honest = asked(BEGUN, CompleteRun(**RUN, messages=of(says("x"))))
    told = landed(past, honest)
    assert isinstance(told.receipt, Receipt)
    assert places(audited([*past, told])) == {(told.version, "receipt")}


def test_g8_a_second_result_of_a_call_that_was_answered_outside_is_found() -> None:
    *past, honest = asked(*ANSWERED_OUTSIDE, CompleteRun(**RUN, messages=of(says("x"))))
    assert audited([*past, honest]) == []
    told = landed(past, honest, answer("c-1"), says("x"))
    assert places(audited([*past, told])) == {(told.version, "transition")}


# What forks go on from


def test_forks_of_one_point_read_their_origin_once_and_each_as_if_alone() -> None:
    with Engine.open("memory:") as engine:
        engine.register("o")
        for text in ("one", "two", "three"):
            engine.record_turn("o", [user(text), CALL], open_calls="keep")
        for name, version in (("a", 6), ("b", 6), ("c", 4), ("d", 6), ("e", 6)):
            engine.fork("o", new_session_id=name, at_version=version)
        engine.fork("a", new_session_id="f")
        store, mapper = engine._engine._core.store, Mapper()
        counted = Counted(store.recorder)
        reader = OriginReader(cast("Recorder", counted), mapper)
        for name in "abcdef":
            origin = origin_of(store.recorder, mapper, name)
            assert origin is not None
            alone = forked_state(store.recorder, mapper, name, origin)
            again = reader.state_before(name, origin)
            assert (again.id, again.work) == (name, alone.work)
            assert again.conversation.digest() == alone.conversation.digest()
        assert counted.rows == 16  # o at two versions, a, and first events, for origins and rules
        assert engine.audit().ok


class Counted:
    """A recorder that counts the rows it gives out."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.rows = 0

    def last_version(self, session_id: str) -> int | None:
        return self._recorder.last_version(session_id)

    def select_rows(self, session_id: str, **options: Any) -> Sequence[StoredRow]:
        rows = self._recorder.select_rows(session_id, **options)
        self.rows += len(rows)
        return rows


@pytest.mark.parametrize("upwards", [True, False], ids=["oldest first", "newest first"])
def test_a_deep_chain_of_forks_is_audited_in_a_time_that_is_linear_in_its_depth(
    *, upwards: bool
) -> None:
    rows: dict[int, int] = {}
    for depth in (20, 40):
        with Engine.open("memory:") as engine:
            engine.register("f-0")
            engine.record_turn("f-0", [user("one")])
            for n in range(1, depth):
                engine.fork(f"f-{n - 1}", new_session_id=f"f-{n}")
                engine.record_turn(f"f-{n}", [user("more")])
            store = engine._engine._core.store
            counted = Counted(store.recorder)
            reader = OriginReader(cast("Recorder", counted), MAPPER)
            order = range(1, depth) if upwards else range(depth - 1, 0, -1)
            for n in order:
                origin = origin_of(store.recorder, MAPPER, f"f-{n}")
                assert origin is not None
                reader.state_before(f"f-{n}", origin)
            rows[depth] = counted.rows
    assert rows[40] <= 2.2 * rows[20]


def test_g8_a_fork_that_lies_is_found_behind_one_of_the_same_point_that_does_not() -> None:
    with Engine.open("memory:") as engine:
        engine.register("s")
        engine.record_turn("s", [user("one")])
        engine.fork("s", new_session_id="honest")
        store = engine._engine._core.store
        origins = OriginReader(store.recorder, MAPPER).state_before
        (row,) = store.recorder.select_rows("honest", after=0, upto=1)
        event = MAPPER.to_event(row, links.genesis("honest"))
        for name, digest, expected in (
            ("honest", None, set()),
            ("liar", "0" * 64, {(1, "digest")}),
            ("s", None, {(1, "identity")}),
        ):
            told = msgspec.structs.replace(event, session_id=name)
            if digest is not None:
                told = msgspec.structs.replace(told, origin_digest=digest)
            (sealed,), _ = MAPPER.to_stored([told], links.genesis(name))
            found = audit_session(
                name, [RawRow(1, name, 1, sealed.topic, sealed.state)], MAPPER, origins=origins
            )
            assert places(found) == expected


def test_what_is_no_event_is_not_passed_over_by_the_audit() -> None:
    state = initial_state("s")
    with pytest.raises(AssertionError):
        list(account_problems(state, "archived", state))  # type: ignore[arg-type]
