"""State is a function of the events, in any pieces in which they are folded."""

import hashlib
import itertools
import json
from typing import Any, get_args

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from msgspec import Raw

from perdure.aggregates import (
    AppendContext,
    Archive,
    CommitCheckpoint,
    ContextAppended,
    Destroy,
    Fork,
    Origin,
    RecordTurn,
    Register,
    Retire,
    SessionCommand,
    SessionEvent,
    SessionRegistered,
    StageContext,
    TurnApplied,
    decode_messages,
    encode_messages,
    evolve,
    fold,
    initial_state,
    tag_of,
)
from perdure.aggregates.session import lifecycle
from perdure.aggregates.session.lifecycle import advance, steps
from perdure.errors import IllegalTransition
from perdure.machines import LIFECYCLE, SESSION, Configuration
from perdure.testing import NOW, SESSION_ID, given, register, turn
from perdure.values import Receipt, Usage
from tests.support.histories import EVERY_EVENT, everything, happened

LATER = "2026-02-01T00:00:00.000001Z"

_SYSTEM = encode_messages([{"role": "system", "content": "note"}])
_dicts = st.dictionaries(
    st.text(max_size=3), st.text(max_size=5) | st.integers() | st.none(), max_size=3
)
_registers = st.builds(
    Register,
    now=st.just(NOW),
    labels=st.none() | st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2),
)
_turns = st.builds(
    RecordTurn,
    now=st.just(NOW),
    run_id=st.uuids().map(str),
    messages=st.lists(_dicts, min_size=1, max_size=3).map(encode_messages),
    boundary=st.sampled_from(["immediate", "run_start", "run_checkpoint"]),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 9)),
)
_contexts = st.builds(
    AppendContext, now=st.just(NOW), run_id=st.uuids().map(str), message=st.just(_SYSTEM)
)
_stages = st.builds(
    StageContext,
    now=st.just(NOW),
    message=_dicts.map(lambda one: encode_messages([one])),
    idempotency_key=st.none() | st.uuids().map(str),
)
_commands = st.lists(
    _turns
    | _turns
    | _contexts
    | _stages
    | _registers
    | st.just(CommitCheckpoint(now=NOW))
    | st.just(Retire(now=NOW))
    | st.just(Archive(now=NOW)),
    max_size=25,
).map(lambda commands: [register(), *commands])


# Any history


@given_any(_commands)
def test_versions_are_dense_from_one(commands: list[SessionCommand]) -> None:
    state, events = happened(commands)
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    assert state.version == len(events)
    assert {event.session_id for event in events} == {SESSION_ID}


@given_any(_commands, st.integers(0, 30))
def test_g6_folding_in_pieces_is_folding_at_once(commands: list[SessionCommand], cut: int) -> None:
    state, events = happened(commands)
    begun = fold(initial_state(SESSION_ID), events[:cut])
    assert fold(begun, events[cut:]) == fold(initial_state(SESSION_ID), events) == state


@given_any(_commands)
def test_every_receipt_states_the_conversation_as_the_standard_library_sees_it(
    commands: list[SessionCommand],
) -> None:
    state, events = happened(commands)
    messages: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, TurnApplied | ContextAppended):
            own = decode_messages(event.messages)
            if isinstance(event, TurnApplied):
                assert own[: event.staged_context] == waiting
                waiting = []
            messages += own
            text = json.dumps(messages, separators=(",", ":"), ensure_ascii=False)
            receipt = event.receipt
            assert receipt.message_count == len(messages)
            assert receipt.conversation_digest == hashlib.sha256(text.encode()).hexdigest()
            assert receipt.sequence == 1
        elif tag_of(event) == "context-staged":
            waiting += decode_messages(event.messages)  # type: ignore[union-attr]
    assert state.conversation.count == len(messages)
    assert [json.loads(one) for one in state.staged_context] == waiting


@given_any(_commands)
def test_state_remembers_runs_keys_usage_and_times(commands: list[SessionCommand]) -> None:
    state, events = happened(commands)
    landed = [event for event in events if isinstance(event, TurnApplied | ContextAppended)]
    spent = [event.usage for event in events if isinstance(event, TurnApplied) and event.usage]
    keyed = [event for event in events if getattr(event, "idempotency_key", None)]
    assert dict(state.runs) == {event.receipt.run_id: event.version for event in landed}
    assert dict(state.keys) == {event.idempotency_key: event.version for event in keyed}  # type: ignore[union-attr]
    assert state.usage.input_tokens == sum(usage.input_tokens for usage in spent)
    assert (state.created_at, state.updated_at) == (events[0].at, events[-1].at)


# Each event


def receipt(run_id: str = "run-1", count: int = 1) -> Receipt:
    return Receipt(
        run_id=run_id,
        boundary="run_start",
        contributing_input_ids=(),
        conversation_digest="",
        message_count=count,
        sequence=1,
    )


def test_a_registered_session_has_what_it_was_registered_with() -> None:
    event = SessionRegistered(
        session_id="s", version=1, at=NOW, labels={"a": "b"}, metadata=Raw(b'{"c":1}')
    )
    state = evolve(initial_state("s"), event)
    assert (state.id, state.version, state.phase) == ("s", 1, "idle")
    assert (state.labels, state.metadata) == ({"a": "b"}, Raw(b'{"c":1}'))
    assert (state.created_at, state.updated_at) == (NOW, NOW)


def test_a_checkpoint_remembers_its_version_and_times_move_on() -> None:
    state = given(register(), turn("run-1", "a"), CommitCheckpoint(now=LATER)).state
    assert (state.checkpoint_version, state.created_at, state.updated_at) == (3, NOW, LATER)


def test_evolving_does_not_judge_what_was_recorded_only_whether_the_law_allows_it() -> None:
    """The receipt of a recorded event is believed; whether it is true is the audit's question."""
    state = given(register()).state
    event = TurnApplied(
        session_id=SESSION_ID, version=9, at=NOW, receipt=receipt(), messages=Raw(b'[{"a":1}]')
    )
    assert evolve(state, event).conversation.count == 1
    with pytest.raises(IllegalTransition):
        evolve(initial_state(SESSION_ID), event)


def test_context_that_a_recorded_turn_did_not_land_goes_on_waiting() -> None:
    state = given(
        register(), *(StageContext(now=NOW, message=encode_messages([{"n": n}])) for n in range(3))
    ).state
    event = TurnApplied(
        session_id=SESSION_ID,
        version=5,
        at=NOW,
        receipt=receipt(count=2),
        staged_context=2,
        messages=Raw(b'[{"n":0},{"n":1}]'),
    )
    assert evolve(state, event).staged_context == (b'{"n":2}',)


def test_every_event_has_its_tag_and_its_steps() -> None:
    state, events = happened(everything())
    told = [f"{tag_of(event):24}{' '.join(verb for verb, _ in steps(event))}" for event in events]
    assert told == EVERY_EVENT.strip().splitlines()
    assert state.phase == "archived"

    forked = Fork(
        now=NOW,
        origin=Origin(session_id="s", version=1, message_count=0, conversation_digest="d"),
    )
    state, more = happened([forked, Destroy(now=NOW)])
    assert [tag_of(event) for event in more] == ["session-forked", "session-destroyed"]
    assert {type(event) for event in events + more} == set(get_args(SessionEvent))


def test_what_is_no_event_cannot_be_folded_and_stands_for_no_verb() -> None:
    with pytest.raises(AssertionError):
        evolve(given(register()).state, "archived")  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        steps("archived")  # type: ignore[arg-type]


# Where a whole turn leads


def whole_turn(run_id: str, inputs: int) -> TurnApplied:
    ids = tuple(f"in-{n}" for n in range(inputs))
    return TurnApplied(
        session_id=SESSION_ID,
        version=1,
        at=NOW,
        receipt=Receipt(
            run_id=run_id,
            boundary="run_start",
            contributing_input_ids=ids,
            conversation_digest="",
            message_count=1,
            sequence=1,
        ),
        messages=Raw(b"[{}]"),
    )


def step_by_step(configuration: Configuration, event: TurnApplied) -> Configuration | None:
    try:
        for verb, arguments in steps(event):
            configuration = LIFECYCLE.replay(configuration, verb, arguments)
    except IllegalTransition:
        return None
    return configuration


def advanced(configuration: Configuration, event: TurnApplied) -> Configuration | None:
    try:
        return advance(configuration, event)
    except IllegalTransition:
        return None


def test_g8_remembering_where_whole_turns_lead_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "_AFTER_TURN", {})
    monkeypatch.setattr(LIFECYCLE, "allowed", lambda configuration: ())  # to list it takes long
    legal = 0
    for phase, values, run_id, inputs in itertools.product(
        SESSION.phases, SESSION.valuations(), ("a", "b", "c"), range(3)
    ):
        event = whole_turn(run_id, inputs)
        expected = step_by_step(Configuration(phase, values), event)
        legal += expected is not None
        for _ in range(2):
            assert advanced(Configuration(phase, values), event) == expected
    assert legal == 3 * (2 * 3 * 4 * 2 * 3 * 6 * 3 + 3 * 4 * 2 * 3 * 3 * 3)


def test_what_is_remembered_of_turns_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[object, object] = {}
    monkeypatch.setattr(lifecycle, "_AFTER_TURN", known)
    monkeypatch.setattr(lifecycle, "_MAX_AFTER_TURN", 2)
    for queued in range(5):
        here = Configuration("idle", (None, None, False, queued, 0, 0))
        assert advance(here, whole_turn("run-1", queued)).phase == "idle"
    assert len(known) == 2
