"""Backup and restore: a verified copy of one moment that overwrites nothing; empty audits."""

import contextlib
import json
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from perdure import StoreError
from perdure.cli.application import application
from perdure.projections import audit_store
from perdure.store import open_store
from perdure.store.sqlite.recorder import SQLiteRecorder
from perdure.sync import Engine
from tests.support.processes import message


def perdure(*arguments: str | Path) -> Any:
    """Run the command in this process."""
    return CliRunner().invoke(application(), [str(one) for one in arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.db"
    with Engine.open(f"sqlite:///{path}") as engine:
        for name in ("a", "b"):
            engine.register(name)
            engine.record_turn(name, [message("hello")], run_id="r")
    return path


def heads(path: Path) -> str:
    return str(perdure("head", "--json", "--db", f"sqlite:///{path}").stdout)


def test_a_backup_is_restored_to_the_same_heads(path: Path, tmp_path: Path) -> None:
    copy, again = tmp_path / "copy.db", tmp_path / "again.db"
    made = perdure("backup", copy, "--db", f"sqlite:///{path}", "--json")
    assert made.exit_code == 0
    told = json.loads(made.stdout)
    assert (told["file"], told["bytes"]) == (str(copy), copy.stat().st_size)
    assert (told["audit"]["ok"], told["audit"]["sessions"]) == (True, 2)
    restored = perdure("restore", copy, "--db", f"sqlite:///{again}")
    assert restored.exit_code == 0
    assert "everything holds" in restored.stdout
    assert heads(again) == heads(path)
    with Engine.open(f"sqlite:///{again}") as engine:
        engine.record_turn("a", [message("it goes on")])
        assert engine.audit().ok


def test_a_backup_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    for name in ("there.db", "there.db-wal"):
        (tmp_path / name).write_text("mine")
        refused = perdure("backup", tmp_path / "there.db", "--db", f"sqlite:///{path}")
        assert refused.exit_code == 1
        assert "already" in refused.stderr
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    refused = perdure("restore", path, "--db", f"sqlite:///{path}")
    assert (refused.exit_code, "already" in refused.stderr) == (1, True)


def test_a_folder_that_is_not_there_is_named(path: Path, tmp_path: Path) -> None:
    refused = perdure("backup", tmp_path / "no" / "x.db", "--db", f"sqlite:///{path}")
    assert (refused.exit_code, "does not exist" in refused.stderr) == (1, True)


def test_a_copy_is_of_one_moment_while_others_write(path: Path, tmp_path: Path) -> None:
    copying, stop = threading.Event(), threading.Event()

    def write() -> None:
        with Engine.open(f"sqlite:///{path}", durability="normal") as engine:
            n = 0
            while not stop.is_set():
                engine.record_turn("a", [message("x" * 5000)], run_id=f"w-{n}")
                n += 1
                if n == 300:
                    copying.set()

    writer = threading.Thread(target=write)
    writer.start()
    copying.wait(60)
    target = tmp_path / "copy.db"
    with contextlib.closing(SQLiteRecorder(path, readonly=True)) as recorder:
        before = recorder.last_version("a") or 0
        partial = recorder.copy_to(target)
    stop.set()
    writer.join()
    assert not target.exists()  # it has no name until it was verified
    with contextlib.closing(open_store(f"sqlite:///{partial}", readonly=True)) as store:
        report = audit_store(store)
        assert (store.recorder.last_version("a") or 0) >= before
    assert report.ok
    assert report.sessions == 2


def test_a_copy_has_no_lease_of_an_engine_that_does_not_drive_it(
    path: Path, tmp_path: Path
) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO leases VALUES ('e', 'h', '2999-01-01T00:00:00.000000Z')")
    assert perdure("backup", tmp_path / "c.db", "--db", f"sqlite:///{path}").exit_code == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "c.db")) as connection:
        assert connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)


def test_a_copy_that_fails_leaves_nothing_behind(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("perdure.cli.commands.backup.audit_store", fail)
    folder = tmp_path / "backups"
    folder.mkdir()
    assert perdure("backup", folder / "c.db", "--db", f"sqlite:///{path}").exit_code == 130
    assert list(folder.iterdir()) == []


def test_a_copy_of_a_damaged_log_is_made_and_said_to_be_damaged(path: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE stored_events SET state = x'00' WHERE position = 2")
    made = perdure("backup", tmp_path / "c.db", "--db", f"sqlite:///{path}")
    assert (made.exit_code, "finding" in made.stdout) == (1, True)
    assert (tmp_path / "c.db").exists()


def test_an_audit_of_nothing_says_so_and_is_no_clean_bill(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    engine = Engine.open(f"sqlite:///{path}")
    engine.register("s")
    shutil.copy(path, tmp_path / "without-its-log.db")  # which alone holds the session
    engine.close()
    ran = perdure("audit", "--db", f"sqlite:///{tmp_path / 'without-its-log.db'}")
    assert ran.exit_code == 3
    assert ran.stdout == "nothing was audited: the database holds no session\n"


def test_an_audit_says_how_many_heads_it_compared(path: Path, tmp_path: Path) -> None:
    exported, emptied = tmp_path / "heads.json", tmp_path / "emptied.json"
    exported.write_text(heads(path))
    emptied.write_text("[]")
    ran = perdure("audit", "--head", exported, "--db", f"sqlite:///{path}")
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (0, "compared 2 exported heads")
    ran = perdure("audit", "a", "--head", exported, "--db", f"sqlite:///{path}")
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (0, "compared 1 exported heads")
    ran = perdure("audit", "--head", emptied, "--db", f"sqlite:///{path}", "--json")
    assert (ran.exit_code, json.loads(ran.stdout)["heads"]) == (3, 0)


def test_a_file_that_was_never_a_database_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database")
    with pytest.raises(StoreError):
        SQLiteRecorder(tmp_path / "x.db", readonly=True)
    ran = perdure("backup", tmp_path / "y.db", "--db", f"sqlite:///{tmp_path / 'x.db'}")
    assert (ran.exit_code, (tmp_path / "y.db").exists()) == (1, False)
