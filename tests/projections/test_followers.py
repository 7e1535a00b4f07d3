"""Read models that follow events one by one agree with the fold after every event there is."""

from typing import Any, get_args

import msgspec
import pytest

from perdure.aggregates import (
    AcceptInput,
    ApplyBoundary,
    BeginRun,
    CancelRun,
    CompleteRun,
    Destroy,
    FailRun,
    Fork,
    Origin,
    RecordTurn,
    Recover,
    Recycle,
    Reset,
    RollBackRun,
    Session,
    SessionCommand,
    SessionEvent,
    StageContext,
    Stop,
    evolve,
    initial_state,
)
from perdure.aggregates.session.conversation import EMPTY
from perdure.machines.builtin.input import INPUT
from perdure.projections.catalog import derive, new_entry, view_of, view_of_entry
from perdure.projections.inputs import InputLedger
from perdure.testing import NOW, SESSION_ID, register
from tests.support.histories import SYSTEM, everything, happened

RUN: dict[str, Any] = {"now": NOW, "run_id": "run-1", "epoch": "epoch-1"}
NOWHERE = Origin(
    session_id="origin", version=1, message_count=0, conversation_digest=EMPTY.digest()
)


def inputs(*names: str, lane: str = "queue") -> list[SessionCommand]:
    return [AcceptInput(now=NOW, input_id=i, lane=lane, messages=SYSTEM) for i in names]  # type: ignore[arg-type]


BEFORE: list[SessionCommand] = [
    register(),
    *inputs("taken", "queued"),
    BeginRun(**RUN, input_ids=("taken",)),
]
LANDED: list[SessionCommand] = [
    *BEFORE,
    *inputs("steered", lane="steer"),
    StageContext(now=NOW, message=SYSTEM),
    ApplyBoundary(**RUN, messages=SYSTEM),
]
HISTORIES: dict[str, list[SessionCommand]] = {
    "every event": everything(),
    "a fork": [Fork(now=NOW, origin=NOWHERE), Destroy(now=NOW)],
    "a whole turn with inputs": [
        register(),
        *inputs("taken", "queued"),
        RecordTurn(now=NOW, run_id="run-1", messages=SYSTEM, input_ids=("taken",)),
    ],
    "reset with inputs": [register(), *inputs("queued"), Reset(now=NOW)],
    "recycled with inputs": [register(), *inputs("queued"), Recycle(now=NOW)],
    **{
        f"{type(end).__name__} after {name}": [*begun, end]
        for name, begun in (("its beginning", BEFORE), ("a boundary", LANDED))
        for end in (
            CompleteRun(**RUN, messages=SYSTEM),
            CompleteRun(**RUN, terminal="no_pending_boundary"),
            FailRun(**RUN, kind="turn", message="no"),
            CancelRun(**RUN),
            RollBackRun(**RUN),
            Recover(now=NOW),
            Stop(now=NOW),
            Destroy(now=NOW),
        )
    },
}


def folded(history: list[SessionCommand]) -> list[tuple[SessionEvent, Session]]:
    """Return the history's events, each with the state after it."""
    state, after = initial_state(SESSION_ID), []
    for event in happened(history)[1]:
        state = evolve(state, event)
        after.append((event, state))
    return after


def test_the_histories_hold_every_event() -> None:
    kinds = {type(event) for history in HISTORIES.values() for event, _ in folded(history)}
    assert kinds == set(get_args(SessionEvent))


@pytest.mark.parametrize("history", HISTORIES)
def test_the_catalog_shows_what_the_fold_shows_after_each_event(history: str) -> None:
    entry = new_entry(SESSION_ID, 1)
    for event, state in folded(HISTORIES[history]):
        entry = derive(entry, event)
        assert view_of_entry(msgspec.json.encode(entry)) == view_of(state)


@pytest.mark.parametrize("history", HISTORIES)
def test_the_inputs_are_where_the_fold_has_them_after_each_event(history: str) -> None:
    ledger = InputLedger()
    for event, state in folded(HISTORIES[history]):
        ledger.follow(event)
        pending = {i: item.lifecycle.phase for i, item in state.work.inputs.items()}
        views = {view.id: view.state for view in ledger.views()}
        assert {i: phase for i, phase in views.items() if phase not in INPUT.final} == pending
        assert set(views) == set(state.inputs)
