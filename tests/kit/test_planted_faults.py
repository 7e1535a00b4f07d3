"""The generated test of the engine finds faults that are planted in it, one by one.

Each test plants one fault in the runtime, the aggregate or the store, and expects the generated
test to fail within a budget. That the same budget passes without a fault is a thorough test, as are
the two faults that it takes longest to find.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import immutables
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from perdure.aggregates import (
    Session,
    SessionCheckpointed,
    SessionEvent,
    SessionReset,
    TurnApplied,
    decide,
    evolve,
)
from perdure.aggregates.session.conversation import Conversation
from perdure.aggregates.session.events import BoundaryApplied, RunCompleted
from perdure.errors import PerdureError
from perdure.machines import LIFECYCLE, SESSION, Configuration
from perdure.projections import snapshots
from perdure.runtime.session import commit as writing
from perdure.runtime.session.cache import SessionCache
from perdure.runtime.session.commit_queue import Submissions
from perdure.store import links, memory
from tests.support.engine_machine import ENDINGS, NOT_DRIVEN, WITHIN_TURNS, engine_test
from tests.support.thorough import few_of

BUDGET = settings(
    max_examples=400,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)

Plant = pytest.MonkeyPatch


def a_dropped_event(plant: Plant) -> None:
    """The last event of a commit that has several never reaches the store."""
    commit = Submissions.commit

    async def dropping(self: Submissions, rows: Sequence[Any], **named: Any) -> Any:
        return await commit(self, rows[:-1] if len(rows) > 1 else rows, **named)

    plant.setattr(Submissions, "commit", dropping)


def a_sequence_that_stays(plant: Plant) -> None:
    """Every receipt of a run is numbered as its first."""

    def numbered(event: Any) -> Any:
        landed = event.receipt is not None
        return _with(event, receipt=_with(event.receipt, sequence=1)) if landed else event

    _decided(plant, BoundaryApplied | RunCompleted, numbered)


def a_late_write_after_the_archive(plant: Plant) -> None:
    """The authority lets context into a session that has ended."""
    replay = LIFECYCLE.replay

    def lenient(here: Configuration, verb: str, *rest: Any, **named: Any) -> Configuration:
        if (here.phase, verb) == ("archived", "append_context"):
            return here
        return replay(here, verb, *rest, **named)

    plant.setattr(LIFECYCLE, "replay", lenient)


def a_lost_idempotency_key(plant: Plant) -> None:
    """Folding an event forgets its key, so a retry is applied again."""
    _folded(plant, lambda before, _, after: _with(after, keys=before.keys))


def a_lost_run_id(plant: Plant) -> None:
    """Folding an event forgets its run, so a retry is applied again."""
    _folded(plant, lambda before, _, after: _with(after, runs=before.runs))


def staged_context_that_lands_twice(plant: Plant) -> None:
    """A turn takes what was staged for it, and leaves it there for the next."""

    def keeping(before: Session, event: SessionEvent, after: Session) -> Session:
        return (
            _with(after, staged_context=before.staged_context)
            if isinstance(event, TurnApplied)
            else after
        )

    _folded(plant, keeping)


def an_input_that_is_forgotten_and_taken_in_again(plant: Plant) -> None:
    """Folding an input's acceptance forgets its id, so a retry is accepted again."""
    _folded(plant, lambda before, _, after: _with(after, inputs=before.inputs))


def a_reset_that_keeps_its_input(plant: Plant) -> None:
    """A session starts over, and what was to be abandoned waits on."""

    def keeping(before: Session, event: SessionEvent, after: Session) -> Session:
        kept = isinstance(event, SessionReset)
        return _with(after, work=before.work, lifecycle=before.lifecycle) if kept else after

    _folded(plant, keeping)


def a_stale_read(plant: Plant) -> None:
    """What another process wrote is not looked for once there is a live copy."""
    refresh = SessionCache.refresh

    async def believing(self: SessionCache, live: Any) -> Any:
        if live.folded.state.version:
            live.fresh = True
            return live.folded
        return await refresh(self, live)

    plant.setattr(SessionCache, "refresh", believing)


def a_run_id_forgotten_on_reopening(plant: Plant) -> None:
    """A session that opens from a snapshot has no runs."""
    state = snapshots._state
    plant.setattr(snapshots, "_state", lambda *given: _with(state(*given), runs=immutables.Map()))


def a_version_gap(plant: Plant) -> None:
    """A checkpoint skips a version, and the store does not look."""
    _decided(plant, SessionCheckpointed, lambda event: _with(event, version=event.version + 1))
    plant.setattr(memory, "check_dense", lambda *_: {})


def an_acknowledgement_before_the_commit(plant: Plant) -> None:
    """A commit is answered at once and written with the next one."""
    commit = Submissions.commit

    async def hurrying(self: Submissions, rows: Sequence[Any], **named: Any) -> Any:
        owed = self.__dict__.setdefault("owed", [])
        if owed:
            await commit(self, owed.pop(), **named)
        owed.append(rows)
        return range(1, len(rows) + 1), None

    plant.setattr(Submissions, "commit", hurrying)


def a_snapshot_believed_though_it_disagrees(plant: Plant) -> None:
    """A snapshot is not compared with the link of the event that it was taken at."""
    plant.setattr(snapshots, "links", SimpleNamespace(**vars(links) | {"holds": lambda *_: True}))


def a_digest_over_messages_encoded_again(plant: Plant) -> None:
    """The digest reads messages as json.dumps writes them, not as they were recorded."""
    extend = Conversation.extend

    def again(self: Conversation, array: msgspec.Raw, count: int) -> Conversation:
        encoded = json.dumps(json.loads(bytes(array)), separators=(",", ":")).encode()
        return extend(self, msgspec.Raw(encoded), count)

    plant.setattr(Conversation, "extend", again)


def _decided(plant: Plant, kind: Any, change: Callable[[Any], Any]) -> None:
    """Change every decided event of a kind."""

    def deciding(state: Any, command: Any) -> tuple[Any, ...]:
        return tuple(
            change(event) if isinstance(event, kind) else event for event in decide(state, command)
        )

    plant.setattr(writing, "decide", deciding)


def _folded(plant: Plant, change: Callable[[Session, SessionEvent, Session], Session]) -> None:
    """Change what the runtime folds an event to."""
    plant.setattr(
        snapshots, "evolve", lambda state, event: change(state, event, evolve(state, event))
    )


def _with(struct: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(struct, **changes)


FAULTS: Mapping[Callable[[Plant], None], bool] = {
    a_dropped_event: False,
    a_sequence_that_stays: False,
    a_late_write_after_the_archive: False,
    a_lost_idempotency_key: False,
    a_lost_run_id: False,
    staged_context_that_lands_twice: False,
    an_input_that_is_forgotten_and_taken_in_again: False,
    a_reset_that_keeps_its_input: False,
    a_version_gap: False,
    a_digest_over_messages_encoded_again: False,
    a_snapshot_believed_though_it_disagrees: False,
    an_acknowledgement_before_the_commit: True,
    a_stale_read: True,
    a_run_id_forgotten_on_reopening: True,
}


LATE = (a_late_write_after_the_archive, a_run_id_forgotten_on_reopening)
"""Faults that are found after some hundred examples."""


@pytest.mark.parametrize(
    "fault", few_of(FAULTS, FAULTS.keys() - {*LATE}), ids=lambda fault: fault.__name__
)
def test_a_planted_fault_is_found(
    fault: Callable[[Plant], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    with pytest.raises((AssertionError, PerdureError)):
        run_state_machine_as_test(engine_test(durable=FAULTS[fault]), settings=BUDGET)


@pytest.mark.thorough
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "sqlite"])
def test_without_a_fault_the_same_budget_finds_nothing(*, durable: bool) -> None:
    test = engine_test(durable=durable)
    run_state_machine_as_test(test, settings=BUDGET)
    verbs = {verb.name for verb in SESSION.verbs}
    assert {item.verb for item in test.taken} == verbs - NOT_DRIVEN.keys()
    asked = verbs - {*WITHIN_TURNS, *NOT_DRIVEN}
    asked |= {"record_turn", *(f"apply_turn to {ending}" for ending in ENDINGS)}
    assert set(test.accepted) == asked
    assert len(test.refused) > len(asked) / 2
