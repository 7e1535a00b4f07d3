"""G7: any change to a log is found, where it was made and nowhere else."""

import collections
import itertools
import os
import random
from pathlib import Path

import pytest

from perdure.projections import AuditReport, Finding, audit_store
from perdure.projections.audit import messages_and_receipts as meaning
from perdure.projections.audit.session import SessionAudit, printable
from perdure.store import links, open_store
from perdure.store.recorder import RawRow
from perdure.values import Head
from tests.support.alterations import ALTERATIONS, IDS, Alteration, Altered, Log, attacker, update
from tests.support.thorough import few_of

SEED = int(os.environ.get("PERDURE_SEED", "20260131"))
EACH = few_of([4, 40], [4])
"""Alterations of each kind."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("log") / "written.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "altered.db"


def audited(path: Path, heads: list[Head] | None = None) -> AuditReport:
    store = open_store(f"sqlite:///{path}", readonly=True)
    try:
        return audit_store(store, heads=heads or [])
    finally:
        store.close()


def alter(path: Path, log: Log, seed: str, *alterations: Alteration) -> list[Altered]:
    path.write_bytes(log.bytes)
    chance = random.Random(seed)  # noqa: S311 - a seed replays a failure
    with attacker(path) as connection:
        return [alteration(connection, chance, log) for alteration in alterations]


def check_located(altered: Altered, findings: list[Finding]) -> None:
    """Assert that there is a finding where there must be, and none where there may not be.

    What SQLite finds is of the file as a whole. A snapshot of an event that is gone is further
    evidence, in the same session.
    """
    found = {(finding.session_id, finding.version) for finding in findings}
    allowed = altered.also.union(*altered.groups)
    sessions = {session_id for session_id, _ in allowed}
    for group in altered.groups:
        assert found & group
    for finding in findings:
        match finding.kind:
            case "storage":
                assert not finding.session_id
            case "snapshot":
                assert finding.session_id in sessions
            case _:
                assert (finding.session_id, finding.version) in allowed


def test_g7_an_untouched_log_has_no_findings(log: Log, path: Path) -> None:
    path.write_bytes(log.bytes)
    report = audited(path, log.heads)
    assert report == AuditReport(
        ok=True,
        sessions=len(IDS),
        events=len(log.rows),
        bytes=sum(len(row.state) for row in log.rows),
        findings=[],
        heads=len(log.heads),
    )
    assert len(IDS) >= 8
    assert len(log.rows) >= 100
    assert len({row.topic for row in log.rows}) == 7


@pytest.mark.parametrize("each", EACH)
def test_g7_single_alterations_are_each_found_where_they_were_made(
    log: Log, path: Path, each: int
) -> None:
    made: collections.Counter[str] = collections.Counter()
    for kind, alteration in ALTERATIONS.items():
        for number in range(each):
            seed = f"{SEED} {kind} {number}"
            (altered,) = alter(path, log, seed, alteration)
            findings = audited(path, log.heads if altered.heads else None).findings
            try:
                check_located(altered, findings)
            except AssertionError as failure:
                raise AssertionError(f"{seed=}\n{altered}\n{findings}") from failure
            made[kind] += 1
    assert made == dict.fromkeys(ALTERATIONS, each)


@pytest.mark.parametrize("each", EACH)
def test_g7_alterations_in_two_sessions_are_both_found(log: Log, path: Path, each: int) -> None:
    byte = ALTERATIONS["a byte of the state"]
    both = 0
    for number in range(3 * each):
        one, other = alter(path, log, f"{SEED} two {number}", byte, byte)
        check_located(
            Altered([*one.groups, *other.groups], one.also | other.also), audited(path).findings
        )
        both += {name for name, _ in one.also} != {name for name, _ in other.also}
    assert both > each


def test_g7_an_altered_session_hides_nothing_behind_the_alteration(log: Log, path: Path) -> None:
    path.write_bytes(log.bytes)
    rows = log.sessions["alpha"]
    with attacker(path) as connection:
        for row in (rows[2], rows[5], rows[8]):
            update(connection, row, "state", row.state.replace(b'"at":"2026', b'"at":"2025'))
    findings = audited(path).findings
    assert [(f.session_id, f.version, f.kind) for f in findings] == [
        ("alpha", rows[place].version, "link") for place in (2, 5, 8)
    ]


def test_g7_a_cut_tail_shows_against_heads_from_after_the_cut_only(log: Log, path: Path) -> None:
    """A head exported before the cut event was written says nothing about it."""
    rows = log.sessions["a"]
    early = [
        Head(session_id="a", version=row.version, link=links.stored_link(row.state) or "")
        for row in rows[-3:-1]
    ]
    path.write_bytes(log.bytes)
    with attacker(path) as connection:
        connection.execute("DELETE FROM stored_events WHERE position = ?", (rows[-1].position,))
    assert [f for f in audited(path, early).findings if f.kind == "head"] == []
    with attacker(path) as connection:
        connection.execute("DELETE FROM stored_events WHERE position = ?", (rows[-2].position,))
    (finding,) = (f for f in audited(path, early).findings if f.kind == "head")
    assert (finding.session_id, finding.version) == ("a", rows[-2].version)


def test_g7_positions_swapped_between_sessions_are_no_evidence(log: Log, path: Path) -> None:
    """Delivery order is in no link: only what contradicts a session's own versions is found."""
    one, other = next(
        (one, other)
        for one, other in itertools.pairwise(log.rows)
        if one.session_id != other.session_id
    )
    path.write_bytes(log.bytes)
    with attacker(path) as connection:
        for row, position in ((one, -1), (other, one.position), (one, other.position)):
            now = -1 if (row, position) == (one, other.position) else row.position
            connection.execute(
                "UPDATE stored_events SET position = ? WHERE position = ?", (position, now)
            )
    assert audited(path).ok


@pytest.mark.parametrize("every", few_of([1, 8], [8]))
def test_g7_a_row_that_differs_from_its_index_entry_is_found_in_the_row(
    log: Log, path: Path, every: int
) -> None:
    """The index holds a copy of the session id; the file is altered under SQLite's feet."""
    made = 0
    for row in log.rows[::every]:
        id_bytes, topic = row.session_id.encode(), row.topic.encode()
        if row.version == 1 or row.version > 127:
            continue  # SQLite stores a 1 as no byte at all
        record = id_bytes + bytes([row.version]) + topic + row.state[:80]
        assert log.bytes.count(record) == 1
        start = log.bytes.index(record)
        other = bytes([id_bytes[0] ^ 1]) + id_bytes[1:]
        path.write_bytes(log.bytes[:start] + other + log.bytes[start + len(id_bytes) :])
        findings = audited(path).findings
        name = printable(other.decode("utf-8", "surrogateescape"))
        check_located(
            Altered([{(name, row.version)}], frozenset({(row.session_id, row.version)})), findings
        )
        assert any(finding.kind == "storage" for finding in findings)
        made += 1
    assert made > 50 / every


def test_g7_a_page_that_cannot_be_read_hides_no_other_session(log: Log, path: Path) -> None:
    """Overwrite, one after another, the pages of the file; the audit reports and goes on."""
    page = 8192
    audited_sessions = []
    for start in range(page, len(log.bytes), page):
        path.write_bytes(log.bytes[:start] + b"\xff" * page + log.bytes[start + page :])
        report = audited(path)
        assert any(finding.kind == "storage" for finding in report.findings)
        unreadable = {f.session_id for f in report.findings if f.kind == "storage"} - {""}
        assert report.sessions + len(unreadable) >= len(IDS) or not report.sessions
        audited_sessions.append(report.sessions)
    assert len(IDS) in audited_sessions  # an index page, which the table's rows do without
    assert any(0 < count < len(IDS) for count in audited_sessions)  # a page of some sessions' rows


def test_g7_a_trigger_on_the_log_is_found(log: Log, path: Path) -> None:
    path.write_bytes(log.bytes)
    with attacker(path) as connection:
        connection.execute(
            "CREATE TRIGGER quiet BEFORE INSERT ON stored_events BEGIN SELECT RAISE(IGNORE); END"
        )
    (finding,) = audited(path).findings
    assert (finding.kind, finding.detail) == ("storage", "there is a trigger 'quiet' on the log")


@pytest.mark.parametrize("table", ["snapshots", "catalog", "catalog_labels", "tracking", "leases"])
def test_g7_a_trigger_that_would_change_the_log_from_elsewhere_is_found(
    log: Log, path: Path, table: str
) -> None:
    path.write_bytes(log.bytes)
    with attacker(path) as connection:
        connection.execute(
            f"CREATE TRIGGER quiet AFTER INSERT ON {table} BEGIN DELETE FROM stored_events; END"
        )
    (finding,) = audited(path).findings
    assert (finding.kind, finding.detail) == ("storage", f"there is a trigger 'quiet' on {table}")


def test_g7_a_view_and_its_triggers_are_found(log: Log, path: Path) -> None:
    path.write_bytes(log.bytes)
    with attacker(path) as connection:
        connection.execute("CREATE VIEW shown AS SELECT * FROM stored_events LIMIT 1")
        connection.execute(
            "CREATE TRIGGER quiet INSTEAD OF INSERT ON shown BEGIN DELETE FROM stored_events; END"
        )
    assert [(finding.kind, finding.detail) for finding in audited(path).findings] == [
        ("storage", "there is a trigger 'quiet' on shown"),
        ("storage", "there is a view 'shown'"),
    ]


# The quick way and the thorough one


def test_rows_that_nothing_is_wrong_with_are_not_looked_at_twice(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined: list[object] = []
    examine = SessionAudit._examine

    def noted(audit: SessionAudit, row: RawRow) -> None:
        examined.append((row.session_id, row.version))
        examine(audit, row)

    monkeypatch.setattr(SessionAudit, "_examine", noted)
    path.write_bytes(log.bytes)
    assert audited(path).ok
    assert len(examined) <= len(IDS)  # where there is a snapshot of just that version


@pytest.mark.parametrize("times", few_of([1, 8], [1]))
@pytest.mark.parametrize("name", ALTERATIONS)
def test_g7_the_quick_way_finds_what_the_thorough_one_does(
    name: str, log: Log, path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    for n in range(times):
        alter(path, log, f"{SEED} both {n}", ALTERATIONS[name])
        quick = audited(path)
        with monkeypatch.context() as patch:
            patch.setattr(SessionAudit, "_take_if_sound", lambda _audit, _row: False)
            patch.setattr(meaning, "_is_sound", lambda *_arguments: False)
            assert audited(path) == quick
