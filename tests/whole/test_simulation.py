"""Whole runs of many engines on one database, drawn from a seed: what is promised holds in each.

`make thorough` runs more seeds than `make test`, and `make soak` very many more. A failure names
the command that replays it.
"""

import collections
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from perdure.aggregates import SessionEvent
from tests.simulation.seeds import SHORT_STEPS, Report, run, short_run
from tests.simulation.verbs import VERBS
from tests.support.thorough import few_of

SEEDS = 240
SLICES = [range(start, start + 30) for start in range(0, SEEDS, 30)]
MET = (
    "crash at an await",
    "crash before a commit",
    "crash after a commit",
    "a commit failed",
    "a fenced owner was refused",
    "a process stood still",
    "a clock jumped",
    "derived data was cleared",
    "an engine was closed",
    "a changed byte was found",
    "a snapshot compared",
    "a cancellation was ignored",
    "retry of what is recorded",
    "followed",
    "terminal Completed",
    "terminal NoPendingBoundary",
    "terminal CallbackPending",
    "terminal Failed",
    "terminal Cancelled",
    "terminal OwnerLost",
    "apply_turn: cancelled",
    "apply_turn: AT_CAPACITY",
    "apply_turn: CALLS_UNRESOLVED",
    "apply_turn: ENGINE_CLOSED",
    "apply_turn: ILLEGAL_TRANSITION",
    "apply_turn: NO_AGENT",
    "apply_turn: SESSION_BUSY",
    "apply_turn: SESSION_NOT_FOUND",
    "apply_turn: STALE_WRITER",
    "record_turn: SESSION_BUSY",
    "retry: CONFLICT",
    "ingest: ILLEGAL_TRANSITION",
    "abandon_input: INPUT_NOT_QUEUED",
    "stage_tool_results: CALL_NOT_OPEN",
    "interrupt: SESSION_NOT_RUNNING",
    "recover: SESSION_BUSY",
    "interrupt: AUTHORITY_REQUIRED",
    "cancel_after_boundary: AUTHORITY_REQUIRED",
    "interrupt_with_a_forged_token: AUTHORITY_REQUIRED",
    "checkpoint_committed: CONFLICT",
    "a stale snapshot was handed over",
    "a session was drained",
    "a fork was asked for again",
    "a live event was heard",
    "live events were missed",
    "a subscriber took no more",
    "a subscriber went on elsewhere",
    "a copy was discarded",
    "a copy in use was not discarded",
)
"""What a hundred runs must have met between them, or they prove little."""


def _failures(reports: list[Report]) -> list[str]:
    return [f"{one.violation}; replay it: {one.command}" for one in reports if one.violation]


@pytest.mark.parametrize(
    "seeds", few_of(SLICES, SLICES[:1]), ids=lambda seeds: f"from-{seeds.start}"
)
def test_g1_to_g9_hold_in_every_run(seeds: range) -> None:
    assert _failures([run(seed) for seed in seeds]) == []


@pytest.mark.parametrize("apart", few_of([7, 71], [71]))
def test_g9_a_process_may_die_at_any_await_of_a_run(apart: int) -> None:
    """The same short run again and again, and each time the process dies some awaits later.

    Beginning with any of the first; `make soak` tries each await.
    """
    whole = short_run()
    reports = [
        run(whole.seed, steps=SHORT_STEPS, crash_at=tick)
        for tick in range(1 + secrets.randbelow(apart), whole.seen["ticks"], apart)
    ]
    assert _failures(reports) == []
    assert sum(report.seen["crash at an await"] for report in reports) > len(reports) / 2


@pytest.mark.parametrize("seed", few_of([3, 4, 5], [3]))
def test_a_seed_is_the_same_run_every_time_to_the_last_byte(seed: int) -> None:
    first, again = run(seed), run(seed)
    assert first.events > 0
    assert (first.digest, first.seen) == (again.digest, again.seen)


def test_a_seed_is_the_same_run_in_another_process() -> None:
    folder = Path(__file__).parents[2]
    told = set()
    for hashing in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "6", "--quiet"],
            cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        )
        told.add(ran.stdout)
    assert told == {f"seed 6: {run(6).events} events, {run(6).digest}\n"}


@pytest.mark.thorough
def test_the_runs_together_try_everything() -> None:
    seen: collections.Counter[str] = collections.Counter()
    for seed in range(1000, 1120):
        seen += run(seed).seen
    untold = [name for name in VERBS if not seen[f"{name}: told"]]
    assert untold == ["interrupt_with_a_forged_token"]
    assert [what for what in MET if not seen[what]] == []
    events = {str(event.__struct_config__.tag) for event in get_args(SessionEvent)}
    assert {tag for tag in events if not seen[tag]} == set()
