"""The engines agree with each other, and with the plainest search, on models nobody wrote."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from perdure.machines import SESSION, Model, Report, check
from perdure.machines.checker.check import MEMORY_BYTES, report_of
from perdure.machines.checker.liveness import LongRun
from perdure.machines.checker.program import compile_model
from perdure.machines.checker.search import Budget, search
from perdure.machines.checker.search_numpy import NumpySearch
from tests.support.random_models import Plainest, models
from tests.support.thorough import few_of

ROOT = Path(__file__).resolve().parents[2]


def verdicts(report: Report) -> dict[str, int]:
    """Return what is violated, and how many steps it takes."""
    return {
        violation.property.split(" within")[0]: len(violation.path) - 1
        for violation in report.violations
    }


def agrees(report: Report, plainest: Plainest) -> None:
    assert (report.states, report.transitions, report.depth) == plainest.counts
    assert verdicts(report) == plainest.violations()
    assert set(report.unwitnessed) == plainest.unwitnessed()
    unfired = {str(plainest.model.actions[n]) for n in plainest.unfired}
    assert set(report.unfired) == unfired | set(plainest.model.impossible)
    assert report.ok != bool(report.violations or report.unfired or report.unwitnessed)


@pytest.mark.parametrize("examples", few_of([15, 100], [15]))
def test_every_engine_finds_what_the_plainest_search_finds(examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(model=models())
    def compared(model: Model) -> None:
        report = check(model, numpy="never")
        agrees(report, Plainest(model))
        assert check(model, numpy="auto") == report
        assert check(model, numpy="always") == report

    compared()


@pytest.mark.parametrize("examples", few_of([5, 40], [5]))
@pytest.mark.parametrize("largest", [1, 4, 4096])
@pytest.mark.parametrize("memory_bytes", [0, MEMORY_BYTES])
def test_however_states_are_packed_and_marked_the_answer_is_the_same(
    largest: int, memory_bytes: int, examples: int
) -> None:
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(model=models())
    def compared(model: Model) -> None:
        however_packed(model, largest, memory_bytes)

    compared()


def however_packed(model: Model, largest: int, memory_bytes: int) -> None:
    program = compile_model(model, model.properties, largest)
    by_level = NumpySearch(program, memory_bytes, piece=3)
    for wide in (1, 3):
        found = search(program, Budget(10**6, MEMORY_BYTES), by_level, wide)
        long_run = LongRun(program, found, by_level)
        agrees(report_of(program, found, model.properties, long_run), Plainest(model))
        by_level = NumpySearch(program, memory_bytes, piece=3)
    found = search(program, Budget(10**6, MEMORY_BYTES))
    agrees(report_of(program, found, model.properties, LongRun(program, found)), Plainest(model))


def test_without_numpy_the_checker_gives_the_same_report() -> None:
    script = (
        "import sys; sys.modules['numpy'] = None\n"
        "from perdure.machines import SESSION, check\n"
        "print(check(SESSION)); print(check(SESSION, instances=2, properties=()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout == f"{check(SESSION)}\n{check(SESSION, instances=2, properties=())}\n"


def test_numpy_cannot_be_asked_for_where_there_is_none() -> None:
    script = (
        "import sys; sys.modules['numpy'] = None\n"
        "from perdure.machines import SESSION, check\n"
        "check(SESSION, numpy='always')"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert "Unsupported: this needs numpy: install perdure[check]" in run.stderr
