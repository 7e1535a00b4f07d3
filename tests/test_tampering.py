"""G7: whatever is changed in a log is found, where it was changed and nowhere else."""

import collections
import contextlib
import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alterations import ALTERATIONS, IDS, Alteration, Altered, Log

from engine.store import open_store
from engine.values import Head
from projections import AuditReport, Finding, audit_store

SEED = int(os.environ.get("PERDURE_SEED", "20260131"))
EACH = 40
"""Alterations of each kind."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("log") / "written.db")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "altered.db"


@contextlib.contextmanager
def attacker(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the file past every check of ours."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
        connection.commit()


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
    )
    assert len(IDS) >= 8
    assert len(log.rows) >= 100
    assert len({row.topic for row in log.rows}) == 7


def test_g7_a_thousand_single_alterations_are_each_found_where_they_were_made(
    log: Log, path: Path
) -> None:
    made: collections.Counter[str] = collections.Counter()
    for kind, alteration in ALTERATIONS.items():
        for number in range(EACH):
            seed = f"{SEED} {kind} {number}"
            (altered,) = alter(path, log, seed, alteration)
            findings = audited(path, log.heads if altered.heads else None).findings
            try:
                check_located(altered, findings)
            except AssertionError as failure:
                raise AssertionError(f"{seed=}\n{altered}\n{findings}") from failure
            made[kind] += 1
    assert made.total() >= 1000
    assert set(made) == set(ALTERATIONS)
