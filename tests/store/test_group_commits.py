"""Commits that share a transaction are whole, each on its own, and each is told what became of it.

The checker reopens the file and compares it with every answer that was given. Faults planted in the
recorder show that it catches a torn group: rows without their neighbours', answers that are wrong.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from perdure import Engine, PerdureError, StoreError
from perdure.runtime.session import commit_queue as settling
from perdure.store import SQLiteRecorder, StoredRow
from perdure.store.recorder import Outcome
from perdure.store.sqlite import recorder as sqlite
from tests.support.processes import message

SESSIONS = 12
ROUNDS = 5

Answers = dict[tuple[str, str], str]
Insert = Callable[..., list[Outcome] | None]


@pytest.fixture(params=["loop", "thread"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every group the one way or the other, however fast the disk."""
    monkeypatch.setattr(sqlite, "MAX_HURRY_SECONDS", math.inf if request.param == "loop" else -1)
    monkeypatch.setattr(settling, "MAX_GATHERED", 1000 if request.param == "loop" else 4)


async def answers_of(url: str, plant: Callable[[], None]) -> Answers:
    """Return the answers to turns, and to archivings, of many sessions at once."""
    answers: Answers = {}

    async def ask(session_id: str, what: str, verb: Any) -> None:
        try:
            await verb
        except PerdureError:
            answers[session_id, what] = "refused"
        else:
            answers[session_id, what] = "landed"

    async with Engine.open(url) as engine:
        names = [f"s{n}" for n in range(SESSIONS)]
        for name in names:
            await engine.register(name)
            await engine.record_turn(name, [message("warm")], run_id="warm")
        plant()
        for turn in range(ROUNDS):
            run_id = f"run-{turn}"
            turns = [
                ask(name, run_id, engine.record_turn(name, [message(name)], run_id=run_id))
                for name in names
            ]
            await asyncio.gather(*turns)
        await asyncio.gather(*(ask(name, "archive", engine.archive(name)) for name in names))
    return answers


async def problems_of(url: str, answers: Answers) -> list[str]:
    """Return every difference between the file and the answers."""
    async with Engine.open(url) as engine:
        problems = [finding.detail for finding in (await engine.audit()).findings]
        for view in await engine.list():
            runs = {receipt.run_id for receipt in await engine.receipts(view.id)}
            told = {what: how for (name, what), how in answers.items() if name == view.id}
            archive = told.pop("archive")
            problems += [
                f"{view.id}: {what} was {how}"
                for what, how in told.items()
                if (how == "landed") != (what in runs)
            ]
            if view.phase not in ("idle", "archived"):
                problems.append(f"{view.id}: half of a commit is there")
            if (archive == "landed") != (view.phase == "archived"):
                problems.append(f"{view.id}: archiving was {archive}, but it is {view.phase}")
    return problems


def found(tmp_path: Path, plant: Callable[[], None] = lambda: None) -> list[str]:
    url = f"sqlite:///{tmp_path / 'a.db'}"

    async def main() -> list[str]:
        return await problems_of(url, await answers_of(url, plant))

    return asyncio.run(main())


@pytest.mark.usefixtures("way")
def test_g1_g2_every_commit_of_a_group_is_whole_and_truly_told(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def _half_of_the_group(insert: Insert) -> Insert:
    """Write the first half of a group's submissions, and tell all of them that they landed."""

    def planted(
        recorder: SQLiteRecorder, submissions: Sequence[Sequence[StoredRow]], *, patient: bool
    ) -> list[Outcome] | None:
        half = (len(submissions) + 1) // 2
        outcomes = insert(recorder, submissions[:half], patient=patient)
        rest: list[Outcome] = [range(1, 2) for _ in submissions[half:]]
        return None if outcomes is None else outcomes + rest

    return planted


def _an_outcome_lost(insert: Insert) -> Insert:
    """Write a group whole, and tell its last submission that it failed."""

    def planted(
        recorder: SQLiteRecorder, submissions: Sequence[Sequence[StoredRow]], *, patient: bool
    ) -> list[Outcome] | None:
        outcomes = insert(recorder, submissions, patient=patient)
        failure: Outcome = StoreError("the commit failed")
        return None if outcomes is None else [*outcomes[:-1], failure]

    return planted


def _half_of_a_commit(insert: Insert) -> Insert:
    """Write the first event of each submission only, and tell them that they landed."""

    def planted(
        recorder: SQLiteRecorder, submissions: Sequence[Sequence[StoredRow]], *, patient: bool
    ) -> list[Outcome] | None:
        return insert(recorder, [one[:1] for one in submissions], patient=patient)

    return planted


def _outcomes_exchanged(insert: Insert) -> Insert:
    """Refuse one submission of a group, and tell its neighbour so."""

    def planted(
        recorder: SQLiteRecorder, submissions: Sequence[Sequence[StoredRow]], *, patient: bool
    ) -> list[Outcome] | None:
        outcomes = insert(recorder, submissions[1:], patient=patient)
        failure: Outcome = StoreError("the commit failed")
        return None if outcomes is None else [*outcomes, failure]

    return planted


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "fault", [_half_of_the_group, _an_outcome_lost, _half_of_a_commit, _outcomes_exchanged]
)
def test_a_planted_torn_group_commit_is_caught(
    fault: Callable[[Insert], Insert], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = fault(SQLiteRecorder._insert_statement)
    assert found(tmp_path, lambda: monkeypatch.setattr(SQLiteRecorder, "_insert_statement", faulty))
