"""The simulation finds what it is there to find: faults, planted one by one.

Each is planted in the runtime, the aggregates or the store, and must be found within the runs that
find nothing without it; the guarantee that it breaks is named.
"""

from collections.abc import Sequence
from typing import Any

import immutables
import pytest

from perdure.aggregates import (
    ApplyBoundary,
    FailRun,
    RunBegun,
    RunInterrupted,
    Session,
    SessionEvent,
)
from perdure.aggregates.session import decide as deciding
from perdure.aggregates.session import decide_run as running
from perdure.aggregates.session import evolve as evolving
from perdure.aggregates.session import open_calls as opening
from perdure.aggregates.session import work as working
from perdure.aggregates.session.decide import decide
from perdure.aggregates.session.evolve import fold
from perdure.aggregates.session.messages import NO_MESSAGES
from perdure.runtime.session import commit as writing
from perdure.runtime.session.cache import SessionCache
from perdure.runtime.session.commit_queue import Submissions
from perdure.runtime.session.owner import Ownership
from perdure.runtime.turn import running_turn as driving
from perdure.runtime.turn.admission import Claim
from perdure.runtime.verbs import turns
from perdure.store import Mapper, memory
from tests.simulation.planting import Fault, Plant, assert_found, changed, folded


def an_acknowledgement_before_the_commit(plant: Plant) -> None:
    """A commit is answered at once, and written with the next one."""
    commit = Submissions.commit

    async def hurrying(self: Submissions, rows: Sequence[Any], **named: Any) -> Any:
        owed = self.__dict__.setdefault("owed", [])
        if owed:
            await commit(self, owed.pop(), **named)
        owed.append(rows)
        return range(1, len(rows) + 1), None

    plant.setattr(Submissions, "commit", hurrying)


def inputs_lost_on_recovery(plant: Plant) -> None:
    """An interrupted run takes its inputs with it."""

    def losing(before: Session, event: SessionEvent, after: Session) -> Session:
        if isinstance(event, RunInterrupted):
            kept = {n: i for n, i in before.work.inputs.items() if i.lifecycle.phase == "queued"}
            return changed(after, work=changed(after.work, inputs=kept))
        return after

    folded(plant, losing)


def inputs_queued_again_that_a_receipt_names(plant: Plant) -> None:
    """What a boundary has landed is queued again when its run is interrupted."""

    def again(before: Session, event: SessionEvent, after: Session) -> Session:
        if isinstance(event, RunInterrupted):
            kept = {
                name: one
                for name, one in before.work.inputs.items()
                if one.lifecycle.phase == "applied"
            }
            back = {
                name: changed(one, lifecycle=one.lifecycle._replace(phase="queued"))
                for name, one in kept.items()
            }
            return changed(after, work=changed(after.work, inputs=after.work.inputs | back))
        return after

    folded(plant, again)


def a_late_owner_whose_commit_lands(plant: Plant) -> None:
    """Neither the store nor the aggregate looks whether the run is still the owner's."""
    plant.setattr(memory, "check_dense", lambda *_: {})
    plant.setattr(SessionCache, "is_current", lambda *_: True)


def unknown_calls_that_are_not_marked(plant: Plant) -> None:
    """Recovery leaves the calls of the interrupted run as they were."""
    plant.setattr(evolving, "calls_in_doubt", lambda work: work.calls)


def an_interrupted_turn_that_keeps_its_claim(plant: Plant) -> None:
    """A turn whose caller is cancelled never gives its admission back."""
    run = turns._run_claimed_turn

    async def leaking(core: Any, live: Any, claim: Claim, command: Any) -> Any:
        try:
            return await run(core, live, claim, command)
        except BaseException:
            claim.release = lambda: None  # type: ignore[method-assign]
            raise

    plant.setattr(turns, "_run_claimed_turn", leaking)


def a_run_id_forgotten_on_reopening(plant: Plant) -> None:
    """A session that is folded anew knows of no run before."""
    refresh = SessionCache.refresh

    async def forgetting(self: SessionCache, live: Any) -> Any:
        new = not live.folded.state.version
        folded = await refresh(self, live)
        if new and folded.state.version and folded.state.work.run is None:
            state = changed(folded.state, runs=immutables.Map())
            live.folded = folded = folded._replace(state=state)
        return folded

    plant.setattr(SessionCache, "refresh", forgetting)


def a_stale_copy_that_is_believed(plant: Plant) -> None:
    """What another process wrote is not looked for once there is a live copy."""
    refresh = SessionCache.refresh

    async def believing(self: SessionCache, live: Any) -> Any:
        if live.folded.state.version:
            live.fresh = True
            return live.folded
        return await refresh(self, live)

    plant.setattr(SessionCache, "refresh", believing)


def half_a_turn_that_lands_on_failure(plant: Plant) -> None:
    """A failing run lands its request before it fails."""

    def halving(state: Session, command: Any) -> tuple[SessionEvent, ...]:
        if isinstance(command, FailRun):
            landing = ApplyBoundary(
                now=command.now, run_id=command.run_id, epoch=command.epoch, messages=NO_MESSAGES
            )
            first = decide(state, landing)
            return (*first, *decide(fold(state, first), command))
        return decide(state, command)

    plant.setattr(writing, "decide", halving)


def a_torn_commit(plant: Plant) -> None:
    """The last event of a commit that has several never reaches the store."""
    commit = Submissions.commit

    async def dropping(self: Submissions, rows: Sequence[Any], **named: Any) -> Any:
        return await commit(self, rows[:-1] if len(rows) > 1 else rows, **named)

    plant.setattr(Submissions, "commit", dropping)


def every_owner_is_taken_for_dead(plant: Plant) -> None:
    """Runs of living owners are closed; and what those owners commit late is not refused."""

    async def gone(self: Ownership, epoch: str) -> bool:
        return epoch != self.epoch

    plant.setattr(Ownership, "is_gone", gone)
    plant.setattr(running, "_check_owner", lambda *_: None)
    plant.setattr(memory, "check_dense", lambda *_: {})


def a_run_that_nobody_ever_recovers(plant: Plant) -> None:
    """Whoever touches the session leaves a dead owner's run as it is."""

    async def alive(self: Ownership, epoch: str) -> bool:
        return False

    plant.setattr(Ownership, "is_gone", alive)


def a_result_that_is_invented(plant: Plant) -> None:
    """Recovery closes dangling tool calls by itself."""

    def closing(before: Session, event: SessionEvent, after: Session) -> Session:
        if isinstance(event, RunInterrupted):
            return changed(after, work=changed(after.work, calls={}))
        return after

    folded(plant, closing)


def a_run_begun_twice(plant: Plant) -> None:
    """A retry of a run that was interrupted runs it again."""

    def forgetting(before: Session, event: SessionEvent, after: Session) -> Session:
        if isinstance(event, RunInterrupted):
            return changed(after, runs=after.runs.delete(event.run_id))
        return after

    folded(plant, forgetting)


def a_digest_that_knows_the_run(plant: Plant) -> None:
    """A receipt's digest depends on who asked."""
    receipt_of = running.receipt_of

    def knowing(state: Session, landing: Any, **named: Any) -> Any:
        receipt, array = receipt_of(state, landing, **named)
        if named["run_id"].endswith("7"):
            receipt = changed(receipt, conversation_digest="0" * 64)
        return receipt, array

    plant.setattr(running, "receipt_of", knowing)


def an_owner_with_another_name(plant: Plant) -> None:
    """The recorded owner of a run is nobody."""
    to_stored = Mapper.to_stored

    def renaming(self: Mapper, events: Sequence[SessionEvent], previous: str) -> Any:
        return to_stored(
            self,
            [changed(e, epoch="x") if isinstance(e, RunBegun) else e for e in events],
            previous,
        )

    plant.setattr(Mapper, "to_stored", renaming)


def context_between_a_call_and_its_result(plant: Plant) -> None:
    """Nothing that is staged waits for the results of open calls."""
    for module in (running, deciding):
        plant.setattr(module, "calls_held_open", lambda *_: ())


def a_prompt_that_is_the_history(plant: Plant) -> None:
    """A model is shown the messages as they are recorded."""
    plant.setattr(driving, "presentable", lambda messages, *_: list(messages))


def a_call_that_replaces_one_of_its_id(plant: Plant) -> None:
    """Calls are told apart by their ids alone."""
    through = opening.calls_through

    def replacing(calls: Any, steps: Any, rules: Any, **places: int) -> Any:
        left = through(calls, steps, rules, **places)
        return tuple({call.id: call for call in left}.values())

    plant.setattr(working, "calls_through", replacing)


FAULTS: dict[Fault, set[str]] = {
    context_between_a_call_and_its_result: {"G1", "G7", "G9"},
    a_prompt_that_is_the_history: {"G9"},
    a_call_that_replaces_one_of_its_id: {"G5", "G6", "G7", "G9"},
    an_acknowledgement_before_the_commit: {"G2"},
    inputs_lost_on_recovery: {"G1", "G6", "G9"},
    inputs_queued_again_that_a_receipt_names: {"G1", "G3", "G6"},
    a_late_owner_whose_commit_lands: {"G4", "G7"},
    unknown_calls_that_are_not_marked: {"G6", "G9"},
    an_interrupted_turn_that_keeps_its_claim: {"G9"},
    a_run_id_forgotten_on_reopening: {"G3", "G5", "G7"},
    a_stale_copy_that_is_believed: {"G4", "G5", "G6"},
    half_a_turn_that_lands_on_failure: {"G1", "G9"},
    a_torn_commit: {"G2", "G9"},
    every_owner_is_taken_for_dead: {"G4", "G5", "G7"},
    a_run_that_nobody_ever_recovers: {"G9"},
    a_result_that_is_invented: {"G6", "G9"},
    a_run_begun_twice: {"G3", "G6"},
    a_digest_that_knows_the_run: {"G1"},
    an_owner_with_another_name: {"G4"},
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_found(fault, monkeypatch, FAULTS[fault])
