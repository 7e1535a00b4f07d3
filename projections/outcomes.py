"""The outcome of a recorded run, as `apply_turn` returned it to its caller.

Invariants: derived from the run's own events alone; a run that has not ended has no outcome.
"""

from typing import Any, assert_never

import msgspec

from perdure.aggregates.session import events
from perdure.errors import LogCorrupt
from perdure.projections.history import events_of_run, receipt_in
from perdure.store import Mapper, Recorder
from perdure.values import (
    ApplyOutput,
    CallbackPending,
    Cancelled,
    Completed,
    Failed,
    NoPendingBoundary,
    OwnerLost,
    Terminal,
)


def outcome_of_run(
    recorder: Recorder, mapper: Mapper, session_id: str, *, run_id: str, version: int
) -> ApplyOutput | None:
    """Return the outcome of the run that began at a version, None while it is current.

    Raises LogCorrupt for a damaged row, and for a result that its terminal does not allow.
    """
    receipt = terminal = None
    for event in events_of_run(recorder, mapper, session_id, run_id, version):
        receipt = receipt_in(event) or receipt
        if isinstance(event, events.RunOver):
            terminal = _terminal(event)
    if terminal is None:
        return None
    return ApplyOutput(receipt=receipt, snapshot=None, terminal=terminal, duplicate=True)


def _terminal(event: events.RunOver) -> Terminal:
    match event:
        case events.RunCompleted():
            result: Any = msgspec.json.decode(event.result)
            match event.terminal:
                case "completed":
                    return Completed(result)
                case "callback_pending":
                    try:
                        return msgspec.convert(result, CallbackPending)
                    except msgspec.ValidationError as error:
                        detail = f"the result is no call that waits: {error}"
                        raise LogCorrupt(
                            event.session_id, event.version, "undecodable", detail
                        ) from error
                case "no_pending_boundary":
                    return NoPendingBoundary()
                case _:
                    assert_never(event.terminal)
        case events.RunFailed():
            return Failed(event.kind, event.message, event.recoverable)
        case (
            events.RunCancelled()
            | events.RunRolledBack()
            | events.SessionStopped()
            | events.SessionDestroyed()
        ):
            return Cancelled(event.reason)
        case events.RunInterrupted():
            return OwnerLost()
        case _:
            assert_never(event)
