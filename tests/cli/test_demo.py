"""The demo, and the audit that it ends with: clean, tampered with, and cut off."""

import hashlib
import json
import os
import sqlite3
import sys
from importlib import resources
from pathlib import Path

import pytest

from perdure.projections import audit_store
from perdure.store import open_store
from tests.support.command import perdure, start

TERMINAL = {"TERM": "xterm"}


@pytest.fixture
def demonstrated(sqlite_url: str) -> str:
    """A database that the demo has run on."""
    assert perdure("demo", db=sqlite_url).code == 0
    return sqlite_url


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def execute(url: str, statement: str) -> None:
    connection = sqlite3.connect(path_of(url))
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_the_demo_records_the_bundled_transcripts_as_they_are(demonstrated: str) -> None:
    text = resources.files("perdure.cli.commands").joinpath("transcripts.jsonl").read_text("utf-8")
    transcripts = [json.loads(line) for line in text.splitlines()]
    assert 5 <= len(transcripts) <= 6
    listed = perdure("ls", "--label", "source=demo", "--json", db=demonstrated).document
    for transcript, session in zip(transcripts, listed, strict=True):
        messages = transcript["messages"]
        compact = json.dumps(messages, separators=(",", ":"), ensure_ascii=False).encode()
        assert 6 <= len(messages) <= 20
        assert session["session_id"] == transcript["id"]
        assert session["conversation_digest"] == hashlib.sha256(compact).hexdigest()
    assert {session["phase"] for session in listed} == {"archived", "retired", "idle"}


def test_the_demo_prints_every_receipt_and_that_all_of_it_holds(sqlite_url: str) -> None:
    ran = perdure("demo", db=sqlite_url)
    assert (ran.code, ran.err) == (0, "")
    for session in perdure("ls", "--json", db=sqlite_url).document:
        for one in perdure("receipts", session["session_id"], "--json", db=sqlite_url).document:
            assert one["conversation_digest"] in ran.out
    assert "15 of 15 digests are what json and hashlib alone make of the transcripts" in ran.out
    assert "36 events appended" in ran.out
    assert ran.out.endswith("everything holds\n")


def test_a_second_demo_appends_nothing_and_says_so(demonstrated: str) -> None:
    heads = perdure("head", "--json", db=demonstrated).out
    again = perdure("demo", db=demonstrated)
    assert again.code == 0
    assert "nothing was appended" in again.out
    assert perdure("head", "--json", db=demonstrated).out == heads
    document = perdure("demo", "--json", db=demonstrated).document
    assert (document["ok"], document["appended"]) == (True, 0)


def test_the_demo_runs_in_memory() -> None:
    document = perdure("demo", "--json", db="memory:").document
    assert (document["ok"], document["appended"], document["audit"]["sessions"]) == (True, 36, 6)


def test_the_demo_says_so_when_a_digest_is_another(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.cli.commands.demo._digest", lambda _: "0" * 64)
    ran = perdure("demo", db=sqlite_url)
    assert ran.code == 1
    assert "DIFFERENT" in ran.out
    assert "0 of 15 digests" in ran.out


def test_a_tampered_event_is_found_and_the_exit_code_says_so(demonstrated: str) -> None:
    execute(
        demonstrated,
        "UPDATE stored_events"
        " SET state = CAST(replace(CAST(state AS TEXT), '64.9', '99.9') AS BLOB)"
        " WHERE originator_id = 'demo-refund' AND CAST(state AS TEXT) LIKE '%64.9%'",
    )
    ran = perdure("audit", "--json", db=demonstrated)
    assert ran.code == 1
    assert not ran.document["ok"]
    assert {one["session_id"] for one in ran.document["findings"]} == {"demo-refund"}
    assert {"link", "digest"} <= {one["kind"] for one in ran.document["findings"]}
    text = perdure("audit", db=demonstrated)
    assert text.code == 1
    assert "demo-refund" in text.out
    assert perdure("audit", "demo-voo-lisboa", "demo-kyoto-ryokan", db=demonstrated).code == 0
    assert perdure("audit", "--jobs", "2", "--json", db=demonstrated) == ran


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tail_that_was_cut_off_is_found_against_an_exported_head(
    demonstrated: str, tmp_path: Path, jobs: str
) -> None:
    heads = tmp_path / "heads.json"
    heads.write_text(perdure("head", "--json", db=demonstrated).out)
    compare = ("audit", "--head", str(heads), "--jobs", jobs, "--json")
    assert perdure(*compare, db=demonstrated).code == 0
    execute(
        demonstrated,
        "DELETE FROM stored_events WHERE originator_id = 'demo-refund' AND originator_version = 6",
    )
    execute(demonstrated, "DELETE FROM stored_events WHERE originator_id = 'demo-voo-lisboa'")
    execute(demonstrated, "DELETE FROM snapshots")
    assert perdure("audit", "--jobs", jobs, db=demonstrated).code == 0  # nothing left to tell by
    ran = perdure(*compare, db=demonstrated)
    assert ran.code == 1
    assert [(one["session_id"], one["kind"]) for one in ran.document["findings"]] == [
        ("demo-refund", "head"),
        ("demo-voo-lisboa", "missing"),
    ]


def test_heads_may_come_from_standard_input(demonstrated: str) -> None:
    heads = perdure("head", "--json", db=demonstrated).out
    assert perdure("audit", "--head", "-", db=demonstrated, stdin=heads).code == 0
    changed = heads.replace('"version":', '"version":1')
    assert perdure("audit", "--head", "-", db=demonstrated, stdin=changed).code == 1


@pytest.mark.parametrize("text", ["", "{}", '[{"session_id":"a"}]', "not json", '["\udcff"]'])
def test_a_file_that_holds_no_heads_is_misuse_and_no_finding(demonstrated: str, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    ran = perdure("audit", "--head", "-", "--json", db=demonstrated, stdin=data)
    assert (ran.code, ran.document["error"]["code"]) == (2, "INVALID_ARGUMENT")


def test_an_unknown_session_is_a_finding_of_its_audit(demonstrated: str) -> None:
    ran = perdure("audit", "nobody", "--json", db=demonstrated)
    assert ran.code == 1
    assert [one["kind"] for one in ran.document["findings"]] == ["missing"]


def test_a_damaged_log_is_an_error_in_a_sentence(demonstrated: str) -> None:
    execute(
        demonstrated,
        "UPDATE stored_events SET state = 'no json' WHERE originator_id = 'demo-refund'"
        " AND originator_version = 6",
    )
    assert perdure("log", "demo-refund", db=demonstrated).out.endswith("\nno json\n")
    for command in ("show", "log", "head"):
        ran = perdure(command, "demo-refund", "--json", db=demonstrated)
        assert (ran.code, ran.document["error"]["code"]) == (1, "LOG_CORRUPT")
    listed = perdure("ls", "--json", db=demonstrated).document
    assert len(listed) == 6


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_adds_up_to_the_number_of_sessions(demonstrated: str, jobs: int) -> None:
    store = open_store(demonstrated, readonly=True)
    told: list[int] = []
    report = audit_store(store, jobs=jobs, progress=told.append)
    store.close()
    assert len(told) > 1
    assert sum(told) == report.sessions == 6


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_shortens_digests_before_anything_else_and_never_ids(demonstrated: str) -> None:
    listed = perdure("ls", "--json", db=demonstrated).document
    ids = [one["session_id"] for one in listed]
    digests = [one["conversation_digest"] for one in listed]
    wide, narrow, tiny = (shown("ls", "--db", demonstrated, columns=n) for n in (160, 100, 40))
    for text in (wide, narrow, tiny):
        assert all(session_id in text for session_id in ids)
    assert all(digest in wide and digest in tiny for digest in digests)
    assert all(digest not in narrow and f"{digest[:12]}…" in narrow for digest in digests)


def shown(*arguments: str, columns: int) -> str:
    """Return the output of a command on a terminal of that width."""
    import pty  # noqa: PLC0415 - not on every platform
    import termios  # noqa: PLC0415 - the same

    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, columns))
    process = start(*arguments, stdin=terminal, stdout=terminal, stderr=terminal, env=TERMINAL)
    os.close(terminal)
    text = b""
    while chunk := _read(controller):
        text += chunk
    assert process.wait(timeout=60) == 0
    os.close(controller)
    return text.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the other side has gone
        return b""
