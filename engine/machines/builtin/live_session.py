"""The machines of perdure together: several sessions, and one live session with all it works with.

Invariants: a live session's step is one commit of the engine: it moves the session, the input, the
claim of the turn and the checkpointer gate together, or none of them.
One input stands for each of them: they meet only in the counts that the session keeps.

Reading notes. An end of a run comes in kinds, by what becomes of the input: it is not in the run,
or a receipt names it (it is consumed), or none does (it is given back, or given up when it was
staged too often).
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from perdure.machines.builtin.admission import ADMISSION
from perdure.machines.builtin.checkpointer_gate import GATE
from perdure.machines.builtin.input import INPUT, STAGING_LIMIT
from perdure.machines.builtin.live_session_properties import (
    input_in,
    live_session_properties,
    session_in,
)
from perdure.machines.builtin.session import SESSION
from perdure.machines.language.composition import (
    Synchronisation,
    compose,
    every,
    instances,
    some,
    within,
)
from perdure.machines.language.expressions import TRUE, Arg, Expression, Var
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import LeftOut, Model
from perdure.machines.language.properties import Sometimes, in_phase

_attempts: Final = Var("input.attempts")
_RUNNING: Final = session_in("running")
_ABSENT: Final = ~input_in("staged", "applied")
_ONE: Final = Arg("inputs").equals(1)
_NONE: Final = Arg("inputs").equals(0)

_UNFINISHED: Final = (
    *("fail_run", "cancel_run", "roll_back_run", "recover"),
    *("stop", "executor_exited"),
)
"""The ways in which a run ends other than well."""


def _endings() -> Iterator[Synchronisation]:
    """Yield the ends of a run, each with what becomes of its input and its claim."""
    for verb in ("complete_run", *_UNFINISHED):
        yield _ending(verb, "", {}, _ABSENT)
        yield _ending(verb, "_consuming", {"input": "consume"}, TRUE)
    for verb in _UNFINISHED:
        rolled, last = {"input": "roll_back"}, _attempts.equals(STAGING_LIMIT)
        yield _ending(verb, "_giving_back", rolled, ~last)
        yield _ending(verb, "_giving_up", rolled, last)


def _ending(verb: str, kind: str, others: dict[str, str], when: Expression) -> Synchronisation:
    """Return one kind of end; an input that is given up leaves the queue it was given back to."""
    verbs = (verb, "drop_input") if kind == "_giving_up" else (verb,)
    of_run = verb.endswith("_run")
    return Synchronisation(
        name=f"{verb}{kind}" if of_run else f"{verb}_running{kind}",
        verbs={"session": verbs, **others, "admission": "resolve"},
        when=when if of_run else when & _RUNNING,
    )


def _steps() -> Iterator[Synchronisation]:
    """Yield the other joint steps."""
    yield Synchronisation(
        name="accept_input", verbs={"session": "accept_input", "input": ("accept", "queue")}
    )
    yield Synchronisation(
        name="begin_run", verbs={"session": "begin_run", "admission": "begin"}, when=_NONE
    )
    yield Synchronisation(
        name="begin_run_staging",
        verbs={"session": "begin_run", "input": "stage", "admission": "begin"},
        when=_ONE,
    )
    yield Synchronisation(
        name="apply_boundary",
        verbs={"session": "apply_boundary"},
        when=_NONE & ~input_in("staged"),
    )
    yield Synchronisation(
        name="apply_boundary_naming_input",
        verbs={"session": "apply_boundary", "input": "apply"},
    )
    yield Synchronisation(
        name="apply_boundary_steering",
        verbs={"session": "apply_boundary", "input": "stage"},
        when=_ONE & Var("input.lane").equals("steer"),
    )
    for verb in ("supersede", "coalesce", "abandon"):
        yield Synchronisation(
            name=f"{verb}_input",
            verbs={"session": "drop_input", "input": verb},
            when=input_in("queued"),
        )
    for verb in ("interrupt", "recover", "stop", "executor_exited"):
        yield Synchronisation(name=verb, verbs={"session": verb}, when=~_RUNNING)
    yield Synchronisation(
        name="interrupt_running",
        verbs={"session": "interrupt", "admission": "request_interrupt"},
        when=_RUNNING & within("admission", in_phase("running")),
    )
    yield Synchronisation(name="checkpoint", verbs={"session": "checkpoint", "gate": "write"})
    yield Synchronisation(name="archive", verbs={"session": "archive", "gate": "close"})


def _starting_over() -> Iterator[Synchronisation]:
    """Yield resets and destructions, which abandon the input unless a receipt names it."""
    abandon = {"input": "abandon"}
    waiting, at_rest = input_in("queued"), ~_RUNNING
    yield Synchronisation(name="reset", verbs={"session": "reset"}, when=~waiting)
    yield Synchronisation(
        name="reset_abandoning", verbs={"session": "reset", **abandon}, when=waiting
    )
    closing = {"session": "destroy", "gate": "close"}
    yield Synchronisation(name="destroy", verbs=closing, when=at_rest & ~waiting)
    yield Synchronisation(
        name="destroy_abandoning", verbs=closing | abandon, when=at_rest & waiting
    )
    ending = closing | {"admission": "resolve"}
    yield Synchronisation(name="destroy_running", verbs=ending, when=_RUNNING & _ABSENT & ~waiting)
    yield Synchronisation(
        name="destroy_running_abandoning",
        verbs=ending | abandon,
        when=_RUNNING & input_in("queued", "staged"),
    )
    yield Synchronisation(
        name="destroy_running_consuming", verbs=ending | {"input": "consume"}, when=_RUNNING
    )


STEPS: Final = (*_steps(), *_endings(), *_starting_over())
"""The joint steps of a live session."""

_ENDINGS: Final = tuple(sync.name for sync in _endings())
_BOUNDARIES: Final = tuple(s.name for s in _steps() if s.name.startswith("apply_boundary"))
_ALONE: Final = tuple(
    f"session.{verb}"
    for verb in (
        *("register", "attach", "detach", "cancel_after_boundary", "append_context"),
        *("stage_context", "stage_tool_results", "note", "retire", "recycle"),
    )
)


LEFT_OUT: Final = (
    *(
        LeftOut("input", verb, ("accepted",), "the step that accepts an input queues it too")
        for verb in ("supersede", "coalesce", "abandon")
    ),
    LeftOut(
        "admission",
        "request_interrupt",
        ("admitted",),
        "only a session that runs is asked to make way, and its turn has begun",
    ),
)
"""Rows of the parts that no step of a live session is meant to have."""


def live(
    *,
    session: Machine = SESSION,
    taken: Machine = INPUT,
    admission: Machine = ADMISSION,
    gate: Machine = GATE,
    steps: tuple[Synchronisation, ...] = STEPS,
) -> Model:
    """Return a live session with an input, the claim of its turn, and its checkpointer gate."""
    return compose(
        "live",
        {"session": session, "input": taken, "admission": admission, "gate": gate},
        together=steps,
        properties=live_session_properties(
            _ENDINGS, _BOUNDARIES, (*(step.name for step in STEPS), *_ALONE)
        ),
        fair=(
            *(name for name in _ENDINGS if name.startswith("fail_run")),
            "admission.finalise",
        ),
        final=session_in("archived", "destroyed"),
        left_out=LEFT_OUT,
    )


def sessions(session: Machine = SESSION) -> Model:
    """Return two sessions side by side, neither of which is in the other's way."""
    both = ("session1", "session2")
    running, archived = in_phase("running"), in_phase("archived")
    return msgspec.structs.replace(
        instances(
            session,
            len(both),
            properties=(
                Sometimes("two sessions run at once", every(both, running)),
                Sometimes(
                    "one session runs while another is archived",
                    some(both, running) & some(both, archived),
                ),
            ),
        ),
        name="sessions",
    )
