"""`perdure check`: its output, exit codes and refusals."""

import json
import sys
from pathlib import Path

import pytest

from perdure.machines import BUILT_IN
from tests.support.command import finish, perdure, start

OWN = """
from perdure.machines import *
TOGGLE = Machine(
    name="toggle", phases=("off", "on", "broken"), initial="off", final=("broken",),
    rows=(row("flip", "off", "on"), row("flip", "on", "off"), row("drop", ("off", "on"), "broken")),
    properties=(Always("it is never on", ~in_phase("on")),),
)
ROOM = Bound("room", 150, 150)
WIDE = Machine(
    name="wide", phases=("on", "off"), initial="on", final=("off",),
    variables=(Count("x", ROOM), Count("y", ROOM)),
    rows=(
        row("widen", "on", guard=Var("x") < ROOM, updates={"x": Var("x") + 1}),
        row("deepen", "on", guard=Var("y") < ROOM, updates={"y": Var("y") + 1}),
        row("end", "on", "off"),
    ),
)
SIX = 6
"""


MODULES = {
    "own": OWN,
    "quits": "import sys\nsys.exit(0)\n",
    "asks": "import json\njson.nothing\n",
    "ill": (
        "from perdure.machines import *\n"
        "M = Machine(name='m', phases=(), initial='a', final=(), rows=())"
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with modules of a user's own; none of them stays imported."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_built_in_machine_holds_and_exits_with_0() -> None:
    run = perdure("check", "session")
    assert run.code == 0, run.err
    assert run.out.startswith("checked session: 234 states, ")
    assert run.out.endswith("everything holds\n")


def test_the_json_of_one_machine_is_one_object() -> None:
    run = perdure("check", "gate", "--json")
    document = json.loads(run.out)
    assert document["machine"] == "gate"
    assert document["ok"] is True
    assert {"states", "transitions", "depth", "violations", "unfired"} <= set(document)


@pytest.mark.thorough
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_without_a_name_all_machines_are_checked(jobs: str) -> None:
    run = perdure("check", "--json", "--jobs", jobs)
    assert run.code == 0, run.out + run.err
    assert [document["machine"] for document in run.document] == list(BUILT_IN)


def test_several_processes_check_all_machines_as_far_as_is_allowed() -> None:
    run = perdure("check", "--json", "--max-states", "50", "--jobs", "2")
    assert run.code == 1
    assert [(one["machine"], one["incomplete"] is None) for one in run.document] == [
        (name, name in ("admission", "gate")) for name in BUILT_IN
    ]


def test_a_machine_of_ones_own_is_found_broken_with_the_shortest_path(folder: Path) -> None:
    run = finish(start("check", "own:TOGGLE", cwd=folder))
    assert run.code == 1
    assert run.out.splitlines() == [
        "violated: it is never on (always: not (phase = on))",
        "  0. initially: phase=off",
        "  1. flip(): phase=on",
        "the last state breaks it",
        "checked toggle: 3 states, 5 transitions, depth 1: not everything holds",
    ]
    run = perdure("check", "own:TOGGLE", "--json")
    assert run.code == 1
    (violation,) = json.loads(run.out)["violations"]
    assert violation["path"][1] == {"verb": "flip", "arguments": {}, "state": {"phase": "on"}}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], "there is no machine 'nonsense'"),
        (["nowhere:M"], "'nowhere' cannot be imported: ModuleNotFoundError"),
        (["own:NOTHING"], "own has no 'NOTHING'; it has TOGGLE, WIDE"),
        (["own:SIX"], "own:SIX is no machine: its type is int"),
        (["ill:M"], "ill cannot be imported: machine 'm'"),
        (["gate", "--graph", "gate.png"], "gate.png ends in none of .dot, .gv, .json"),
        (["--graph", "all.dot"], "a graph is of one machine"),
        (["gate", "--graph", "nowhere/gate.dot"], "nowhere/gate.dot cannot be written"),
        (["--instances", "2"], "instances are of one machine"),
        (["quits:M"], "'quits' cannot be imported: SystemExit: 0"),
        (["asks:M"], "'asks' cannot be imported: AttributeError: module 'json' has no"),
        (["own.TOGGLE"], "did you mean own:TOGGLE?"),
        (["own"], "did you mean own:TOGGLE or own:WIDE?"),
        (["gate", "--instances", "0"], "Invalid value for '--instances'"),
    ],
)
def test_misuse_exits_with_2_and_says_why(arguments: list[str], complaint: str) -> None:
    run = perdure("check", *arguments)
    assert run.code == 2
    said = " ".join(run.err.replace("│", "").split())
    assert complaint in said
    assert "Traceback" not in run.err


def test_a_limit_that_is_met_is_a_failure() -> None:
    run = perdure("check", "session", "--max-states", "100")
    assert run.code == 1
    assert "incomplete: more than 100 states" in run.out


def test_symmetry_counts_instances_once() -> None:
    run = perdure("check", "gate", "--instances", "2", "--symmetry", "--json")
    assert run.code == 0, run.out
    assert json.loads(run.out)["states"] == 6


def test_the_graph_is_written_for_graphviz_and_as_json(folder: Path) -> None:
    assert perdure("check", "own:TOGGLE", "--graph", "t.dot").code == 1
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
    perdure("check", "own:TOGGLE", "--graph", "t.json")
    graph = json.loads((folder / "t.json").read_text())
    assert graph["states"][1] == {"state": {"phase": "on"}, "final": False}
    assert graph["steps"][0] == {"source": 0, "target": 1, "verb": "flip", "arguments": {}}


def test_a_graph_that_is_too_large_is_refused(folder: Path) -> None:
    run = perdure("check", "own:WIDE", "--graph", "w.dot")
    assert run.code == 1
    assert run.out.startswith("checked wide: 45,602 states, ")
    assert "w.dot is not written: wide reaches more than 20,000 states" in run.err
    assert not (folder / "w.dot").exists()


def test_symmetry_of_all_machines_leaves_out_only_what_it_cannot_be_used_for() -> None:
    run = perdure("check", "--symmetry", "--max-states", "50", "--json")
    assert [report["machine"] for report in json.loads(run.out)] == list(BUILT_IN)
    assert "sessions was checked without symmetry: 'session1: a run ends at last" in run.err
    assert "live was checked without" not in run.err


def test_symmetry_that_saves_nothing_says_so() -> None:
    run = perdure("check", "gate", "--symmetry")
    assert (run.code, "no parts of gate are interchangeable" in run.err) == (0, True)
    run = perdure("check", "gate", "--instances", "2", "--symmetry")
    assert run.err == ""
