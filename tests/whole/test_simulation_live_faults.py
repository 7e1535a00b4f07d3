"""The simulation finds faults in what lives beside the log, planted one by one.

They are in the live streams, subscriptions, the machine's authority, snapshots handed over, drained
archives, mobs, filters and forks. Each must be found within the runs that find nothing else.
"""

import asyncio
import re
import weakref
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

import pytest

from perdure.aggregates import Session, SessionEvent, ToolFilterStaged
from perdure.aggregates.session import decide as deciding
from perdure.aggregates.session.decide_run import interrupt_event
from perdure.errors import AuthorityRequired, PerdureError
from perdure.projections.fork_points import fork_point
from perdure.runtime import Engine, adapter
from perdure.runtime.core import Core
from perdure.runtime.session.cache import SessionCache
from perdure.runtime.session.commit_queue import Submissions
from perdure.runtime.turn import running_turn as turns
from perdure.runtime.turn.running_turn import RunningTurn
from perdure.runtime.verbs import checkpoints, forks, interrupts, mobs
from perdure.runtime.watch import subscriptions
from perdure.runtime.watch.streams import LiveEvent, Missed, StreamBuffer
from tests.simulation.clock import PROCESS
from tests.simulation.planting import Fault, Plant, assert_found, changed, folded

# Live streams and subscriptions


def a_delta_that_is_taken_for_a_fact(plant: Plant) -> None:
    """What a turn emits lands with its next boundary."""
    emit, encoded = RunningTurn.emit, turns._encoded
    emitted: list[Any] = []

    def keeping(self: RunningTurn, event: Any) -> None:
        emitted.append(event)
        emit(self, event)

    def with_deltas(messages: Any) -> Any:
        taken, emitted[:] = list(emitted), []
        return encoded([*taken, *messages] if isinstance(messages, list) else messages)

    plant.setattr(RunningTurn, "emit", keeping)
    plant.setattr(turns, "_encoded", with_deltas)


def a_slow_subscriber_that_is_told_nothing(plant: Plant) -> None:
    """What a subscriber has missed is gone without a word."""
    take = StreamBuffer.take
    plant.setattr(
        StreamBuffer,
        "take",
        lambda self: [one for one in take(self) if not isinstance(one, Missed)],
    )


def a_subscriber_that_holds_commits_up(plant: Plant) -> None:
    """A commit waits until everybody who listens here has taken what was emitted."""
    put, take, commit = StreamBuffer.put, StreamBuffer.take, Submissions.commit
    full: dict[Any, set[StreamBuffer]] = {}

    def noting(self: StreamBuffer, event: LiveEvent) -> None:
        full.setdefault(PROCESS.get(), set()).add(self)
        put(self, event)

    def taking(self: StreamBuffer) -> Any:
        full.get(PROCESS.get(), set()).discard(self)
        return take(self)

    async def waiting(self: Submissions, rows: Sequence[Any], **named: Any) -> Any:
        while full.get(PROCESS.get()):  # noqa: ASYNC110 - as clumsy as the fault that it plants
            await asyncio.sleep(0.5)
        return await commit(self, rows, **named)

    plant.setattr(StreamBuffer, "put", noting)
    plant.setattr(StreamBuffer, "take", taking)
    plant.setattr(Submissions, "commit", waiting)


def live_events_that_come_late(plant: Plant) -> None:
    """What was emitted comes with what is emitted next."""
    take = StreamBuffer.take

    def late(self: StreamBuffer) -> Any:
        owed, self.__dict__["owed"] = self.__dict__.get("owed", []), take(self)
        return owed

    plant.setattr(StreamBuffer, "take", late)


def an_event_that_is_delivered_again(plant: Plant) -> None:
    """Whoever goes on from a position is given what is recorded there once more."""
    position = Core.position
    plant.setattr(
        Core,
        "position",
        lambda self, after: max(0, position(self, after) - 1) if after != "end" else after,
    )


def an_event_that_is_never_delivered(plant: Plant) -> None:
    """Whoever goes on from a position misses what is recorded next."""
    position = Core.position
    plant.setattr(Core, "position", lambda self, after: position(self, after) + 1)


def a_group_whose_members_are_forgotten(plant: Plant) -> None:
    """A subscription to a group knows those alone who have joined since its position."""
    plant.setattr(subscriptions, "is_member", lambda *_, **__: False)


# The machine's authority


def a_token_that_nobody_looks_at(plant: Plant) -> None:
    """An engine ends its own turns for whoever asks."""

    def trusting(core: Core, session_id: str, authority: object) -> RunningTurn | None:
        core.check_open()
        return core.turns.get(session_id)

    plant.setattr(interrupts, "controlled_turn", trusting)


def a_caller_who_passes_for_the_machine(plant: Plant) -> None:
    """A request from another engine is recorded as the machine's, whoever made it."""
    event = interrupt_event
    plant.setattr(
        deciding,
        "interrupt_event",
        lambda state, command: event(state, changed(command, by="authority")),
    )


def a_request_that_does_not_ask_whose_the_run_is(plant: Plant) -> None:
    """A request from another engine ends the machine's runs too."""
    event = interrupt_event

    def careless(state: Session, command: Any) -> SessionEvent:
        try:
            return event(state, command)
        except AuthorityRequired:
            return changed(event(state, changed(command, by="authority")), by="caller")

    plant.setattr(deciding, "interrupt_event", careless)


def an_adapter_that_never_lets_go(plant: Plant) -> None:
    """What an adapter has taken stays the machine's when nobody holds the adapter any more."""
    holding = SimpleNamespace(ref=weakref.ref, finalize=lambda *_: None)
    plant.setattr(adapter, "weakref", holding)


def an_interrupt_that_ends_another_turn(plant: Plant) -> None:
    """An interrupt ends whatever turn the engine runs, if only one."""
    controlled = interrupts.controlled_turn

    def mistaken(core: Core, session_id: str, authority: Any) -> RunningTurn | None:
        turn = controlled(core, session_id, authority)
        return turn or next(iter(core.turns.values()), None)

    plant.setattr(interrupts, "controlled_turn", mistaken)


# Snapshots, live copies, archives


def a_snapshot_that_is_kept_unseen(plant: Plant) -> None:
    """A snapshot that is handed over is kept without a look at the log."""
    plant.setattr(checkpoints, "snapshot_of", lambda _: ANY)


def a_snapshot_of_another_session(plant: Plant) -> None:
    """A snapshot is held against the log of the session that it says it is of."""
    checked = Engine.checkpoint_committed

    async def generous(self: Engine, session_id: str, snapshot: bytes) -> None:
        named = re.search(rb'"session_id":"([^"]+)"', snapshot)
        await checked(self, named[1].decode() if named else session_id, snapshot)

    plant.setattr(Engine, "checkpoint_committed", generous)


def a_copy_that_is_dropped_while_in_use(plant: Plant) -> None:
    """discard_live drops what a turn is working on."""
    plant.setattr(
        SessionCache,
        "discard",
        lambda self, session_id: self._cached.pop(session_id, None) is not None,
    )


def a_drain_that_abandons(plant: Plant) -> None:
    """Draining gives up what is queued, and says that all is well."""
    archive = Engine.archive

    async def hasty(self: Engine, session_id: str, **named: Any) -> Any:
        if named.get("pending") == "drain":
            named["pending"] = "abandon"
        return await archive(self, session_id, **named)

    plant.setattr(Engine, "archive", hasty)


# Groups, filters, forks


def a_group_that_one_member_keeps(plant: Plant) -> None:
    """Archiving a group ends with the first member that cannot be archived."""
    archived, whole = mobs._archive_member, Engine.archive_mob
    refused: list[PerdureError] = []

    async def stopping(*given: Any) -> bool:
        if refused:
            return False
        try:
            return await archived(*given)
        except PerdureError as error:
            refused.append(error)
            raise

    async def beginning(self: Engine, mob: str, **named: Any) -> Any:
        refused.clear()
        return await whole(self, mob, **named)

    plant.setattr(mobs, "_archive_member", stopping)
    plant.setattr(Engine, "archive_mob", beginning)


def a_filter_that_is_in_effect_at_once(plant: Plant) -> None:
    """A filter of tools does not wait for the next boundary."""

    def hasty(before: Session, event: SessionEvent, after: Session) -> Session:
        if isinstance(event, ToolFilterStaged):
            work = changed(after.work, filter=event.filter, filter_version=event.version)
            return changed(after, work=work)
        return after

    folded(plant, hasty)


def a_fork_of_everything(plant: Plant) -> None:
    """A fork at a message keeps all the messages there are, if none is replaced."""

    def generous(*given: Any, at_message: int | None, replaces: bool, **named: Any) -> Any:
        kept = at_message if replaces else None
        return fork_point(*given, at_message=kept, replaces=replaces, **named)

    plant.setattr(forks, "fork_point", generous)


FAULTS: dict[Fault, set[str]] = {
    a_delta_that_is_taken_for_a_fact: {"G9"},
    a_slow_subscriber_that_is_told_nothing: {"G6"},
    a_subscriber_that_holds_commits_up: {"G9"},
    live_events_that_come_late: {"G6"},
    an_event_that_is_delivered_again: {"G6"},
    an_event_that_is_never_delivered: {"G6"},
    a_group_whose_members_are_forgotten: {"G6"},
    a_token_that_nobody_looks_at: {"G5"},
    a_caller_who_passes_for_the_machine: {"G5"},
    a_request_that_does_not_ask_whose_the_run_is: {"G5"},
    an_adapter_that_never_lets_go: {"G5", "G9"},
    an_interrupt_that_ends_another_turn: {"G2", "G5"},
    a_snapshot_that_is_kept_unseen: {"G5", "G6"},
    a_snapshot_of_another_session: {"G5", "G6"},
    a_copy_that_is_dropped_while_in_use: {"G4"},
    a_drain_that_abandons: {"G1"},
    a_group_that_one_member_keeps: {"G2"},
    a_filter_that_is_in_effect_at_once: {"G6"},
    a_fork_of_everything: {"G9"},
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_found(fault, monkeypatch, FAULTS[fault])
