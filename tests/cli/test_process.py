"""The command as a process: signals, pipes, closed streams, and the real transcripts."""

import contextlib
import hashlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.sync import Engine
from tests.support.command import finish, perdure, start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")


def transcript(number: int) -> bytes:
    """A line of twenty messages."""
    messages = [{"role": role, "content": "x" * 400} for role in ("user", "assistant")] * 10
    return json.dumps({"id": f"session-{number}", "messages": messages}).encode() + b"\n"


def many(path: Path, sessions: int) -> Path:
    """A file of so many transcripts."""
    path.write_bytes(b"".join(map(transcript, range(sessions))))
    return path


class Feeder(threading.Thread):
    """Writes transcripts to a process for as long as it takes any."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.lines = 0
        self._process = process

    def run(self) -> None:
        into = self._process.stdin
        assert into is not None
        with contextlib.suppress(BrokenPipeError), into:
            for number in itertools.count():
                into.write(transcript(number))
                self.lines = number + 1


def test_an_interrupted_import_keeps_what_it_acknowledged_and_can_be_completed(
    sqlite_url: str, tmp_path: Path
) -> None:
    process = start("import", "-", "--archive", "--db", sqlite_url)
    feeder = Feeder(process)
    feeder.start()
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    wait_until(lambda: _archived(database))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    feeder.join(timeout=60)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.read() == b""
        said = process.stderr.read().decode()
    assert said == "perdure: interrupted; the turns recorded so far are kept [INTERRUPTED]\n"
    heads = {one["session_id"]: one for one in perdure("head", "--json", db=sqlite_url).document}
    kept = [one for one in heads.values() if one["version"] == 13]
    assert 0 < len(kept) <= feeder.lines
    assert perdure("audit", db=sqlite_url).code == 0
    path = str(many(tmp_path / "all.jsonl", len(heads) + 20))
    again = perdure("import", path, "--archive", "--json", db=sqlite_url)
    assert again.code == 0
    assert again.document["imported"] == 20
    assert again.document["extended"] == len(heads) - len(kept)
    assert again.document["unchanged"] == len(kept)
    after = {one["session_id"]: one for one in perdure("head", "--json", db=sqlite_url).document}
    assert len(after) == len(heads) + 20
    assert {one["version"] for one in after.values()} == {13}
    assert all(after[one["session_id"]] == one for one in kept)


def _archived(database: Path) -> bool:
    """Whether a session has been archived in the file, once there is one."""
    with contextlib.suppress(sqlite3.OperationalError):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        with contextlib.closing(connection):
            asked = "SELECT 1 FROM stored_events WHERE topic = 'session-archived'"
            return connection.execute(asked).fetchone() is not None
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_an_interrupt_does_not_wait_for_the_end_of_a_long_session(
    sqlite_url: str, tmp_path: Path
) -> None:
    messages = [{"role": "user", "content": "x" * 400}] * 50_000
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"id": "long", "messages": messages}))
    process = start("import", str(path), "--db", sqlite_url)
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    wait_until(lambda: _grown(database, 5_000_000))
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 130
    assert not _log_of(database).exists()  # the database was closed, not just left
    [session] = perdure("ls", "--json", db=sqlite_url).document
    assert 1 < session["version"] < 50_000


def _log_of(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def _grown(database: Path, size: int) -> bool:
    log = _log_of(database)
    return log.exists() and log.stat().st_size > size


def test_an_import_that_waits_for_a_pipe_is_interrupted_at_once(sqlite_url: str) -> None:
    process = start("import", "-", "--json", "--db", sqlite_url)
    database = Path(sqlite_url.removeprefix("sqlite:///"))
    assert process.stdin is not None
    process.stdin.write(b'{"messages": [{"role": "user", "content": "the first of many"}]}\n')
    process.stdin.flush()
    wait_until(database.exists)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=10)
    ran = finish(process)
    assert (ran.code, ran.err) == (130, "")
    assert ran.document["error"]["code"] == "INTERRUPTED"


def test_a_reader_that_has_gone_is_no_error_worth_a_word(sqlite_url: str, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "x" * 10_000}] * 100
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"id": "long", "messages": messages}))
    assert perdure("import", str(path), db=sqlite_url).code == 0
    for command in (("log", "long"), ("history", "long"), ("head",)):
        process = start(*command, "--db", sqlite_url)
        assert process.stdout is not None
        if command != ("head",):  # whose few bytes are only written at the end
            process.stdout.read(10)
        process.stdout.close()
        process.stdout = None
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 141
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
def test_a_long_log_does_not_have_to_fit_in_memory(sqlite_url: str) -> None:
    with Engine.open(sqlite_url, durability="normal") as engine:
        engine.register("long")
        for _ in range(20):
            engine.record_turn("long", [{"role": "user", "content": "x" * 3_000_000}])
    as_lines, as_document = (
        _most_kilobytes("log", "long", *options, "--db", sqlite_url)
        for options in ((), ("--json",))
    )
    assert as_document - as_lines < 30_000


def _most_kilobytes(*arguments: str) -> int:
    process = start(*arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert finish_quiet(process) == (0, "")
    return usage.ru_maxrss


def test_a_full_disk_behind_the_output_is_one_line(sqlite_url: str) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    demo = ("demo", "--db", sqlite_url)
    for arguments in (demo, (*demo, "--json"), ("--help",), ("ls", "--help"), ("--version",)):
        with full.open("w") as output:
            ran = finish_quiet(start(*arguments, stdout=output))
        assert ran[0] == 1
        assert ran[1].startswith("perdure: ")
        assert ran[1].count("\n") == 1


def finish_quiet(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


@pytest.mark.parametrize("version", [0, -1])
def test_a_head_that_every_log_would_have_reached_is_no_head(sqlite_url: str, version: int) -> None:
    with Engine.open(sqlite_url) as engine:
        engine.register("trip")
    heads = json.dumps([{"session_id": "trip", "version": version, "link": ""}])
    ran = perdure("audit", "--head", "-", "--json", db=sqlite_url, stdin=heads)
    assert (ran.code, ran.document["error"]["code"]) == (2, "INVALID_ARGUMENT")
    assert f"session 'trip' was never at version {version}" in ran.document["error"]["message"]


def test_closed_streams_leave_no_traceback(sqlite_url: str) -> None:
    for closing in ("<&-", ">&-", "<&- >&- 2>&-"):
        line = f'"{sys.executable}" -m perdure.cli import - --db "{sqlite_url}" {closing}'
        ran = subprocess.run(
            ["/bin/sh", "-c", line], capture_output=True, timeout=60, check=False, input=b""
        )
        assert ran.returncode == (0 if closing == ">&-" else 1)
        assert b"Traceback" not in ran.stderr


def test_progress_is_not_shown_in_a_pipe(sqlite_url: str, tmp_path: Path) -> None:
    ran = finish(start("import", str(many(tmp_path / "some.jsonl", 20)), "--db", sqlite_url))
    assert (ran.code, ran.err) == (0, "")
    ran = finish(start("audit", "--db", sqlite_url))
    assert (ran.code, ran.err) == (0, "")


def test_text_that_the_terminal_cannot_show_is_spelled_out(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text('{"id":"s","messages":[{"role":"user","content":"olá 🌍"}]}', "utf-8")
    assert perdure("import", str(path), db=sqlite_url).code == 0
    environment = {"PYTHONIOENCODING": "ascii"}
    ran = finish(start("history", "s", "--db", sqlite_url, env=environment))
    assert ran.out == "#1 user\n  ol\\xe1 \\U0001f30d\n"
    ran = finish(start("history", "s", "--json", "--db", sqlite_url, env=environment))
    assert "olá 🌍" in ran.out


def test_importing_the_engine_imports_no_command_line() -> None:
    check = "import perdure, sys; print({'typer', 'rich', 'perdure.cli'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True)
    assert ran.stdout == b"set()\n"


@pytest.mark.parametrize(
    "first", ["perdure", "perdure.projections", "perdure.projections.audit.store"]
)
def test_either_package_can_be_imported_first(first: str) -> None:
    """As the processes of an audit do, when the script that started them imports neither."""
    subprocess.run([sys.executable, "-c", f"import {first}, perdure.sync, projections"], check=True)


def test_two_imports_of_the_same_file_at_once_record_it_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    path = str(many(tmp_path / "many.jsonl", 100))
    both = [start("import", path, "--archive", "--json", "--db", sqlite_url) for _ in range(2)]
    for process in both:
        ran = finish(process)
        assert (ran.code, ran.document["refused"]) == (0, [])
    report = perdure("audit", "--json", db=sqlite_url).document
    assert (report["ok"], report["sessions"], report["events"]) == (True, 100, 100 * 13)


def test_the_real_transcripts_are_imported_verbatim_and_once(
    sqlite_url: str, real_transcripts: Path
) -> None:
    ran = perdure("import", str(real_transcripts), "--archive", "--json", db=sqlite_url)
    assert ran.code == 0
    assert (ran.document["imported"], ran.document["messages"]) == (150, 3916)
    with real_transcripts.open(encoding="utf-8") as file:
        recorded = {one["id"]: one["messages"] for one in map(json.loads, file)}
    listed = perdure("ls", "--phase", "archived", "--json", db=sqlite_url).document
    assert len(listed) == 150
    assert sum(one["message_count"] for one in listed) == 3916
    for session in listed:
        messages = recorded[session["session_id"]]
        compact = json.dumps(messages, separators=(",", ":"), ensure_ascii=False).encode()
        assert session["conversation_digest"] == hashlib.sha256(compact).hexdigest()
    heads = perdure("head", "--json", db=sqlite_url).out
    again = perdure("import", str(real_transcripts), "--archive", "--json", db=sqlite_url)
    assert (again.code, again.document["unchanged"], again.document["events"]) == (0, 150, 0)
    assert perdure("head", "--json", db=sqlite_url).out == heads
    assert perdure("audit", db=sqlite_url).code == 0
