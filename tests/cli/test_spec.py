"""The spec command: the files that it writes and compares, and its refusals."""

import sys
from pathlib import Path

import pytest

from tests.support.command import perdure

MINE = """
from perdure.machines import Flag, Machine, Var, row

APPROVAL = Machine(
    name="approval",
    phases=("draft", "approved"),
    initial="draft",
    final=("approved",),
    variables=(Flag("read"),),
    rows=(
        row("read", "draft", updates={"read": True}),
        row("approve", "draft", "approved", guard=Var("read")),
    ),
)
"""


@pytest.mark.thorough
def test_everything_is_written_and_then_is_as_it_should_be(tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    ran = perdure("spec", "--check", "--folder", str(folder))
    assert ran.code == 1
    assert f"{folder}/README.md: missing" in ran.out.splitlines()
    assert not folder.exists()
    assert perdure("spec", "--folder", str(folder)).code == 0
    ran = perdure("spec", "--check", "--folder", str(folder))
    assert (ran.code, ran.err) == (0, "")
    assert "as they should be" in ran.out


@pytest.mark.thorough
def test_a_comparison_names_each_file_that_differs_and_changes_none(tmp_path: Path) -> None:
    perdure("spec", "--folder", str(tmp_path))
    changed = tmp_path / "machines" / "session" / "Session.tla"
    changed.write_text(changed.read_text().replace("UNCHANGED vars", "TRUE", 1))
    (tmp_path / "stray.txt").touch()
    before = changed.read_bytes()
    ran = perdure("spec", "--check", "--folder", str(tmp_path))
    assert ran.code == 1
    assert ran.out.splitlines()[:2] == [f"{changed}: differs", f"{tmp_path}/stray.txt: left over"]
    assert changed.read_bytes() == before
    document = perdure("spec", "--check", "--folder", str(tmp_path), "--json").document
    assert not document["ok"]
    assert [one["path"] for one in document["drift"]] == [
        "machines/session/Session.tla",
        "stray.txt",
    ]
    ran = perdure("spec", "--folder", str(tmp_path))
    assert (ran.code, (tmp_path / "stray.txt").exists()) == (0, True)
    assert ran.out.endswith("of which 1 changed\n")


def test_one_machine_is_written_alone(tmp_path: Path) -> None:
    assert perdure("spec", "gate", "--folder", str(tmp_path)).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["machines"]
    assert perdure("spec", "gate", "--check", "--folder", str(tmp_path)).code == 0


def test_a_machine_of_ones_own_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "approvals_of_mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    assert perdure("spec", "approvals_of_mine:APPROVAL", "--folder", "out").code == 0
    page = (tmp_path / "out" / "machines" / "approval" / "contract.md").read_text()
    assert "`perdure spec approvals_of_mine:APPROVAL`" in page
    assert (tmp_path / "out" / "machines" / "approval" / "Approval.tla").is_file()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sessoin", "there is no machine 'sessoin'"),
        ("no_such_module:X", "cannot be imported"),
        ("perdure.machines:NOTHING", "has no 'NOTHING'"),
        ("perdure.machines:LIFECYCLE", "is no machine: its type is Authority"),
        ("perdure.machines:", "has no ''"),
        ("quits_of_mine:X", "cannot be imported: SystemExit"),
        ("late_of_mine:X", "late_of_mine:X cannot be had: ValueError: not yet"),
    ],
)
def test_what_names_no_machine_is_a_usage_error(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quits_of_mine.py").write_text("raise SystemExit\n")
    late = "def __getattr__(name):\n    if name == 'X':\n        raise ValueError('not yet')\n"
    (tmp_path / "late_of_mine.py").write_text(f"{late}    raise AttributeError(name)\n")
    monkeypatch.syspath_prepend(tmp_path)
    ran = perdure("spec", name)
    assert ran.code == 2
    assert said in " ".join(ran.err.split())


def test_a_folder_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "machines").touch()
    ran = perdure("spec", "gate", "--folder", str(tmp_path))
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert len(ran.err.splitlines()) == 1
    assert f"{tmp_path / 'machines'}" in ran.err


def test_two_machines_of_one_name_do_not_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one_of_mine.py").write_text(MINE)
    (tmp_path / "two_of_mine.py").write_text(MINE.replace('"draft"', '"drawn"'))
    monkeypatch.syspath_prepend(tmp_path)
    names = [f"{one}_of_mine:APPROVAL" for one in ("one", "two")]
    ran = perdure("spec", *names, "--folder", str(tmp_path / "out"))
    assert ran.code == 2
    assert " and ".join(names) + " would be written to the same folder" in " ".join(ran.err.split())
    assert not (tmp_path / "out").exists()


def test_a_machine_that_does_not_hold_is_printed_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = MINE.replace(
        "rows=(\n", 'properties=(Always("never", ~in_phase("approved")),),\n    rows=(\n'
    ).replace("import Flag", "import Always, in_phase, Flag")
    (tmp_path / "broken_of_mine.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    ran = perdure("spec", "broken_of_mine:APPROVAL", "--folder", str(tmp_path / "out"), "--json")
    assert (ran.code, ran.document["holds"]) == (0, False)
    assert "broken_of_mine:APPROVAL does not hold" in ran.err
    ran = perdure("spec", "gate", "--folder", str(tmp_path / "out"), "--json")
    assert (ran.document["holds"], ran.err) == (True, "")
