"""The properties of a live session: of a session with its input, its turn and its gate.

Invariants: each is about several parts at once; a property of one part alone is in the declaration
of that part. A letter names the failure that must be impossible: C, an input that is processed
twice; E, receipts that collide; F, a hole in the lifecycle.
"""

from typing import Final

from perdure.machines.builtin.input import STAGING_LIMIT
from perdure.machines.builtin.session import BOUNDARY_CAPACITY
from perdure.machines.language.composition import within
from perdure.machines.language.expressions import Expression, Next, Var
from perdure.machines.language.properties import (
    Always,
    AlwaysPossible,
    LeadsTo,
    Property,
    Sometimes,
    exactly,
    goes_to,
    implies,
    in_phase,
    unchanged,
)

Names = tuple[str, ...]


def live_session_properties(
    endings: Names, boundaries: Names, writes: Names
) -> tuple[Property, ...]:
    """Return the properties of a live session, for steps of these names.

    ``endings`` are the steps that end a run, ``boundaries`` those that write a receipt, ``writes``
    all that write to the log.
    """
    return (
        *_claims(),
        *_once(endings),
        *_receipts(boundaries, writes),
        *_no_holes(writes),
    )


def session_in(*phases: str) -> Expression:
    """Return the expression that the session is in one of these phases."""
    return within("session", in_phase(*phases))


def input_in(*phases: str) -> Expression:
    """Return the expression that the input is in one of these phases."""
    return within("input", in_phase(*phases))


def _goes(part: str, *phases: str) -> Expression:
    return within(part, goes_to(*phases))


_attempts: Final = Var("input.attempts")
_lane: Final = Var("input.lane")
_sequence: Final = Var("session.sequence")

_RUNNING: Final = session_in("running")
_ENDED: Final = session_in("archived", "destroyed")
_CLOSED: Final = session_in("retired") | Var("session.return_to").equals("retired")


def _claims() -> tuple[Property, ...]:
    return (
        Always(
            "one run at a time, and only under a claim that was admitted",
            exactly(_RUNNING, within("admission", in_phase("running"))),
        ),
        Always(
            "an input in a run is in the current run",
            implies(
                input_in("staged", "applied"),
                _RUNNING & Var("input.run").equals(Var("session.run")),
            ),
        ),
        Always(
            "an interrupt of a run reaches its claim, and one of a claim reaches its run",
            implies(_RUNNING, Next("admission.interrupt_requested"))
            & implies(_RUNNING, Next("session.cancel_requested")),
            on=("interrupt", "interrupt_running"),
        ),
        LeadsTo(
            "a run ends at last, if one that does not end otherwise fails", _RUNNING, ~_RUNNING
        ),
        LeadsTo(
            "a requested shutdown comes at last",
            Var("admission.shutdown_requested"),
            within("admission", in_phase("shut_down")),
        ),
    )


def _once(endings: Names) -> tuple[Property, ...]:
    queued, staged = Var("session.queued"), Var("session.staged")
    applied_then = _goes("input", "applied")
    return (
        Always(
            "C: the session counts as queued and staged just what is",
            exactly(queued.equals(1), input_in("queued"))
            & exactly(staged.equals(1), input_in("staged"))
            & ((queued + staged) <= 1),
        ),
        Always(
            "C: an input that a receipt names is never queued or staged again",
            implies(input_in("applied", "consumed"), _goes("input", "applied", "consumed")),
        ),
        Always(
            "C: a receipt names an input only where a boundary writes it",
            implies(
                ~input_in("applied") & applied_then,
                Next("session.sequence").equals(_sequence + 1),
            ),
        ),
        Always(
            "C: however a run ends, it consumes what a receipt names, and gives back what none "
            "does, or gives that up if it was staged too often",
            implies(input_in("applied"), _goes("input", "consumed"))
            & implies(
                input_in("staged"),
                _goes("input", "queued")
                | (_goes("input", "abandoned") & _attempts.equals(STAGING_LIMIT)),
            )
            & implies(~input_in("applied", "staged"), unchanged("input.phase")),
            on=endings,
        ),
        Always(
            "a run that has begun takes up only input that steers",
            implies(
                _RUNNING & ~input_in("staged") & _goes("input", "staged"), _lane.equals("steer")
            ),
        ),
        Sometimes(
            "an input that a run gave back is consumed by a later one",
            input_in("consumed") & (_attempts > 1),
        ),
        Sometimes("an input is given up", input_in("abandoned") & _attempts.equals(STAGING_LIMIT)),
        Sometimes(
            "an input that steers is taken up by a run that had begun without it",
            input_in("staged") & _lane.equals("steer") & (_sequence > 0),
        ),
    )


def _receipts(boundaries: Names, writes: Names) -> tuple[Property, ...]:
    return (
        Always(
            "E: the receipts of a run have sequences that strictly increase",
            Next("session.sequence").equals(_sequence + 1),
            on=boundaries,
        ),
        Always(
            "E: only a boundary of a run that goes on writes a receipt",
            implies(_goes("session", "running"), unchanged("session.sequence")),
            on=tuple(name for name in writes if name not in boundaries),
        ),
    )


def _no_holes(writes: Names) -> tuple[Property, ...]:
    gate_closed = within("gate", in_phase("closed"))
    return (
        Always(
            "F: nothing is written once a session has ended, and it is not archived twice",
            ~_ENDED,
            on=writes,
        ),
        Always(
            "F: the checkpointer's gate is closed once the session has ended, and not before",
            exactly(gate_closed, _ENDED),
        ),
        Always(
            "F: a checkpoint is taken of a session that exists, through a gate that is armed",
            within("gate", in_phase("armed"))
            & ~session_in("unregistered", "archived", "destroyed"),
            on=("checkpoint",),
        ),
        Always(
            "F: no input is admitted while a session drains",
            ~_CLOSED & ~session_in("stopped"),
            on=("accept_input",),
        ),
        Always(
            "F: a session that has ended leaves no input behind",
            implies(_ENDED, ~input_in("accepted", "queued", "staged", "applied")),
        ),
        Always(
            "F: retiring touches neither the run in flight nor its input",
            implies(
                _RUNNING,
                _goes("session", "running")
                & unchanged("session.run", "session.staged", "session.sequence", "input.phase"),
            ),
            on=("session.retire",),
        ),
        AlwaysPossible(
            "F: a run in flight is never stranded: its boundary can land and its input be "
            "consumed, also when the session retires meanwhile",
            input_in("consumed"),
            given=input_in("staged") & (_sequence < BOUNDARY_CAPACITY),
        ),
        AlwaysPossible(
            "F: from everywhere but destroyed, the session can still be archived",
            session_in("archived"),
            given=~session_in("destroyed"),
        ),
        Sometimes(
            "a receipt names an input after the session retired",
            _RUNNING & _CLOSED & input_in("applied"),
        ),
        Sometimes(
            "a session is archived that consumed its input",
            session_in("archived") & input_in("consumed"),
        ),
    )
