"""The audit of rows and of stores, sound or not."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perdure.aggregates import SessionArchived, SessionRegistered, SessionRetired
from perdure.aggregates.session.events import SessionEvent
from perdure.errors import LogCorrupt, StoreError
from perdure.projections import audit_session, audit_store
from perdure.projections.audit.findings import AuditReport, Finding
from perdure.store import Mapper, StoredRow, links, open_store
from perdure.store.recorder import RawRow
from perdure.sync import Engine
from tests.support.alterations import ALTERATIONS, Log, attacker, lawful_turn, unlawful_events

MAPPER = Mapper()
AT = "2026-01-31T12:00:00.000000Z"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("log") / "written.db")


def rows_of(*events: SessionEvent) -> list[RawRow]:
    """Rows with the right links around any events."""
    stored, _ = MAPPER.to_stored(events, links.genesis(events[0].session_id))
    return [
        RawRow(n, row.session_id, row.version, row.topic, row.state)
        for n, row in enumerate(stored, start=1)
    ]


def kinds(findings: list[Finding]) -> list[tuple[int, str]]:
    return [(finding.version, finding.kind) for finding in findings]


def registered(**fields: Any) -> SessionRegistered:
    given: dict[str, Any] = {"session_id": "s", "version": 1, "at": AT}
    return SessionRegistered(**given | fields)


# Logs that hold together but break the law

UNLAWFUL = (
    ["digest"],
    ["receipt"],
    ["receipt"],
    ["receipt"],
    ["receipt"],
    ["identity"],
    ["transition"],
    ["transition"],
    ["receipt"],
    ["receipt", "receipt"],
    ["transition"],
    ["transition"],
    ["digest"],
    ["receipt"],
    ["receipt"],
    ["receipt"],
    ["undecodable"],
    ["receipt"],
)
"""The problem with each of `unlawful_events`, in their order."""


def test_g8_a_well_linked_event_against_the_law_is_found_and_nothing_else(log: Log) -> None:
    events = unlawful_events(log)
    assert len(events) == len(UNLAWFUL)
    for event, expected in zip(events, UNLAWFUL, strict=True):
        written = log.sessions[event.session_id]
        (forged,), _ = MAPPER.to_stored([event], links.stored_link(written[-1].state) or "")
        rows = [RawRow(*row) for row in written]
        rows.append(RawRow(1000, event.session_id, event.version, forged.topic, forged.state))
        findings = audit_session(event.session_id, rows, MAPPER)
        assert kinds(findings) == [(event.version, kind) for kind in expected], event


def test_g8_a_session_that_does_not_begin_with_its_registration_is_found() -> None:
    rows = rows_of(SessionRetired(session_id="s", version=1, at=AT))
    assert kinds(audit_session("s", rows, MAPPER)) == [(1, "transition")]


def test_g8_an_event_after_the_archive_is_found_even_where_it_would_change_nothing() -> None:
    facts: dict[str, Any] = {"session_id": "s", "at": AT}
    past = (
        registered(),
        SessionRetired(**facts, version=2),
        SessionArchived(**facts, version=3),
    )
    assert audit_session("s", rows_of(*past), MAPPER) == []
    late = (
        SessionRetired(**facts, version=4),
        SessionArchived(**facts, version=4),
        registered(version=4),
    )
    for event in late:
        findings = audit_session("s", rows_of(*past, event), MAPPER)
        assert kinds(findings) == [(4, "transition")]


def test_g7_a_well_linked_event_of_another_session_is_found_and_not_read() -> None:
    stored, _ = MAPPER.to_stored([registered(session_id="t")], links.genesis("s"))
    row = RawRow(1, "s", 1, stored[0].topic, stored[0].state)
    (finding,) = audit_session("s", [row], MAPPER)
    assert (finding.version, finding.kind) == (1, "identity")
    assert finding.detail == "the event says it belongs to session 't'"
    with pytest.raises(LogCorrupt, match="belongs to session 't'"):
        MAPPER.to_event(StoredRow("s", 1, row.topic, row.state), links.genesis("s"))


def test_g7_messages_that_two_readers_would_read_differently_are_found(log: Log) -> None:
    """A key twice: a JSON reader takes the last, whoever slices takes the first."""
    name = "alpha"
    written = log.sessions[name]
    head = links.stored_link(written[-1].state) or ""
    event = lawful_turn(log.state(name))
    honest = MAPPER.to_stored([event], head)[0][0].state
    body = MAPPER._encoder.encode(event).replace(b',"messages":[', b',"messages":[{}],"messages":[')
    for state, expected in ((honest, []), (links.seal(head, body)[0], ["undecodable"])):
        rows = [RawRow(*row) for row in written]
        rows.append(RawRow(1000, name, event.version, "turn-applied", state))
        assert [f.kind for f in audit_session(name, rows, MAPPER)] == expected


def test_g8_metadata_that_is_no_object_is_found() -> None:
    rows = rows_of(registered(metadata=msgspec.Raw(b"[1]")))
    assert kinds(audit_session("s", rows, MAPPER)) == [(1, "undecodable")]


@pytest.mark.parametrize(
    "at",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000000+00:00",
        "2026-13-31T12:00:00.000000Z",
        "2026-01-32T12:00:00.000000Z",
        "2026-01-31T24:00:00.000000Z",
        "٢٠٢٦-01-31T12:00:00.000000Z",
        "2026-01-31T12:00:00.000000Z\n",
        "",
    ],
)
def test_a_time_in_any_other_form_is_found(at: str) -> None:
    assert kinds(audit_session("s", rows_of(registered(at=at)), MAPPER)) == [(1, "identity")]


# Rows of any kind

_SOUND = rows_of(
    registered(),
    SessionRetired(session_id="s", version=2, at=AT),
    SessionArchived(session_id="s", version=3, at=AT),
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_TAGS = [
    "session-registered",
    "turn-applied",
    "context-appended",
    "context-staged",
    "session-checkpointed",
    "session-retired",
    "session-archived",
]
_EVENTISH = st.fixed_dictionaries(
    {"tag": st.sampled_from(_TAGS), "session_id": st.just("s"), "version": st.integers(0, 5)},
    optional={
        "v": st.integers(-(2**70), 3),
        "at": st.just(AT) | st.text(),
        "labels": _JSON,
        "metadata": _JSON,
        "receipt": st.fixed_dictionaries(
            {
                "run_id": st.text(max_size=2),
                "boundary": st.just("run_start"),
                "contributing_input_ids": st.lists(st.text(max_size=2), max_size=2),
                "conversation_digest": st.text(max_size=3),
                "message_count": st.integers(-(2**70), 2**70),
                "sequence": st.integers(),
            }
        ),
        "staged_context": st.integers(-(2**70), 2**70),
        "message_count": st.integers(),
        "conversation_digest": st.text(max_size=3),
        "messages": st.lists(_JSON, max_size=2) | _JSON,
    },
).map(lambda fields: msgspec.json.encode(fields)[:-1] + b',"link":"' + b"0" * 64 + b'"}')
_ANYTHING = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
_ROWS = st.builds(
    RawRow,
    st.integers(-3, 10) | _ANYTHING,
    st.just("s") | _ANYTHING,
    st.integers(-1, 6) | _ANYTHING,
    st.sampled_from(_TAGS) | _ANYTHING,
    st.sampled_from([row.state for row in _SOUND]) | _EVENTISH | _ANYTHING,
)


@given(rows=st.lists(st.sampled_from(_SOUND) | _ROWS, max_size=8))
@example(rows=[RawRow(1, "s", 1, "x", b"[" * 100_000)])
@example(rows=[RawRow(1, "s", 1, "x", b'{"tag":"turn-applied","v":-1000000000000000}')])
@example(rows=[RawRow(1, "s", 2**63 - 1, "x", b"")])
def test_the_audit_of_any_rows_ends_in_findings_and_never_in_an_error(rows: list[RawRow]) -> None:
    findings = audit_session("s", rows, MAPPER)
    lawful = rows == _SOUND[: len(rows)]
    assert (findings == []) == lawful
    for finding in findings:
        assert finding.session_id == "s"
        assert finding.version >= 1
    msgspec.json.encode(findings)


@given(
    ids=st.lists(_ANYTHING, min_size=1, max_size=4, unique_by=repr),
    low=st.none() | st.text(max_size=2),
)
def test_a_session_id_of_any_type_can_be_reported(ids: list[Any], low: str | None) -> None:
    for session_id in ids:
        (row,) = rows_of(registered(session_id="s" if low is None else low))
        findings = audit_session(session_id, [row._replace(session_id=session_id)], MAPPER)
        msgspec.json.encode(findings)
        assert bool(findings) == (row.session_id != session_id)


# Stores


def report_of(path: Path, log: Log, jobs: int) -> AuditReport:
    store = open_store(f"sqlite:///{path}", readonly=True)
    try:
        return audit_store(store, heads=log.heads, jobs=jobs)
    finally:
        store.close()


def test_g7_the_report_is_the_same_for_any_number_of_processes(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "altered.db"
    path.write_bytes(log.bytes)
    assert report_of(path, log, jobs=2).ok
    chance = random.Random(3)  # noqa: S311 - the same alterations every time
    with attacker(path) as connection:
        for kind in ("a byte of the state", "a byte of the topic", "a row deleted", "the tail cut"):
            ALTERATIONS[kind](connection, chance, log)
        ALTERATIONS["another type"](connection, chance, log)
        first = "SELECT min(position) FROM stored_events WHERE originator_id ="
        for name, other in (
            ("a", None),
            ("alpha", b"alpha"),
            ("b", 7),
            ("retired-one", 1.5),
            ("archived-one", b"\xff".decode("utf-8", "surrogateescape")),
        ):
            value = other.encode("utf-8", "surrogateescape") if isinstance(other, str) else other
            column = "CAST(? AS TEXT)" if isinstance(other, str) else "?"
            connection.execute(
                f"UPDATE stored_events SET originator_id = {column} WHERE position = ({first} ?)",
                (value, name),
            )
    alone, together = report_of(path, log, jobs=1), report_of(path, log, jobs=2)
    assert alone == together
    assert {"None", "b'alpha'", "7", "1.5", "\\udcff"} <= {f.session_id for f in alone.findings}


def test_progress_counts_every_session_once(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(log.bytes)
    store = open_store(f"sqlite:///{path}", readonly=True)
    try:
        for jobs in (1, 2):
            told: list[int] = []
            report = audit_store(store, jobs=jobs, progress=told.append)
            assert sum(told) == report.sessions == len(log.sessions)
    finally:
        store.close()


def test_named_sessions_are_audited_alone_and_missing_ones_are_found(
    log: Log, tmp_path: Path
) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(log.bytes)
    with attacker(path) as connection:
        connection.execute("UPDATE stored_events SET topic = 'x' WHERE originator_id = 'alpha'")
    store = open_store(f"sqlite:///{path}", readonly=True)
    try:
        assert audit_store(store, session_ids=["a", "b"]).ok
        assert not audit_store(store, session_ids=["a", "alpha"]).ok
        report = audit_store(store, session_ids=["a", "nobody"])
        assert [(f.session_id, f.kind) for f in report.findings] == [("nobody", "missing")]
    finally:
        store.close()


def test_the_audit_of_a_memory_log_reads_what_was_recorded() -> None:
    with Engine.open("memory:") as engine:
        engine.register("s")
        engine.record_turn("s", [{"role": "user", "content": "hello"}])
        head = engine.head("s")
        report = engine.audit(heads=[head])
        assert (report.ok, report.sessions, report.events) == (True, 1, 2)
        forged = msgspec.structs.replace(head, link="0" * 64)
        (finding,) = engine.audit(heads=[forged]).findings
        assert (finding.version, finding.kind) == (2, "head")


@pytest.mark.parametrize(
    "module",
    ["perdure.projections", "perdure.projections.audit.session", "perdure", "perdure.store"],
)
def test_each_package_can_be_imported_first(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, timeout=60)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("readonly", [False, True], ids=["writing", "readonly"])
def test_g7_the_audit_is_of_the_file_that_was_opened_wherever_the_process_has_gone_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, readonly: bool
) -> None:
    for folder, names in (("here", "abc"), ("there", "other")):
        (tmp_path / folder).mkdir()
        with Engine.open(f"sqlite:///{tmp_path / folder / 's.db'}") as engine:
            for name in names:
                engine.register(name)
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with Engine.open("sqlite:///s.db", readonly=readonly) as engine:
        expected = engine.audit()
        assert (expected.ok, expected.sessions) == (True, 3)
        for folder in ("there", "nowhere"):
            monkeypatch.chdir(tmp_path / folder)
            assert engine.audit(jobs=jobs) == expected
    assert not list((tmp_path / "nowhere").iterdir())


def test_the_report_names_a_damaged_file_as_it_was_opened_in_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Engine.open("sqlite:///s.db") as engine:
        for name in "abc":
            engine.register(name)
            engine.record_turn(name, [{"role": "user", "content": name * 30_000}])
    damaged = bytearray(Path("s.db").read_bytes())
    with attacker(Path("s.db")) as connection:
        root = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'stored_events'"
        ).fetchone()[0]
    damaged[(root - 1) * 8192 : (root - 1) * 8192 + 8] = b"\xaa" * 8
    Path("s.db").write_bytes(damaged)
    reports = []
    for jobs in (1, 2):
        with Engine.open("sqlite:///s.db", readonly=True) as engine:
            reports.append(engine.audit(jobs=jobs))
    assert not reports[0].ok
    assert any(finding.detail.startswith("s.db: ") for finding in reports[0].findings)
    assert reports[0] == reports[1]


def test_opening_by_name_in_a_folder_that_is_gone_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(StoreError, match=r"s\.db"):
        open_store("sqlite:///s.db")
