"""The file under an engine: forked, removed, replaced, given triggers, or placed out of reach."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import Tracking

from perdure import PerdureError, StoreError
from perdure.store import SQLiteRecorder
from perdure.store.recorder import LARGEST_POSITION
from perdure.store.sqlite import schema
from perdure.store.sqlite.connections import CHECKPOINT_BYTES, LOG_BYTES
from perdure.sync import Engine
from tests.support.permissions import opened_by_nobody, shared_folder
from tests.support.processes import message


def record(engine: Engine, name: str) -> int:
    """Record one more turn, and return the version that it brought the session to."""
    engine.record_turn("s", [message(name)], run_id=name)
    return engine.read("s").version


def opened(path: Path, **options: Any) -> Engine:
    return Engine.open(f"sqlite:///{path}", **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one session of one turn."""
    path = tmp_path / "sessions.db"
    with opened(path) as engine:
        engine.register("s")
        record(engine, "before")
    return path


@contextlib.contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that may write anything, the schema too."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        yield connection


# A process that was forked

FORKED = """
import os, sys
from perdure import StoreError
from perdure.sync import Engine

url, way = sys.argv[1:]
engine = Engine.open(url)
if way == "closed":
    engine.close()
if os.fork() == 0:
    try:
        with Engine.open(url, readonly=way == "readonly") as own:
            own.record_turn("s", [{"role": "user", "content": "in the child"}], run_id="child")
            print("recorded", flush=True)
    except StoreError as refusal:
        print("refused:", refusal, flush=True)
        if way == "executes":
            program = (
                "import sys; from perdure.sync import Engine\\n"
                "with Engine.open(sys.argv[1]) as own:\\n"
                "    own.record_turn('s', [{'role': 'user', 'content': 'x'}], run_id='child')\\n"
                "    print('recorded', flush=True)\\n"
            )
            os.execv(sys.executable, [sys.executable, "-c", program, url])
    os._exit(0)
os.wait()
engine.close()
"""


def forked(path: Path, way: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, f"sqlite:///{path}", way]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=90).stdout


@pytest.mark.parametrize("way", ["open", "readonly"])
def test_g2_a_file_that_was_open_at_a_fork_is_refused_in_the_child(path: Path, way: str) -> None:
    told = forked(path, way)
    assert told.startswith(f"refused: {path} was open when this process was forked")
    assert "after the fork" in told
    with opened(path) as engine:
        assert engine.read("s").version == 2


def test_a_file_that_was_closed_before_the_fork_can_be_opened_in_the_child(path: Path) -> None:
    assert forked(path, "closed") == "recorded\n"
    with opened(path) as engine:
        assert engine.read("s").version == 3


def test_a_fork_that_runs_another_program_can_open_the_file(path: Path) -> None:
    assert forked(path, "executes").splitlines()[-1] == "recorded"
    with opened(path) as engine:
        assert engine.read("s").version == 3


# A file that is gone, or another


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.replace(path)


GONE: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "moved away": lambda path: path.rename(path.with_suffix(".old")),
    "replaced by a copy": replace_by_a_copy,
    "without its log": lambda path: Path(f"{path}-wal").unlink(),
    "with another log": lambda path: replace_by_a_copy(Path(f"{path}-wal")),
}


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("how", GONE)
def test_g2_no_turn_is_acknowledged_once_the_file_is_another(
    path: Path, how: str, durability: Any
) -> None:
    engine = opened(path, durability=durability)
    record(engine, "while it was there")
    GONE[how](path)
    for _ in range(2):  # the second time, the run would be found in the file that is gone
        with pytest.raises(StoreError, match=r"(removed|replaced by another) while it was open"):
            engine.record_turn("s", [message("lost")], run_id="lost")
    with pytest.raises(StoreError):
        engine.read("s")
    with contextlib.suppress(PerdureError):
        engine.close()


def test_a_group_of_turns_is_refused_as_a_whole_once_the_file_is_gone(path: Path) -> None:
    recorder = SQLiteRecorder(path)
    path.unlink()
    outcomes = recorder.insert_many([(), ()])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Unacknowledged"] * 2
    recorder.close()


def test_a_subscriber_learns_that_the_file_was_replaced(path: Path) -> None:
    with contextlib.suppress(PerdureError), opened(path) as engine:
        source = engine.subscribe(after="end")
        GONE["replaced by a copy"](path)
        with pytest.raises(StoreError, match="removed or replaced"):
            next(source)


# What SQLite was told to do

IGNORING = "BEFORE INSERT ON stored_events BEGIN SELECT RAISE(IGNORE); END"
PLANTED = {
    "a trigger that drops rows": f"CREATE TRIGGER t {IGNORING}",
    "a trigger that alters rows": (
        "CREATE TRIGGER t AFTER INSERT ON stored_events BEGIN"
        " UPDATE stored_events SET topic = 'x' WHERE position = new.position; END"
    ),
    "a trigger named like the log": f"CREATE TRIGGER stored_events {IGNORING}",
    "a trigger on derived data": (
        "CREATE TRIGGER t AFTER INSERT ON snapshots BEGIN DELETE FROM stored_events; END"
    ),
    "a view": "CREATE VIEW v AS SELECT 1",
    "an index that refuses rows": (
        "CREATE UNIQUE INDEX i ON stored_events(topic) WHERE topic = 'session-archived'"
    ),
    "another table": "CREATE TABLE theirs (a)",
}


def plant(path: Path, what: str) -> None:
    with changing(path) as connection:
        connection.execute(PLANTED[what])


@pytest.mark.parametrize("capital", [False, True], ids=["as created", "in capital letters"])
@pytest.mark.parametrize("what", PLANTED)
def test_a_file_with_what_perdure_does_not_make_is_not_opened_for_writing(
    path: Path, what: str, *, capital: bool
) -> None:
    plant(path, what)
    if capital:
        with changing(path) as connection:
            connection.execute(
                "UPDATE sqlite_master SET type = upper(type)"
                " WHERE name IN ('t', 'v', 'i') OR (name = 'stored_events' AND type = 'trigger')"
            )
            connection.execute("PRAGMA schema_version = 99")
    with pytest.raises(StoreError, match=r"is not as perdure made it: there is an? ") as refusal:
        opened(path)
    assert refusal.value.data["problems"]
    with opened(path, readonly=True) as engine:
        findings = str(engine.audit().findings)
    assert "there is a" in findings


@pytest.mark.parametrize("what", ["a trigger that drops rows", "a trigger that alters rows"])
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_g2_a_trigger_planted_beneath_an_open_engine_acknowledges_nothing(
    path: Path, what: str, durability: Any
) -> None:
    engine = opened(path, durability=durability)
    record(engine, "while all was well")
    plant(path, what)
    with pytest.raises(StoreError, match="a trigger changed the log"):
        engine.record_turn("s", [message("lost")], run_id="lost")
    with pytest.raises(StoreError):
        engine.record_turn("s", [message("lost")], run_id="lost")
    engine.close()


def test_what_analyze_keeps_is_no_change(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("ANALYZE")
    with opened(path) as engine:
        assert engine.audit().ok


def test_names_that_are_no_utf_8_are_named_and_not_a_crash(path: Path) -> None:
    with changing(path) as connection:
        connection.execute("CREATE VIEW v AS SELECT 1")
        connection.execute(
            "UPDATE sqlite_master SET name = CAST(x'76FF' AS TEXT), tbl_name ="
            " CAST(x'76FF' AS TEXT), sql = CAST(x'43524541544520564945572076FF2041532053454C4543"
            "542031' AS TEXT) WHERE name = 'v'"
        )
    with pytest.raises(StoreError) as refusal:
        opened(path)
    str(refusal.value).encode()
    with opened(path, readonly=True) as engine:
        assert not engine.audit().ok
    ran = subprocess.run(
        [sys.executable, "-m", "perdure.cli", "audit", "--db", f"sqlite:///{path}"],
        capture_output=True,
        check=False,
    )
    assert b"bug" not in ran.stderr
    assert ran.returncode == 1


# Where it lies

POSITIONS = [LARGEST_POSITION + 1, 2**63 - 1, -5]


@pytest.mark.parametrize("position", POSITIONS)
def test_a_position_that_no_log_reaches_is_found_and_refuses_appends(
    path: Path, position: int
) -> None:
    with changing(path) as connection:
        connection.execute("UPDATE stored_events SET position = ? WHERE position = 2", (position,))
        if position < 0:
            connection.execute("DELETE FROM stored_events WHERE position = 1")
    with pytest.raises(StoreError, match=f"at position {position}"):
        opened(path)
    with opened(path, readonly=True) as engine:
        report = engine.audit()
    assert not report.ok
    assert str(position) in str(report.findings)


def test_a_position_out_of_reach_that_is_written_beneath_an_open_engine_refuses_appends(
    path: Path,
) -> None:
    engine = opened(path)
    record(engine, "while all was well")
    with changing(path) as connection:
        connection.execute(
            "UPDATE stored_events SET position = 9223372036854775807 WHERE position = 1"
        )
    with pytest.raises(StoreError, match="beyond any that a log can reach"):
        record(engine, "lost")
    engine.close()


def killed(path: Path) -> None:
    """Bring the file to version 3 by an engine that is killed, so that its log alone has it."""
    with opened(path) as engine:
        engine.register("s")
        record(engine, "before")
    program = (
        "import os, sys\nfrom perdure.sync import Engine\n"
        "engine = Engine.open(f'sqlite:///{sys.argv[1]}')\n"
        "engine.record_turn('s', [{'role': 'user', 'content': 'x'}], run_id='r')\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    Path(f"{path}-shm").unlink(missing_ok=True)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder in which every user may read and, but for root, no user may write."""
    with shared_folder() as folder:
        yield folder


def test_a_log_is_not_read_past_its_write_ahead_log(shared: Path) -> None:
    path = shared / "a.db"
    killed(path)
    shared.chmod(0o555)
    _, reading = opened_by_nobody(path)
    assert "a write-ahead log beside it" in reading
    assert "copy both" in reading


def test_nor_is_it_through_a_link_from_another_folder(shared: Path) -> None:
    folder, links = shared / "folder", shared / "links"
    folder.mkdir()
    links.mkdir()
    killed(folder / "a.db")
    (links / "a.db").symlink_to(folder / "a.db")
    folder.chmod(0o555)
    links.chmod(0o555)
    _, reading = opened_by_nobody(links / "a.db")
    assert "a write-ahead log beside it" in reading
    folder.chmod(0o755)
    links.chmod(0o755)
    with opened(links / "a.db", readonly=True) as engine:
        assert engine.read("s").version == 3


def test_nor_is_it_read_past_a_journal(shared: Path) -> None:
    path = shared / "a.db"
    with opened(path) as engine:
        engine.register("s")
    Path(f"{path}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\x00" * 600)
    shared.chmod(0o555)
    _, reading = opened_by_nobody(path)
    assert "a journal beside it" in reading


# Resources

CROWDED = """
import os, resource, sys
from perdure import StoreError
from perdure.sync import Engine

engines = [Engine.open(f"sqlite:///{sys.argv[1]}/{n}.db") for n in range(2)]
for engine in engines:
    engine.register("s")
used = len(os.listdir("/proc/self/fd"))
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
for more in range(24):
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, hard))
    try:
        Engine.open(f"sqlite:///{sys.argv[1]}/more.db").close()
        print("opened")
    except StoreError as refusal:
        print(refusal)
    for n, engine in enumerate(engines):
        engine.record_turn("s", [{"role": "user", "content": "x"}], run_id=f"run-{more}")
for engine in engines:
    assert engine.read("s").version == 25
    engine.close()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs a list of open files")
def test_an_engine_too_many_is_refused_by_name_and_leaves_the_others_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CROWDED, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    told = ran.stdout.splitlines()
    assert told[-1] == "opened"
    assert any("Too many open files" in line for line in told)
    assert any("too many files open" in line for line in told)
    refused = [line for line in told if line != "opened"]
    assert all("oo many" in line for line in refused), refused


def test_the_log_of_a_long_reader_is_cut_once_the_reader_is_gone(path: Path) -> None:
    log = Path(f"{path}-wal")
    with opened(path, durability="normal") as engine:
        record(engine, "first")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM stored_events").fetchone()
            n = 0
            while log.stat().st_size < 2 * LOG_BYTES:
                engine.record_turn("s", [message("x" * 4_000_000)], run_id=f"long-{n}")
                n += 1
        for n in range(24):
            engine.record_turn("s", [message("x" * 4_000_000)], run_id=f"after-{n}")
        assert log.stat().st_size <= LOG_BYTES + 8 * 1024 * 1024


def test_g2_no_connection_can_commit_while_a_write_ahead_log_is_copied(path: Path) -> None:
    """So SQLite's WAL-reset bug, which loses a commit in that moment, has no room."""
    recorder = SQLiteRecorder(path)
    locked: list[bool] = []

    def attempt(statement: str) -> None:
        if "wal_checkpoint" in statement:
            with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
                try:
                    other.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    locked.append(True)
                else:
                    locked.append(False)

    recorder._writer.set_trace_callback(attempt)
    assert recorder._writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    recorder._unsaved_bytes = CHECKPOINT_BYTES
    recorder.insert_tracking(Tracking("p", 1))
    recorder._writer.set_trace_callback(None)
    assert locked == [True]
    assert recorder._unsaved_bytes == 0
    recorder.close()


def test_a_log_that_another_process_keeps_locked_is_copied_later(path: Path) -> None:
    recorder = SQLiteRecorder(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not recorder._connections.checkpoint(recorder._writer)
    assert recorder._connections.checkpoint(recorder._writer)
    recorder.close()


def test_a_new_file_can_give_pages_back_without_being_rewritten(path: Path) -> None:
    with changing(path) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_full_disk_is_called_that_while_a_file_is_made(tmp_path: Path) -> None:
    with contextlib.closing(
        sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    ) as connection:
        connection.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            schema.create(connection, tmp_path / "new.db")
