"""The benchmark runs: small, without its peers, and without asking how fast anything was."""

import asyncio
import contextlib
import re
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("bench.registry", reason="no benchmark beside these tests")

from bench import __main__ as command
from bench import machine, plot, profiling, results
from bench.contenders import CONTENDERS, load
from bench.coordinator import Contest, Failed, Worker
from bench.items import append, decision, listing
from bench.registry import ITEMS
from bench.report import Budget, budget_table, durability
from bench.results import Kept
from bench.setup import Setup
from bench.standing import standing
from bench.workload import MESSAGE_BYTES, ROW_BYTES, TURN, session_id
from perdure.machines import SESSION

CHEAP = ("append", "history", "decision")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """What the cheap items find in a quick run without peers, which takes ten seconds."""
    where = tmp_path_factory.mktemp("bench")
    kept, failed = command.run(CHEAP, quick=True, peers=False, where=where)
    assert failed == []
    assert (where / "complaints.txt").read_text() == ""
    return {one.name: one for one in kept}


@pytest.mark.thorough
def test_every_item_that_was_asked_for_has_its_tables(found: dict[str, Kept]) -> None:
    assert list(found) == list(CHEAP)
    for one in found.values():
        for table in one.report.tables:
            assert table.rows
            assert all(len(row) == len(table.columns) for row in table.rows)


@pytest.mark.thorough
def test_perdure_is_measured_at_the_durability_it_promises(found: dict[str, Kept]) -> None:
    rows = {row[0]: row for row in found["append"].report.tables[0].rows}
    assert rows["perdure, full"][1] == "wal, FULL"
    assert rows["perdure, normal"][1] == "wal, NORMAL (weaker)"
    assert rows["raw sqlite3 rows"][1] == "wal, FULL"


@pytest.mark.thorough
def test_a_contender_that_is_not_there_is_listed_with_the_reason(found: dict[str, Kept]) -> None:
    rows = {row[0]: row for row in found["append"].report.tables[0].rows}
    peers = [name for name in append.CONTENDERS if CONTENDERS[name].environment == "peers"]
    assert peers
    for name in peers:
        assert rows[CONTENDERS[name].label][1] == "absent: peers were not asked for"


def test_a_contender_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    with (tmp_path / "complaints.txt").open("wb") as complaints:
        setup = Setup(tmp_path, complaints, quick=True, peers=False)
        with Contest(setup, "failing", ("raw-full", "raw-log")) as contest:
            for worker in contest.round():
                with contest.attempt(worker):  # a log that nobody made has no rows to read
                    worker.ask("grow", session="s", turns=2, seconds=1)
            assert contest.names() == ["raw-full"]
            assert "NotImplementedError" in contest.absent["raw-log"]


def test_a_worker_without_its_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.setup.PEERS", tmp_path / "nothing")
    with (tmp_path / "complaints.txt").open("wb") as complaints:
        setup = Setup(tmp_path, complaints)
        with pytest.raises(Failed, match="environment is not there"):
            Worker(setup, "dbos", tmp_path / "dbos.db")


@pytest.mark.parametrize(
    ("mode", "level", "shown"),
    [
        ("wal", "FULL", "wal, FULL"),
        ("wal", "EXTRA", "wal, EXTRA"),
        ("wal", "NORMAL", "wal, NORMAL (weaker)"),
        ("delete", "OFF", "delete, OFF (weaker)"),
        ("delete", "FULL", "delete, FULL (unequal)"),
        ("delete", "EXTRA", "delete, EXTRA"),
    ],
)
def test_unequal_durability_is_marked(mode: str, level: str, shown: str) -> None:
    assert durability({"journal_mode": mode, "synchronous": level}) == shown


def test_a_listing_is_asked_for_what_many_few_and_no_sessions_have() -> None:
    found = {
        name: listing._matching(100_000, **filters) for name, filters in listing.FILTERS.items()
    }
    assert {name for name, count in found.items() if count == 0} == {
        name for name in found if name.startswith("none: ")
    }
    assert {name for name, count in found.items() if 0 < count < listing.PAGE} == {
        "rare: by label and phase"
    }


def test_labels_of_a_listing_do_not_tell_the_phase() -> None:
    """Each combination of labels is retired as often as any other, and idle ten times as often."""
    retired: dict[str, int] = {}
    for n in range(len(listing.LABELS) * listing.RETIRED_EACH):
        labels = str(sorted(listing.LABELS[n % len(listing.LABELS)].items()))
        retired.setdefault(labels, 0)
        retired[labels] += n % listing.RETIRED_EACH == 0
    times = {str(sorted(one.items())): 0 for one in listing.LABELS}
    for one in listing.LABELS:
        times[str(sorted(one.items()))] += 1
    assert retired == times


@pytest.mark.thorough
def test_every_verb_is_decided_where_it_is_allowed(found: dict[str, Kept]) -> None:
    moves = decision._moves()
    assert {verb for verb, _ in moves} == {verb.name for verb in SESSION.verbs}
    assert ("begin_run", "retired") in moves
    assert ("begin_run", "stopped") not in moves
    rows = [row[0].partition(",")[0] for row in found["decision"].report.tables[0].rows]
    assert len([row for row in rows if row.startswith("refused: ")]) == 2
    assert {verb.name for verb in SESSION.verbs} <= set(rows)


@pytest.mark.thorough
def test_a_history_page_is_asked_of_a_live_session_and_of_a_fresh_process(
    found: dict[str, Kept],
) -> None:
    rows = [row[0] for row in found["history"].report.tables[0].rows]
    assert rows[:2] == ["perdure, full, live", "perdure, full, in a fresh process"]
    assert [one.what.rpartition(", ")[2] for one in found["history"].report.budgets] == [
        "live",
        "in a fresh process",
    ]


@pytest.mark.thorough
def test_a_turn_is_set_beside_a_raw_commit_with_the_copying_of_the_log_too(
    found: dict[str, Kept],
) -> None:
    lines = [one.what for one in found["append"].report.budgets]
    assert [line for line in lines if "sustained" in line] == [
        f"the same at `{level}`, sustained: the mean of 180 turns in a row, with all copying of "
        "the log"
        for level in ("full", "normal")
    ]


def test_a_tree_that_was_changed_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"rev-parse": "1234567", "status": " M engine/errors.py"}
    monkeypatch.setattr(machine, "_git", lambda verb, *_: answers[verb])
    assert machine._revision() == "commit 1234567 with changes that are not committed"
    answers["status"] = ""
    assert machine._revision() == "commit 1234567"
    answers["rev-parse"] = ""
    assert machine._revision() == "no commit"


def test_the_budgets_are_one_table_that_says_what_is_not_met() -> None:
    budgets = [Budget("a", "at most 2x", "1.50x", met=True), Budget("b", "1", "3", met=False)]
    assert budget_table(budgets).splitlines()[2:] == [
        "| a | at most 2x | 1.50x | yes |",
        "| b | 1 | 3 | **no** |",
    ]


def test_a_peer_that_costs_less_is_in_bold() -> None:
    figures: dict[str, dict[str, Any]] = {
        "append": {
            "latency": {
                "perdure, full": {"0": 1.0, "10": 1.0},
                "OpenAI Agents SQLiteSession": {"0": 2.0, "10": 0.5},
            },
            "written": {"perdure, full": {"10": 1.0}},
            "on disk": {"perdure, full": {"10": 1.0}},
            "durability": {"OpenAI Agents SQLiteSession": "wal, FULL"},
            "reached": {},
        },
        "concurrent": {
            "perdure, full": {"64": 10.0, "512": 10.0},
            "OpenAI Agents SQLiteSession": {"64": 5.0, "512": 20.0},
        },
        "resume": {"10": {"perdure, with snapshot": 1.0, "OpenAI Agents SQLiteSession": 3.0}},
    }
    table = standing(figures)
    assert table is not None
    (row,) = table.rows
    assert row[1:7] == ["wal, FULL", "2.00x", "**0.50x**", "2.00x", "**0.50x**", "3.00x"]
    assert standing({"append": figures["append"]}) is None


def test_a_peer_that_was_not_asked_or_came_less_far_is_said_to_be_that() -> None:
    figures: dict[str, dict[str, Any]] = {
        "append": {
            "latency": {
                "perdure, full": {"0": 1.0, "5": 2.0, "10": 4.0},
                "DBOS": {"0": 2.0, "5": 6.0},
                "DBOS, file put into WAL": {"0": 2.0, "5": 6.0, "10": 8.0},
            },
            "written": {"perdure, full": {"5": 2.0, "10": 1.0}, "DBOS": {"5": 1.0}},
            "on disk": {"perdure, full": {"5": 2.0, "10": 1.0}},
            "durability": {"DBOS": "delete, FULL", "DBOS, file put into WAL": "wal, FULL"},
            "reached": {"DBOS": {"0": 0, "5": 4}},
        },
        "concurrent": {"perdure, full": {"64": 10.0, "512": 10.0}},
        "resume": {
            "5": {"perdure, with snapshot": 1.0, "DBOS, file put into WAL": 3.0},
            "10": {"perdure, with snapshot": 1.0},
        },
    }
    table = standing(figures)
    assert table is not None
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["DBOS"]["a turn at 10"] == "3.00x (at 4)"
    assert rows["DBOS"]["bytes written at 10"] == "**0.50x** (at 4)"
    assert rows["DBOS"]["resume 5 turns"] == rows["DBOS"]["resume 10 turns"] == "not measured"
    assert rows["DBOS, file put into WAL"]["resume 5 turns"] == "3.00x"
    assert rows["DBOS, file put into WAL"]["resume 10 turns"] == "not reached"


@pytest.mark.thorough
def test_items_of_several_runs_are_not_said_to_be_of_one(found: dict[str, Kept]) -> None:
    one, *others = found.values()
    assert len(results.measured([one, *others])) == 2
    later = msgspec.structs.replace(one, machine=[*one.machine, "commit 1234567"])
    lines = results.measured([later, *others])
    assert [line for line in lines if line.startswith("Measured on")] == [
        f"Measured on {one.at[:10]} ({later.name}):",
        f"Measured on {one.at[:10]} ({', '.join(other.name for other in others)}):",
    ]


async def _recorded_bytes(path: Path) -> int:
    contender = load("perdure-normal", path)
    await contender.open()
    await contender.begin(session_id("counted"))
    for _ in range(100):
        await contender.record(session_id("counted"), TURN)
    await contender.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute(
            "SELECT length(state) FROM stored_events ORDER BY position DESC LIMIT 1"
        ).fetchone()
    return int(found)


def test_a_raw_row_has_the_bytes_of_perdures(tmp_path: Path) -> None:
    assert MESSAGE_BYTES == 1662
    assert abs(asyncio.run(_recorded_bytes(tmp_path / "some.db")) - ROW_BYTES) <= 5


def test_the_bytes_of_a_turn_are_those_of_the_point_they_are_told_for(tmp_path: Path) -> None:
    with (tmp_path / "complaints.txt").open("wb") as complaints:
        setup = Setup(tmp_path, complaints, quick=True, peers=False)
        with Contest(setup, "sized", ("full-snapshots",)) as contest:
            append._sizes(contest, {"full-snapshots": {100: 100}}, setup)
            with contextlib.closing(sqlite3.connect(tmp_path / "sized-full-snapshots.db")) as file:
                found = dict(file.execute("SELECT id, length(state) FROM sessions"))
    assert found == {
        session_id("bytes-0"): 20 * (MESSAGE_BYTES + 1) + 1,
        session_id("bytes-1"): 20 * (MESSAGE_BYTES + 1) + 1,
        session_id("sized-100"): 120 * (MESSAGE_BYTES + 1) + 1,
    }


@pytest.mark.thorough
def test_the_picture_is_an_svg_with_every_contender_that_took_part(found: dict[str, Kept]) -> None:
    drawn = plot.draw(found["append"].report.figures)
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    assert root.tag.endswith("svg")
    words = "".join(root.itertext())
    assert "perdure, full" in words
    assert "whole session each turn (naive)" in words


@pytest.mark.thorough
def test_the_picture_ends_a_line_where_its_session_did(found: dict[str, Kept]) -> None:
    figures = dict(found["append"].report.figures)
    drawn = plot.draw(figures)
    name = "whole session each turn (naive)"
    figures["reached"] = {**figures["reached"], name: {**figures["reached"][name], "200": 110}}
    shorter = plot.draw(figures)
    ends = [
        re.findall(rf'([\d.]+),[\d.]+" fill="none" stroke="{plot.COLOURS[name]}"', one)
        for one in (drawn, shorter)
    ]
    assert len(ends[0]) == len(ends[1]) > 0
    assert all(float(after) < float(before) for before, after in zip(*ends, strict=True))


@pytest.mark.thorough
def test_results_can_be_kept_and_read_again(found: dict[str, Kept]) -> None:
    for one in found.values():
        assert msgspec.json.decode(msgspec.json.encode(one), type=Kept) == one
    assert "### Budgets" in results.text(list(found.values()))


def test_the_page_has_the_marks_that_the_benchmark_writes_between() -> None:
    page = results.PAGE.read_text("utf-8")
    assert page.count(results.BEGIN) == page.count(results.END) == 1
    sections = set(re.findall(r"^### (.+)$", page, re.MULTILINE))
    assert sections - {item.title for item in ITEMS} == {"Beside its peers", "Budgets"}


async def _profiles(folder: Path) -> list[str]:
    return [
        await profiling.a_turn(folder, turns=200),
        await profiling.many_turns(folder, each=5),
        await profiling.a_resume(folder, turns=100, times=3),
        await profiling.an_audit(folder, sessions=2, turns=100),
    ]


def test_a_profile_tells_layers_and_lines_of_the_project(tmp_path: Path) -> None:
    profiles = asyncio.run(_profiles(tmp_path))
    assert [text.partition(":")[0] for text in profiles] == [
        "a durable turn, one session at full",
        "a durable turn, 64 sessions at full",
        "a resume of 100 turns, with snapshot",
        "an audit",
    ]
    assert "main thread: " in "".join(profiles)
    assert "perdure.store" in "".join(profiles)


def test_every_contender_of_this_environment_can_be_loaded(tmp_path: Path) -> None:
    for name, entry in CONTENDERS.items():
        if entry.environment == "project":
            assert load(name, tmp_path / "some.db").path == tmp_path / "some.db"
