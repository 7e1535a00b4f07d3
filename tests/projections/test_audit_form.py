"""Events that no engine can have written, with links that hold, and damage without end."""

import hashlib
import json
from typing import Any, Final

import pytest

from perdure.projections import audit_session
from perdure.projections.audit.findings import Finding
from perdure.store import Mapper, links
from perdure.store.recorder import RawRow
from perdure.sync import Engine

MAPPER: Final = Mapper()


def sealed(session_id: str, bodies: list[bytes]) -> list[RawRow]:
    """Return rows of these bodies, linked as their owner can link them."""
    rows, link = [], links.genesis(session_id)
    for n, body in enumerate(bodies, start=1):
        state, link = links.seal(link, body)
        rows.append(RawRow(n, session_id, n, json.loads(body)["tag"], state))
    return rows


def bodies(session_id: str = "s") -> list[bytes]:
    """Return the bodies of a registration, a turn and an input, as an engine writes them."""
    with Engine.open("memory:") as engine:
        engine.register(session_id, labels={"a": "b"})
        engine.record_turn(session_id, [{"role": "user", "content": "h\u00e9llo"}], run_id="r")
        engine.ingest(session_id, "more", input_id="i", idempotency_key="k")
        rows = engine._engine._core.store.recorder.select_rows(session_id)
        return [links.body_of(row.state) for row in rows]


def audited(session_id: str, given: list[bytes]) -> list[Finding]:
    return audit_session(session_id, sealed(session_id, given), MAPPER)


def test_as_an_engine_writes_them_they_hold() -> None:
    assert audited("s", bodies()) == []


TURN, INPUT = 1, 2

FORGED: Final[dict[str, tuple[int, bytes, bytes, str]]] = {
    "no schema version": (TURN, b'"v":1,', b"", "no schema version"),
    "a member more": (TURN, b'"v":1,', b'"v":1,"x":1,', "'x'"),
    "a member twice": (TURN, b'"v":1,', b'"v":1,"v":1,', "twice"),
    "white space": (TURN, b'"v":1,', b'"v": 1,', "white space"),
    "another order": (0, b'"v":1,"session_id":"s",', b'"session_id":"s","v":1,', "order"),
    "a member more inside": (TURN, b'"receipt":{', b'"receipt":{"x":1,', "'receipt'"),
    "a member twice inside": (
        TURN,
        b'"sequence":1}',
        b'"sequence":1,"sequence":1}',
        "'receipt'",
    ),
    "an escape that is none": (0, b'{"a":"b"}', b'{"a":"\\u0062"}', "'labels'"),
    "an empty run id": (TURN, b'"run_id":"r"', b'"run_id":""', "run id"),
    "a run id that rings": (TURN, b'"run_id":"r"', b'"run_id":"\\u0007"', "run id"),
    "an input id without an end": (
        INPUT,
        b'"input_id":"i"',
        b'"input_id":"%b"' % (b"i" * 256),
        "input id",
    ),
    "a key of a newline": (
        INPUT,
        b'"idempotency_key":"k"',
        b'"idempotency_key":"\\n"',
        "idempotency key",
    ),
    "a day that is none": (TURN, b'"at":"2', b'"at":"2024-02-30T00:00:00.000000Z","x":"2', "x"),
}


@pytest.mark.parametrize("what", FORGED)
def test_g7_an_event_in_a_form_that_no_engine_writes_is_found(what: str) -> None:
    place, old, new, told = FORGED[what]
    given = bodies()
    assert old in given[place]
    given[place] = given[place].replace(old, new, 1)
    (finding,) = audited("s", given)
    assert (finding.version, finding.kind) == (place + 1, "identity")
    assert told in finding.detail


def at(body: bytes, time: str) -> bytes:
    told: dict[str, Any] = json.loads(body)
    return body.replace(told["at"].encode(), time.encode())


@pytest.mark.parametrize(
    ("day", "exists"),
    [
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("2024-02-30", False),
        ("2024-04-31", False),
        ("2024-12-31", True),
        ("0000-01-31", False),
    ],
)
def test_a_day_that_is_in_no_calendar_is_found(day: str, *, exists: bool) -> None:
    given = [at(body, f"{day}T12:00:00.000000Z") for body in bodies()]
    assert (audited("s", given) == []) == exists


def test_times_that_run_backwards_by_years_are_found_and_by_hours_are_not() -> None:
    first, turn, _ = bodies()
    first = at(first, "2024-06-01T12:00:00.000000Z")
    hours = at(turn, "2024-06-01T02:00:00.000000Z")
    assert audited("s", [first, hours]) == []
    years = at(turn, "2022-06-01T12:00:00.000000Z")
    (finding,) = audited("s", [first, years])
    assert (finding.version, "backwards" in finding.detail) == (2, True)


def test_an_event_from_before_a_field_was_added_holds() -> None:
    _, turn, _ = bodies()
    assert b'"usage":null,' in turn
    given = bodies()
    given[TURN] = turn.replace(b'"usage":null,', b"", 1)
    assert audited("s", given) == []


@pytest.mark.parametrize("rows", [200, 400])
def test_scrambled_links_cost_as_many_hashes_a_row_as_there_are_rows(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Engine.open("memory:") as engine:
        engine.register("s")
        for n in range(rows):
            engine.ingest("s", f"{n}")
            engine.abandon_input("s", engine.inputs("s")[-1].id)
        found = engine._engine._core.store.recorder.select_rows("s")
    scrambled = [
        RawRow(
            n,
            row.session_id,
            row.version,
            row.topic,
            row.state.replace(
                links.sealed_link(row.state).encode(),
                hashlib.sha256(row.state).hexdigest().encode(),
            ),
        )
        for n, row in enumerate(found, start=1)
    ]
    computed = 0
    expected = links.expected_link

    def counted(previous: str, state: bytes) -> str:
        nonlocal computed
        computed += 1
        return expected(previous, state)

    monkeypatch.setattr(links, "expected_link", counted)
    findings = audit_session("s", scrambled, MAPPER)
    assert {finding.kind for finding in findings} == {"link"}
    assert len(findings) == len(found)
    assert computed <= 12 * len(found)
