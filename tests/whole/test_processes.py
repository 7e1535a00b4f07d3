"""Several processes, or several engines, at one file: one writer at a time, and nothing lost."""

import asyncio
import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from perdure import Engine, StaleWriter
from perdure.sync import Engine as BlockingEngine
from tests.support import processes
from tests.support.processes import message
from tests.support.sessions import receipt_of

TURNS = 500


async def _verify_both(url: str, acknowledged: dict[str, list[list[str]]], turns: int) -> None:
    async with Engine.open(url) as engine:
        report = await engine.audit()
        assert report.findings == []
        assert report.events == 1 + len(acknowledged) * turns
        receipts = await engine.receipts("shared")
        digests = {receipt.run_id: receipt.conversation_digest for receipt in receipts}
        assert len(receipts) == len(digests) == len(acknowledged) * turns
        for name, seen in acknowledged.items():
            assert [run for run, _ in seen] == [f"{name}-{n}" for n in range(turns)]
            assert dict(seen).items() <= digests.items()
            ours = [receipt.run_id for receipt in receipts if receipt.run_id.startswith(name)]
            assert ours == [run for run, _ in seen]
        assert [receipt.message_count for receipt in receipts] == list(range(1, len(receipts) + 1))


def test_g4_two_processes_hammering_one_session_record_every_turn_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    names = ("left", "right")
    writers = [
        processes.start(processes.hammer, url, "shared", name, TURNS, tmp_path / name)
        for name in names
    ]
    for writer in writers:
        processes.finish(writer)
    told = {name: json.loads((tmp_path / name).read_text()) for name in names}
    print({name: told[name]["refusals"] for name in names})  # noqa: T201 - how hard they fought
    asyncio.run(_verify_both(url, {name: told[name]["seen"] for name in names}, TURNS))


def test_g4_two_engines_in_one_process_on_one_file_record_every_turn_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    names = ("left", "right")
    writers = [
        threading.Thread(target=processes.hammer, args=(url, "shared", name, 100, tmp_path / name))
        for name in names
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    told = {name: json.loads((tmp_path / name).read_text())["seen"] for name in names}
    asyncio.run(_verify_both(url, told, 100))


def test_g4_an_expected_version_that_another_process_has_passed_is_stale(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            processes.finish(processes.start(processes.record_one, url, "s", "theirs", "hello"))
            with pytest.raises(StaleWriter) as stale:
                await engine.record_turn("s", [message("mine")], run_id="mine", expected_version=1)
            assert stale.value.data == {
                "session_id": "s",
                "expected_version": 1,
                "actual_version": 2,
            }
            assert (await engine.read("s")).version == 2
            out = await engine.record_turn(
                "s", [message("mine")], run_id="mine", expected_version=2
            )
            assert receipt_of(out).message_count == 2
            # A retry is answered from the log, whatever version it expects.
            again = await engine.record_turn(
                "s", [message("mine")], run_id="mine", expected_version=2
            )
            assert again.duplicate

    asyncio.run(main())


def test_g4_an_idle_copy_that_was_outrun_is_caught_up_before_it_decides(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.record_turn("s", [message("one")], run_id="run-1")
            processes.finish(processes.start(processes.record_one, url, "s", "theirs", "two"))
            out = await engine.record_turn("s", [message("three")], run_id="run-3")
            assert receipt_of(out).message_count == 3
            page = await engine.history("s")
            assert [m["content"] for m in page.messages] == ["one", "two", "three"]

    asyncio.run(main())


def test_g4_nothing_to_do_is_told_only_of_a_copy_that_was_not_outrun(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    with BlockingEngine.open(url) as one, BlockingEngine.open(url) as other:
        one.register("s")
        assert one.checkpoint("s").changed
        other.record_turn("s", [message("hello")])
        again = one.checkpoint("s")
        assert again.changed
        assert (again.version, again.message_count) == (4, 1)
        other.retire("s")
        assert one.retire("s").version == 5
        assert [view.phase for view in one.list()] == ["retired"]


def test_g3_a_run_that_another_process_recorded_is_known_to_an_idle_copy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            processes.finish(processes.start(processes.record_one, url, "s", "run", "hello"))
            out = await engine.record_turn("s", [message("hello")], run_id="run")
            assert out.duplicate
            assert (await engine.read("s")).version == 2

    asyncio.run(main())


def test_g3_a_retry_in_another_process_gets_the_recorded_receipt(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    receiving, sending = processes.pipe()
    with receiving, sending, BlockingEngine.open(url) as engine:
        engine.register("s")
        out = engine.record_turn("s", [message("hello")], run_id="run")
        processes.finish(processes.start(processes.retry_one, url, "s", "run", "hello", sending))
        assert processes.receive(receiving) == (True, receipt_of(out).conversation_digest)
        engine.archive("s")
        processes.finish(processes.start(processes.retry_one, url, "s", "run", "hello", sending))
        assert processes.receive(receiving) == (True, receipt_of(out).conversation_digest)
        assert engine.read("s").message_count == 1


def test_g4_one_archives_while_the_other_writes_and_the_late_write_is_refused(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    with BlockingEngine.open(url) as one, BlockingEngine.open(url) as other:
        one.register("s")
        other.record_turn("s", [message("hello")], run_id="run-1")
        one.archive("s")
        with pytest.raises(Exception, match="it is archived"):
            other.record_turn("s", [message("late")], run_id="run-2")
        assert other.read("s").phase == "archived"
        assert other.read("s").message_count == 1


def test_two_processes_registering_one_session_at_once_both_find_it_registered(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"

    async def main() -> None:
        async with Engine.open(url) as one, Engine.open(url) as other:
            for n in range(50):
                views = await asyncio.gather(one.register(f"s{n}"), other.register(f"s{n}"))
                assert [view.version for view in views] == [1, 1]

    asyncio.run(main())


def test_twenty_pairs_of_processes_create_the_same_new_file_at_once(tmp_path: Path) -> None:
    receiving, sending = processes.pipe()
    with receiving, sending:
        for n in range(20):
            path = tmp_path / f"{n}.db"
            gate = processes.gate(2)
            creators = [
                processes.start(processes.create, f"sqlite:///{path}", gate, sending)
                for _ in range(2)
            ]
            assert [processes.receive(receiving), processes.receive(receiving)] == [None, None]
            for creator in creators:
                processes.finish(creator)
            with closing(sqlite3.connect(path)) as connection:
                count = connection.execute("SELECT count(*) FROM stored_events").fetchone()
            assert count == (2,)
