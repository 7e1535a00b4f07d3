"""The properties of the session lifecycle: they hold in every state that a session can reach.

Invariants: each says in plain words an intention that several rows serve, and none repeats a single
row. A letter names the failure that must be impossible: C, an input that is processed twice; E,
receipts that collide; F, a hole in the lifecycle.
"""

from typing import Final

from perdure.machines.language.expressions import Arg, Bound, Next, Var
from perdure.machines.language.properties import (
    PHASE,
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

_run, _return_to = Var("run"), Var("return_to")
_queued, _staged, _sequence = Var("queued"), Var("staged"), Var("sequence")
_cancel_requested = Var("cancel_requested")
_PENDING: Final = _queued + _staged
_PENDING_THEN: Final = Next("queued") + Next("staged")

_RUNNING: Final = in_phase("running")
_ENDED: Final = in_phase("archived", "destroyed")
_CLOSED: Final = in_phase("retired") | _return_to.equals("retired")

_ENDINGS: Final = ("complete_run", "fail_run", "cancel_run", "roll_back_run")
_CONTEXT: Final = ("append_context", "stage_context", "stage_tool_results")
_REQUESTS: Final = ("interrupt", "cancel_after_boundary")
_FAREWELLS: Final = ("stop", "executor_exited")
_RESTARTS: Final = ("reset", "recycle")
_VERBS: Final = (
    *("register", "attach", "detach", "accept_input", "drop_input", "begin_run", "apply_boundary"),
    *(*_ENDINGS, *_CONTEXT, *_REQUESTS, *_FAREWELLS, *_RESTARTS),
    *("checkpoint", "note", "retire", "archive", "recover", "destroy"),
)


def _but(*verbs: str) -> tuple[str, ...]:
    """Return all verbs but these."""
    return tuple(verb for verb in _VERBS if verb not in verbs)


_CLOSED_THEN: Final = goes_to("retired") | Next("return_to").equals("retired")


def session_properties(capacity: Bound) -> tuple[Property, ...]:
    """Return the properties of a session that admits ``capacity`` inputs."""
    return (*_runs(), *_receipts(), *_inputs(capacity), *_retiring(), *_phases())


def _runs() -> tuple[Property, ...]:
    return (
        Always(
            "a run is current exactly while the session is running",
            exactly(_run.differs(None), _RUNNING),
        ),
        Always(
            "a phase to return to is remembered during every run, and besides only by a stopped "
            "session that had retired",
            implies(_RUNNING, _return_to.differs(None))
            & implies(
                _return_to.differs(None),
                _RUNNING | (in_phase("stopped") & _return_to.equals("retired")),
            ),
        ),
        Always(
            "a run begins where none is current, as the run that was asked for, and remembers the "
            "phase it leaves",
            _run.equals(None) & Next("run").equals(Arg("run")) & Next("return_to").equals(PHASE),
            on=("begin_run",),
        ),
        Always(
            "only the current run lands a boundary or ends",
            _run.equals(Arg("run")),
            on=("apply_boundary", *_ENDINGS),
        ),
        Always(
            "a run stays the current one until it is over",
            implies(_RUNNING & goes_to("running"), unchanged("run")),
        ),
        Always(
            "a run that ends leads back to where it came from, or to retired if the session "
            "retired meanwhile",
            implies(_RUNNING, Next(PHASE.name).equals(_return_to)),
            on=(*_ENDINGS, "recover"),
        ),
        Always(
            "during a run only retiring changes the phase to return to",
            implies(_RUNNING & goes_to("running"), unchanged("return_to")),
            on=_but("retire"),
        ),
        Always(
            "a request to end the run is remembered until it is over",
            implies(_RUNNING & goes_to("running") & _cancel_requested, Next("cancel_requested")),
        ),
        Always(
            "a request to end the run is heard",
            implies(_RUNNING, Next("cancel_requested")),
            on=_REQUESTS,
        ),
        Always(
            "nobody but the authority requests the end of a run",
            implies(Next("cancel_requested"), _cancel_requested),
            on=_but(*_REQUESTS),
        ),
        Always("only a run can be asked to end", implies(_cancel_requested, _RUNNING)),
        LeadsTo(
            "a run ends at last, if one that does not end otherwise fails",
            _RUNNING,
            ~_RUNNING,
        ),
    )


def _receipts() -> tuple[Property, ...]:
    return (
        Always(
            "E: each boundary of a run writes a receipt with the next sequence",
            Next("sequence").equals(_sequence + 1),
            on=("apply_boundary",),
        ),
        Always(
            "E: nothing but a boundary writes a receipt, and no run reuses a sequence",
            implies(goes_to("running"), unchanged("sequence")),
            on=_but("apply_boundary"),
        ),
        Always("E: sequences count from the start of each run", implies(_sequence > 0, _RUNNING)),
        Sometimes("a run lands several boundaries", _sequence > 1),
    )


def _inputs(capacity: Bound) -> tuple[Property, ...]:
    return (
        Always("only a run has inputs staged", implies(_staged > 0, _RUNNING)),
        Always(
            "there is always room to give back what a run has staged",
            (_queued + _staged) <= capacity,
        ),
        Always(
            "an accepted input waits in the queue",
            Next("queued").equals(_queued + 1) & unchanged("staged"),
            on=("accept_input",),
        ),
        Always(
            "a run takes from the queue just the inputs it is given",
            Next("staged").equals(Arg("inputs")) & Next("queued").equals(_queued - Arg("inputs")),
            on=("begin_run", "apply_boundary"),
        ),
        Always(
            "what is dropped was waiting in the queue",
            Next("queued").equals(_queued - Arg("inputs"))
            & (Next("queued") < _queued)
            & unchanged("staged"),
            on=("drop_input",),
        ),
        Always(
            "C: an input that a receipt names is never given back: what a run holds changes at a "
            "boundary only",
            implies(_RUNNING & goes_to("running"), unchanged("staged")),
            on=_but("apply_boundary"),
        ),
        Always(
            "C: no input is lost or made up: what no receipt names is given back in full",
            _PENDING_THEN.equals(_PENDING),
            on=_but("accept_input", "apply_boundary", "drop_input", "reset", "destroy"),
        ),
        Always(
            "C: a run completes only once a receipt names each of its inputs",
            _staged.equals(0),
            on=("complete_run",),
        ),
        Always(
            "a session that starts over afresh, or has ended, holds no input",
            _PENDING_THEN.equals(0),
            on=("reset", "archive", "destroy"),
        ),
        Sometimes("inputs wait while a run has others staged", (_queued > 0) & (_staged > 0)),
    )


def _retiring() -> tuple[Property, ...]:
    return (
        Always(
            "F: no input is admitted while a session drains, or before it begins",
            implies(_CLOSED | in_phase("unregistered", "stopped"), _PENDING_THEN <= _PENDING),
        ),
        Always(
            "F: a session that has retired stays so unless it is started over or ends",
            implies(_CLOSED, _CLOSED_THEN | goes_to("archived", "destroyed")),
            on=_but(*_RESTARTS),
        ),
        Always(
            "a session that is started over takes input again",
            ~_CLOSED_THEN & goes_to("idle", "attached"),
            on=_RESTARTS,
        ),
        Always(
            "only retiring closes a session to input",
            implies(_CLOSED_THEN, _CLOSED),
            on=_but("retire"),
        ),
        Always("retiring closes a session to input", _CLOSED_THEN, on=("retire",)),
        Always(
            "F: retiring never strands the commit of a run: the run goes on as it was",
            implies(_RUNNING, goes_to("running") & unchanged("run", "staged", "sequence")),
            on=("retire",),
        ),
        Always(
            "a session that drains runs only to work off its queue",
            implies(_CLOSED, Next("staged") > 0),
            on=("begin_run",),
        ),
        Always(
            "context comes in only during a run, or where one may follow",
            implies(_CLOSED & ~_RUNNING, _queued > 0),
            on=_CONTEXT,
        ),
        Always(
            "only a retired session without pending input is archived",
            in_phase("retired") & _PENDING.equals(0) & goes_to("archived"),
            on=("archive",),
        ),
        Sometimes("a session retires during a run", _RUNNING & _return_to.equals("retired")),
        AlwaysPossible(
            "F: from everywhere but destroyed, a session can still be archived",
            in_phase("archived"),
            given=~in_phase("destroyed"),
        ),
        AlwaysPossible(
            "F: no phase absorbs: a session that has not ended can run again and land a boundary",
            _RUNNING & (_sequence > 0),
            given=~_ENDED,
        ),
    )


def _phases() -> tuple[Property, ...]:
    everything = unchanged(
        *(PHASE.name, "run", "return_to", "cancel_requested", "queued", "staged", "sequence")
    )
    return (
        Always(
            "facts, context and checkpoints move nothing",
            everything,
            on=(*_CONTEXT, "checkpoint", "note"),
        ),
        Always(
            "registering again changes nothing",
            implies(~in_phase("unregistered"), everything),
            on=("register",),
        ),
        Always(
            "recovering changes nothing where no run was in flight",
            implies(~_RUNNING, everything),
            on=("recover",),
        ),
        Always(
            "only attaching binds an executor",
            implies(goes_to("attached"), in_phase("attached") | _return_to.equals("attached")),
            on=_but("attach"),
        ),
        Always(
            "attaching binds an executor, or lets a retired session work off its queue",
            goes_to("attached", "retired"),
            on=("attach",),
        ),
        Always("detaching leaves a session idle", goes_to("idle"), on=("detach",)),
        Always("stopping stops", goes_to("stopped"), on=_FAREWELLS),
        Always("destroying ends a session", goes_to("destroyed"), on=("destroy",)),
    )
