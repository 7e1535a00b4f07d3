"""Inputs: every input that a session accepted, with all of its moves, from the log alone.

Invariants: an input moves as the input machine says, here as in the fold; inputs that have ended
are still here. Costs one pass over the session's own events.
"""

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from perdure.aggregates import decode_messages
from perdure.aggregates.session import events
from perdure.aggregates.session.recorded import Lane
from perdure.aggregates.session.work import DROPS, INPUTS
from perdure.machines import Configuration
from perdure.machines.builtin.input import INPUT
from perdure.projections.rows import UNLAWFUL, events_of, unlawful
from perdure.store import Mapper, Recorder


class InputStep(msgspec.Struct, frozen=True, kw_only=True):
    """One move of an input: to which state, at which version, when; for which run, or why."""

    state: str
    version: int
    at: str
    run_id: str | None = None
    reason: str | None = None


class InputView(msgspec.Struct, frozen=True, kw_only=True):
    """An input as its users see it.

    ``state`` is accepted, queued, staged, applied, consumed, superseded, coalesced or abandoned.
    ``attempts`` counts how often a run took it, ``last_run_id`` is the last that did, and
    ``boundary_sequence`` the sequence of the receipt that names it. ``replaced_by`` is the input
    that took its place. ``history`` holds every move, oldest first.
    """

    id: str
    state: str
    lane: Lane
    source: str | None
    idempotency_key: str | None
    attempts: int
    last_run_id: str | None
    boundary_sequence: int | None
    replaced_by: str | None
    reason: str | None
    messages: list[dict[str, Any]]
    history: list[InputStep]


class _Tracked:
    """One input on its way through the log."""

    def __init__(self, event: events.InputAccepted) -> None:
        self.event: Final = event
        self.lifecycle: Configuration = INPUTS.initial
        self.steps: Final[list[InputStep]] = []
        self.run_id: str | None = None
        self.sequence: int | None = None
        self.into: str | None = None
        self.move("accept", event, event.lane)
        self.move("queue", event)

    @property
    def phase(self) -> str:
        return self.lifecycle.phase

    def move(
        self, verb: str, event: events.SessionEvent, *arguments: str, reason: str | None = None
    ) -> None:
        self.lifecycle = INPUTS.replay(self.lifecycle, verb, arguments, self.event.input_id)
        self.steps.append(
            InputStep(
                state=self.phase,
                version=event.version,
                at=event.at,
                run_id=arguments[0] if arguments and verb != "accept" else None,
                reason=reason,
            )
        )

    def view(self) -> InputView:
        return InputView(
            id=self.event.input_id,
            state=self.phase,
            lane=self.event.lane,
            source=self.event.source,
            idempotency_key=self.event.idempotency_key,
            attempts=int(INPUTS.value(self.lifecycle, "attempts")),
            last_run_id=self.run_id,
            boundary_sequence=self.sequence,
            replaced_by=self.into,
            reason=self.steps[-1].reason,
            messages=decode_messages(self.event.messages),
            history=self.steps,
        )


class InputLedger:
    """The inputs of one session, brought forward event by event."""

    def __init__(self) -> None:
        self._inputs: Final[dict[str, _Tracked]] = {}
        self._open: list[_Tracked] = []
        self._run_id: str | None = None

    def views(self) -> list[InputView]:
        """Return every input as it is now, in the order they were accepted."""
        return [item.view() for item in self._inputs.values()]

    def follow(self, event: events.SessionEvent) -> None:
        """Take one more event in. Raises IllegalTransition where the log breaks the law."""
        match event:
            case events.InputAccepted():
                accepted = self._inputs[event.input_id] = _Tracked(event)
                self._open.append(accepted)
            case events.InputsDropped():
                for item in self._named(event.input_ids):
                    item.into = event.into
                    item.move(DROPS[event.outcome], event, reason=event.reason)
            case events.RunBegun():
                self._run_id = event.run_id
                self._stage(event, event.input_ids)
            case events.TurnApplied():
                if event.receipt.contributing_input_ids:
                    self._run_id = event.receipt.run_id
                    self._stage(event, event.receipt.contributing_input_ids)
                    self._apply(event)
                    self._end_run(event)
            case events.BoundaryApplied():
                self._apply(event)
                self._stage(event, event.steered_input_ids)
            case events.RunCompleted():
                self._apply(event)
                self._end_run(event)
            case (
                events.RunFailed()
                | events.RunCancelled()
                | events.RunRolledBack()
                | events.RunInterrupted()
                | events.SessionStopped()
            ):
                self._end_run(event)
            case events.SessionReset():
                self._abandon(event, "reset", ("queued",))
            case events.SessionDestroyed():
                self._abandon(event, "destroyed", ("queued", "staged"))
                self._end_run(event)
            case _:
                pass  # a test holds the ledger to the fold after every event there is

    def _named(self, input_ids: Iterable[str]) -> list[_Tracked]:
        return [self._inputs[input_id] for input_id in input_ids]

    def _in_phase(self, *phases: str) -> list[_Tracked]:
        self._open = [item for item in self._open if item.phase not in INPUT.final]
        return [item for item in self._open if item.phase in phases]

    def _stage(self, event: events.SessionEvent, input_ids: Iterable[str]) -> None:
        for item in self._named(input_ids):
            item.run_id = self._run_id
            item.move("stage", event, str(self._run_id))

    def _apply(
        self, event: events.TurnApplied | events.BoundaryApplied | events.RunCompleted
    ) -> None:
        if event.receipt is not None:
            for item in self._named(event.receipt.contributing_input_ids):
                item.sequence = event.receipt.sequence
                item.move("apply", event, event.receipt.run_id)

    def _end_run(self, event: events.RunOver | events.TurnApplied) -> None:
        for item in self._in_phase("applied"):
            item.move("consume", event, str(self._run_id))
        for item in self._in_phase("staged"):
            item.move("roll_back", event, str(self._run_id), reason=_why(event))
        self._run_id = None

    def _abandon(self, event: events.SessionEvent, reason: str, phases: tuple[str, ...]) -> None:
        for item in self._in_phase(*phases):
            item.move("abandon", event, reason=reason)


def inputs_of(recorder: Recorder, mapper: Mapper, session_id: str) -> list[InputView]:
    """Return every input that the session accepted.

    Raises LogCorrupt for a damaged row, and for one that breaks the law.
    """
    ledger = InputLedger()
    for _, event in events_of(recorder, mapper, session_id):
        try:
            ledger.follow(event)
        except UNLAWFUL as error:
            raise unlawful(event, error) from error
    return ledger.views()


def _why(event: events.RunOver | events.TurnApplied) -> str:
    """Return the reason for which a run's end queued an input again, or abandoned it."""
    match event:
        case events.RunFailed():
            return "the run failed"
        case events.RunCancelled():
            return "the run was cancelled"
        case events.RunRolledBack():
            return "the run was withdrawn"
        case events.SessionStopped():
            return "the session was stopped"
        case (
            events.RunInterrupted()
            | events.RunCompleted()
            | events.TurnApplied()
            | events.SessionDestroyed()
        ):
            return "the run was interrupted"
        case _:
            assert_never(event)
