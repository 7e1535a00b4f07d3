"""`perdure check`: what it prints, what it exits with, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.machines import BUILT_IN

OWN = """
from perdure.machines import *
TOGGLE = Machine(
    name="toggle", phases=("off", "on", "broken"), initial="off", final=("broken",),
    rows=(row("flip", "off", "on"), row("flip", "on", "off"), row("drop", ("off", "on"), "broken")),
    properties=(Always("it is never on", ~in_phase("on")),),
)
SIX = 6
"""


def perdure(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "perdure.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "quits.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "asks.py").write_text("import json\njson.nothing\n")
    (tmp_path / "ill.py").write_text(
        "from perdure.machines import *\n"
        "M = Machine(name='m', phases=(), initial='a', final=(), rows=())"
    )
    return tmp_path


def test_a_built_in_machine_holds_and_exits_with_0(folder: Path) -> None:
    run = perdure("check", "session", cwd=folder)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("checked session: 234 states, ")
    assert run.stdout.endswith("everything holds\n")


def test_the_json_of_one_machine_is_one_object(folder: Path) -> None:
    run = perdure("check", "gate", "--json", cwd=folder)
    document = json.loads(run.stdout)
    assert document["machine"] == "gate"
    assert document["ok"] is True
    assert {"states", "transitions", "depth", "violations", "unfired"} <= set(document)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_without_a_name_all_machines_are_checked(folder: Path, jobs: str) -> None:
    run = perdure("check", "--json", "--jobs", jobs, cwd=folder)
    assert run.returncode == 0, run.stdout + run.stderr
    machines = [document["machine"] for document in json.loads(run.stdout)]
    assert machines[:4] == ["session", "input", "admission", "gate"]


def test_a_machine_of_ones_own_is_found_broken_with_the_shortest_path(folder: Path) -> None:
    run = perdure("check", "own:TOGGLE", cwd=folder)
    assert run.returncode == 1
    assert run.stdout.splitlines() == [
        "violated: it is never on (always: not (phase = on))",
        "  0. initially: phase=off",
        "  1. flip(): phase=on",
        "the last state breaks it",
        "checked toggle: 3 states, 5 transitions, depth 1: not everything holds",
    ]
    run = perdure("check", "own:TOGGLE", "--json", cwd=folder)
    assert run.returncode == 1
    (violation,) = json.loads(run.stdout)["violations"]
    assert violation["path"][1] == {"verb": "flip", "arguments": {}, "state": {"phase": "on"}}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], "there is no machine 'nonsense'"),
        (["nowhere:M"], "'nowhere' cannot be imported: ModuleNotFoundError"),
        (["own:NOTHING"], "own has no 'NOTHING'; it has TOGGLE"),
        (["own:SIX"], "own:SIX is no machine: its type is int"),
        (["ill:M"], "ill cannot be imported: machine 'm'"),
        (["gate", "--graph", "gate.png"], "gate.png ends in none of .dot, .gv, .json"),
        (["--graph", "all.dot"], "a graph is of one machine"),
        (["gate", "--graph", "nowhere/gate.dot"], "nowhere/gate.dot cannot be written"),
        (["--instances", "2"], "instances are of one machine"),
        (["quits:M"], "'quits' cannot be imported: SystemExit: 0"),
        (["asks:M"], "'asks' cannot be imported: AttributeError: module 'json' has no"),
        (["own.TOGGLE"], "did you mean own:TOGGLE?"),
        (["own"], "did you mean own:TOGGLE?"),
        (["gate", "--instances", "0"], "Invalid value for '--instances'"),
    ],
)
def test_misuse_exits_with_2_and_says_why(
    folder: Path, arguments: list[str], complaint: str
) -> None:
    run = perdure("check", *arguments, cwd=folder)
    assert run.returncode == 2
    said = " ".join(run.stderr.replace("│", "").split())
    assert complaint in said
    assert "Traceback" not in run.stderr


def test_a_limit_that_is_met_is_a_failure(folder: Path) -> None:
    run = perdure("check", "session", "--max-states", "100", cwd=folder)
    assert run.returncode == 1
    assert "incomplete: more than 100 states" in run.stdout


def test_symmetry_counts_instances_once(folder: Path) -> None:
    run = perdure("check", "gate", "--instances", "2", "--symmetry", "--json", cwd=folder)
    assert run.returncode == 0, run.stdout
    assert json.loads(run.stdout)["states"] == 6


def test_the_graph_is_written_for_graphviz_and_as_json(folder: Path) -> None:
    assert perdure("check", "own:TOGGLE", "--graph", "t.dot", cwd=folder).returncode == 1
    assert (folder / "t.dot").read_text().splitlines() == [
        'digraph "toggle" {',
        "  rankdir=LR; node [shape=box, fontname=monospace]; edge [fontname=monospace];",
        '  0 [label="phase=off"];',
        '  1 [label="phase=on"];',
        '  2 [label="phase=broken", peripheries=2];',
        '  0 -> 1 [label="flip()"];',
        '  0 -> 2 [label="drop()"];',
        '  1 -> 0 [label="flip()"];',
        '  1 -> 2 [label="drop()"];',
        "}",
    ]
    perdure("check", "own:TOGGLE", "--graph", "t.json", cwd=folder)
    graph = json.loads((folder / "t.json").read_text())
    assert graph["states"][1] == {"state": {"phase": "on"}, "final": False}
    assert graph["steps"][0] == {"source": 0, "target": 1, "verb": "flip", "arguments": {}}


def test_a_graph_that_is_too_large_is_refused(folder: Path) -> None:
    run = perdure("check", "session", "--instances", "2", "--graph", "s.dot", cwd=folder)
    assert run.returncode == 1
    assert run.stdout.startswith("checked session x 2: ")
    assert "s.dot is not written: session x 2 reaches more than 20,000 states" in run.stderr
    assert not (folder / "s.dot").exists()


def test_symmetry_of_all_machines_leaves_out_only_what_it_cannot_be_used_for(folder: Path) -> None:
    run = perdure("check", "--symmetry", "--max-states", "50", "--json", cwd=folder)
    assert [report["machine"] for report in json.loads(run.stdout)] == list(BUILT_IN)
    assert "sessions was checked without symmetry: 'session1: a run ends at last" in run.stderr
    assert "live was checked without" not in run.stderr


def test_symmetry_that_saves_nothing_says_so(folder: Path) -> None:
    run = perdure("check", "gate", "--symmetry", cwd=folder)
    assert (run.returncode, "no parts of gate are interchangeable" in run.stderr) == (0, True)
    run = perdure("check", "gate", "--instances", "2", "--symmetry", cwd=folder)
    assert run.stderr == ""
