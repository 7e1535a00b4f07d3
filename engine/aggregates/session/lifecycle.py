"""Which verbs of the lifecycle an event stands for, and where they lead.

Invariants: every event stands for at least one verb, or for inputs that were dropped; only the
authority says whether a verb is legal.
"""

from typing import Final, assert_never

from perdure.aggregates.session import events
from perdure.machines import LIFECYCLE, Configuration, Value

Step = tuple[str, tuple[Value, ...]]
"""A verb of the session machine with its arguments."""

Steps = tuple[Step, ...]

_MAX_AFTER_TURN: Final = 1024
_AFTER_TURN: Final[dict[tuple[Configuration, int], Configuration]] = {}
"""Where a whole turn leads, by the configuration before it and its number of inputs.

The run id is not part of the key: the machine only compares run ids, and a whole turn begins and
ends its own run, so the id makes no difference.
"""


def without_inputs(lifecycle: Configuration) -> Configuration:
    """Return where a session would stand that has no input in hand, and is like this one else."""
    variables = LIFECYCLE.machine.variables
    return lifecycle._replace(
        values=tuple(
            0 if variable.name in ("queued", "staged") else value
            for variable, value in zip(variables, lifecycle.values, strict=True)
        )
    )


def steps(event: events.SessionEvent) -> Steps:  # noqa: C901, PLR0912 - a case for each verb
    """Return the lifecycle verbs, with arguments, that the event stands for.

    A turn recorded whole is a run begun, applied and completed in one commit, so it needs no row
    of its own in the declaration; nor does the end of a run that lands a last boundary.
    """
    match event:
        case events.TurnApplied():
            run = event.receipt.run_id
            inputs = len(event.receipt.contributing_input_ids)
            return (
                ("begin_run", (run, inputs)),
                ("apply_boundary", (run, 0)),
                ("complete_run", (run,)),
            )
        case events.RunBegun():
            return (("begin_run", (event.run_id, len(event.input_ids))),)
        case events.BoundaryApplied():
            return (("apply_boundary", (event.receipt.run_id, len(event.steered_input_ids))),)
        case events.RunCompleted():
            completed = ("complete_run", (event.run_id,))
            if event.receipt is None:
                return (completed,)
            return (("apply_boundary", (event.run_id, 0)), completed)
        case events.RunFailed():
            return (("fail_run", (event.run_id,)), *_dropped(event.abandoned_input_ids))
        case events.RunCancelled():
            return (("cancel_run", (event.run_id,)), *_dropped(event.abandoned_input_ids))
        case events.RunRolledBack():
            return (("roll_back_run", (event.run_id,)), *_dropped(event.abandoned_input_ids))
        case events.RunInterrupted():
            return (("recover", ()), *_dropped(event.abandoned_input_ids))
        case events.SessionStopped():
            return ((event.cause, ()), *_dropped(event.abandoned_input_ids))
        case events.InterruptRequested():
            return ((event.mode, ()),)
        case events.InputAccepted():
            return (("accept_input", ()),)
        case events.InputsDropped():
            return _dropped(event.input_ids)
        case events.ContextAppended():
            return (("append_context", ()),)
        case events.ContextStaged():
            return (("stage_context", ()),)
        case events.ToolResultsStaged():
            return (("stage_tool_results", ()),)
        case (
            events.CallAbandoned()
            | events.CallsKept()
            | events.CallRulesAdopted()
            | events.ToolFilterStaged()
            | events.EventPublished()
            | events.MobJoined()
            | events.MobLeft()
        ):
            return (("note", ()),)
        case events.SessionRegistered() | events.SessionForked():
            return (("register", ()),)
        case events.SessionAttached():
            return (("attach", ()),)
        case events.SessionDetached():
            return (("detach", ()),)
        case events.SessionCheckpointed():
            return (("checkpoint", ()),)
        case events.SessionRetired():
            return (("retire", ()),)
        case events.SessionReset():
            return (("reset", ()),)
        case events.SessionRecycled():
            return (("recycle", ()),)
        case events.SessionArchived():
            return (("archive", ()),)
        case events.SessionDestroyed():
            return (("destroy", ()),)
        case _:
            assert_never(event)


def _dropped(input_ids: tuple[str, ...]) -> Steps:
    return (("drop_input", (len(input_ids),)),) if input_ids else ()


def advance(configuration: Configuration, event: events.SessionEvent) -> Configuration:
    """Return where the lifecycle stands after the event.

    Raises IllegalTransition where the machine has no such move. For a recorded event that means
    that the log was not written by this law.
    """
    if isinstance(event, events.TurnApplied):
        known = _AFTER_TURN.get((configuration, len(event.receipt.contributing_input_ids)))
        if known is not None:
            return known
    after = configuration
    for verb, arguments in steps(event):
        after = LIFECYCLE.replay(after, verb, arguments, event.session_id)
    if isinstance(event, events.TurnApplied) and len(_AFTER_TURN) < _MAX_AFTER_TURN:
        _AFTER_TURN[configuration, len(event.receipt.contributing_input_ids)] = after
    return after
