"""A log that was written once folds to the same state under any later version of the code."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from perdure.aggregates import Session, SessionRegistered, evolve, initial_state
from perdure.aggregates.session.recorded import SCHEMA
from perdure.aggregates.session.upcast import UPCASTERS, Fields, upcast
from perdure.errors import LogCorrupt
from perdure.projections import audit_session
from perdure.store import Mapper, StoredRow, links
from perdure.store.recorder import RawRow
from tests.support.golden import EXPECTED, GOLDEN, rows_of

TAGS = {
    "session-registered",
    "turn-applied",
    "context-appended",
    "context-staged",
    "session-checkpointed",
    "session-retired",
    "session-archived",
}

golden = pytest.mark.parametrize("name", EXPECTED)


def folded(rows: list[StoredRow]) -> tuple[Session, str]:
    """Fold as an engine does on opening, links checked over the bytes as they are stored."""
    session_id = rows[0].session_id
    state, head = initial_state(str(session_id)), links.genesis(str(session_id))
    for row in rows:
        state = evolve(state, Mapper().to_event(row, head))
        head = links.sealed_link(row.state)
    return state, head


def bytes_of(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def registered(**changes: Any) -> bytes:
    usual = {
        "tag": "session-registered",
        "v": 1,
        "session_id": "s",
        "version": 1,
        "at": "2026-01-31T12:00:00.000000Z",
    }
    return bytes_of(usual | changes)


# Golden logs


def test_every_golden_log_has_its_expectation_and_every_tag_is_in_one() -> None:
    assert {path.stem for path in GOLDEN.glob("*.jsonl")} == set(EXPECTED)
    assert {row.topic for name in EXPECTED for row in rows_of(name)} == TAGS


def test_golden_logs_are_the_very_bytes_that_were_written() -> None:
    """If this fails, a golden file was edited: restore it and add another instead."""
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(GOLDEN.glob("*.jsonl"))
    }
    assert found == {
        "every-event.jsonl": "fd9513025c0473ed",
        "registered-at-schema-0.jsonl": "637f8b3e2b422430",
    }


@golden
def test_g6_a_golden_log_folds_to_what_was_recorded_of_it(name: str) -> None:
    state, head = folded(rows_of(name))
    assert {
        "session_id": state.id,
        "events": len(rows_of(name)),
        "phase": state.phase,
        "version": state.version,
        "labels": state.labels,
        "metadata": msgspec.json.decode(state.metadata),
        "message_count": state.conversation.count,
        "conversation_digest": state.conversation.digest(),
        "checkpoint_version": state.checkpoint_version,
        "usage": msgspec.to_builtins(state.usage),
        "runs": dict(state.runs),
        "keys": dict(state.keys),
        "head": head,
    } == EXPECTED[name]


@golden
def test_g7_a_golden_log_audits_clean(name: str) -> None:
    rows = [RawRow(place, *_columns(row)) for place, row in enumerate(rows_of(name), 1)]
    assert audit_session(EXPECTED[name]["session_id"], rows, Mapper()) == []


@golden
def test_g7_a_golden_log_with_one_letter_changed_does_not(name: str) -> None:
    for spoilt in range(len(rows_of(name))):
        rows = [RawRow(place, *_columns(row)) for place, row in enumerate(rows_of(name), 1)]
        state = rows[spoilt].state.replace(b"2026", b"2025", 1)
        rows[spoilt] = rows[spoilt]._replace(state=state)
        findings = audit_session(EXPECTED[name]["session_id"], rows, Mapper())
        assert [(found.version, found.kind) for found in findings] == [(spoilt + 1, "link")]


def _columns(row: StoredRow) -> tuple[Any, ...]:
    return row.session_id, row.version, row.topic, row.state


# Upcasting


def test_an_old_event_is_brought_to_the_present_and_its_bytes_stay() -> None:
    row = rows_of("registered-at-schema-0")[0]
    assert b'"v":0' in row.state
    assert b'"labels":["team=support","tier=a=b"]' in row.state
    event = Mapper().decode(row.state)
    assert isinstance(event, SessionRegistered)
    assert (event.v, event.labels) == (SCHEMA, {"team": "support", "tier": "a=b"})
    assert links.holds(links.genesis("golden-0"), row.state)


def test_upcasting_passes_what_it_does_not_change_through_unread() -> None:
    odd = b'{"tag":"turn-applied","v":0,"session_id":"s","messages":[{"n":1.50,"x":"\\u00e9"}]}'
    present = upcast(odd)
    assert present is not None
    assert present == odd.replace(b'"v":0', b'"v":1')


def test_an_event_in_its_present_shape_is_left_alone() -> None:
    assert upcast(registered()) is None
    assert upcast(b'{"tag":"session-registered"}') is None


def test_upcasters_take_one_step_each() -> None:
    steps = []

    def step(schema: int) -> Callable[[Fields], Fields]:
        def take(fields: Fields) -> Fields:
            steps.append((schema, msgspec.json.decode(fields["v"])))
            return fields

        return take

    upcast(registered(v=0), {("session-registered", 0): step(0), ("turn-applied", 0): step(9)})

    assert steps == [(0, 0)]
    assert set(UPCASTERS) == {("session-registered", 0)}


@pytest.mark.parametrize(
    "changes",
    [{}, {"labels": ["a=b"]}, {"tag": "session-forked"}, {"version": "one"}, {"extra": 1}],
    ids=str,
)
def test_an_event_of_a_newer_schema_is_refused_for_being_newer(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"^event schema 2 is "):
        Mapper().decode(registered(v=2, **changes))


@pytest.mark.parametrize("schema", [-1, -(10**15), 10**15])
def test_a_schema_from_nowhere_is_refused_at_once(schema: int) -> None:
    with pytest.raises(msgspec.ValidationError, match=f"^event schema {schema} is "):
        Mapper().decode(registered(v=schema))


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"tag":"session-registered"',
        registered(tag="session-forked"),
        registered(tag=None),
        registered(tag=7),
        registered(v="one"),
        registered(v=None),
        registered(version="one"),
        registered(labels=["a=b"]),
        registered(v=0, labels=["a"]),
        registered(v=0, labels=[1]),
        registered(v=0, labels={"a": "b"}),
        registered(v=0),
    ],
    ids=repr,
)
def test_what_is_no_event_is_corrupt_and_never_a_crash(state: bytes) -> None:
    row = StoredRow("s", 1, "session-registered", state)
    with pytest.raises(LogCorrupt, match="session 's', version 1: no event: ") as caught:
        Mapper().to_event(row, None)
    assert caught.value.data["kind"] == "undecodable"


def test_a_field_that_a_later_version_added_is_accepted() -> None:
    event = Mapper().decode(registered(colour="blue", labels={"a": "b"}))
    assert isinstance(event, SessionRegistered)
    assert event.labels == {"a": "b"}
