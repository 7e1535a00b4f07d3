"""The worked example: it checks, its planted bug is found by the shortest way, and it runs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("examples", reason="no examples beside these tests")

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from examples.approval import APPROVAL, LIMIT, NOT_THE_AUTHOR, SECOND, Approval, Refused, amount
from perdure.machines import check
from perdure.testing import machine_test, validate_trace

ROOT = Path(__file__).resolve().parents[2]
BUDGET = settings(
    max_examples=200,
    stateful_step_count=20,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_workflow_keeps_its_promises() -> None:
    report = check(APPROVAL)
    assert report.ok
    assert (report.states, report.transitions, report.depth) == (67, 85, 4)


def test_the_planted_bug_is_found_by_the_shortest_way() -> None:
    rows = list(APPROVAL.all_rows())
    assert rows[3].guard == NOT_THE_AUTHOR & (amount > LIMIT) & SECOND
    rows[3] = msgspec.structs.replace(rows[3], guard=(amount > LIMIT) & SECOND)
    (violation,) = check(msgspec.structs.replace(APPROVAL, rows=tuple(rows))).violations
    assert violation.property == "an author never decides on their own request"
    assert [moment.verb for moment in violation.path] == [None, "submit", "approve", "approve"]


def test_the_implementation_does_what_is_declared() -> None:
    test = machine_test(APPROVAL, Approval, refusals=(Refused,))
    run_state_machine_as_test(test, settings=BUDGET)
    verbs = {verb.name for verb in APPROVAL.verbs}
    assert set(test.accepted) == set(test.refused) == verbs
    assert set(test.taken) == set(APPROVAL.all_rows())


def test_what_it_logs_is_a_path_of_the_machine() -> None:
    request = Approval()
    request.submit("ann", LIMIT.actual + 1)
    request.approve("bob")
    with pytest.raises(Refused):
        request.approve("ann")
    request.approve("cid")
    trace = validate_trace(APPROVAL, request.log)
    assert (trace.ok, trace.events, trace.configuration) == (True, 3, request.observe())


def test_the_page_shows_the_declaration_and_the_implementation_as_they_are() -> None:
    page = (ROOT / "docs" / "lifecycles.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    source = (ROOT / "examples" / "approval.py").read_text("utf-8")
    for name, after in (("approval", "\n\n"), ("approving", "\n\n\n")):
        (shown,) = (block for block in blocks if block.startswith(f"# {name}.py\n"))
        assert shown.split(after, 1)[1].strip() in source
        assert set(_imported(shown)) - {"LARGEST", "LIMIT"} <= set(_imported(source))


def _imported(text: str) -> list[str]:
    return [
        alias.name
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def test_the_command_that_the_examples_name_checks_a_machine_of_ones_own() -> None:
    folder = ROOT / "examples"
    (machine,) = re.findall(r"`perdure check (\S+)`", (folder / "README.md").read_text("utf-8"))
    command = [sys.executable, "-m", "perdure.cli", "check", machine]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "checked approval: 67 states, 85 transitions, depth 4: everything holds" in done.stdout
