"""The session lifecycle, declared: every phase a session has and every verb that moves it.

Invariants: this is the only place where the law of a session is written. The runtime authority,
the fold, the audit and the specifications all derive from it.

Reading notes. ``return_to`` remembers the phase a run left, so that ending the run goes back
there; retiring during a run only changes the remembered phase, and so never strands the run's
commit. A stopped session remembers in it that it was retired, so that reviving it does not let new
input in. ``queued`` and ``staged`` count inputs, and the session admits no more than
``input_capacity`` of both together, so a run that gives its inputs back always has room. A boundary
applies all staged inputs, and stages those that it steers into the run; so a run that does not
complete gives back exactly the inputs that no receipt of it names. ``sequence`` numbers the
receipts of a run.
"""

from typing import Final

from perdure.machines.authority import Authority
from perdure.machines.builtin.session_properties import session_properties
from perdure.machines.language.expressions import Arg, Bound, Operand, Var
from perdure.machines.language.machine import Machine
from perdure.machines.language.vocabulary import Choice, Count, Flag, Identity, Verb, row

INPUT_CAPACITY: Final = Bound("input_capacity", actual=1024, checked=2)
BOUNDARY_CAPACITY: Final = Bound("boundary_capacity", actual=1_000_000, checked=2)
"""A run lands no more boundaries than this."""

_RUN: Final = Identity("run")
_INPUTS: Final = Count("inputs", INPUT_CAPACITY)

_run, _return_to = Var("run"), Var("return_to")
_queued, _staged, _sequence = Var("queued"), Var("staged"), Var("sequence")

_CURRENT: Final = _run.equals(Arg("run"))
_DRAINING: Final = _return_to.equals("retired")
_ROOM: Final = (_queued + _staged) < INPUT_CAPACITY
_TAKES: Final = Arg("inputs") <= _queued

_INTERRUPTED: Final[dict[str, Operand]] = {"run": None, "cancel_requested": False, "sequence": 0}
_RUN_OVER: Final[dict[str, Operand]] = _INTERRUPTED | {"return_to": None}
_GIVEN_BACK: Final[dict[str, Operand]] = {"queued": _queued + _staged, "staged": 0}
_ABANDONED: Final[dict[str, Operand]] = {"queued": 0}
_REVIVED: Final[dict[str, Operand]] = {"return_to": None}
_BEGUN: Final[dict[str, Operand]] = {
    "run": Arg("run"),
    "queued": _queued - Arg("inputs"),
    "staged": Arg("inputs"),
}
_LIVE: Final = ("idle", "attached", "running", "retired")

SESSION: Final = Machine(
    name="session",
    phases=(
        "unregistered",
        "idle",
        "attached",
        "running",
        "retired",
        "stopped",
        "archived",
        "destroyed",
    ),
    initial="unregistered",
    final=("archived", "destroyed"),
    variables=(
        _RUN,
        Choice("return_to", ("idle", "attached", "retired")),
        Flag("cancel_requested"),
        Count("queued", INPUT_CAPACITY),
        Count("staged", INPUT_CAPACITY),
        Count("sequence", BOUNDARY_CAPACITY),
    ),
    verbs=(
        Verb("begin_run", (_RUN, _INPUTS)),
        Verb("apply_boundary", (_RUN, _INPUTS)),
        Verb("complete_run", (_RUN,)),
        Verb("fail_run", (_RUN,)),
        Verb("cancel_run", (_RUN,)),
        Verb("roll_back_run", (_RUN,)),
        Verb("drop_input", (_INPUTS,)),
        Verb("interrupt", restricted=True),
        Verb("cancel_after_boundary", restricted=True),
    ),
    rows=(
        row("register", "unregistered", "idle"),
        row("register", (*_LIVE, "stopped")),
        # An executor is bound; a stopped session revives attached, or retired if it had retired.
        row("attach", "idle", "attached"),
        row("attach", ("attached", "retired")),
        row("attach", "stopped", "attached", guard=~_DRAINING),
        row("attach", "stopped", "retired", guard=_DRAINING, updates=_REVIVED),
        row("detach", "attached", "idle"),
        # Input is admitted only while nothing drains.
        row(
            "accept_input",
            ("idle", "attached"),
            guard=_ROOM,
            updates={"queued": _queued + 1},
        ),
        row(
            "accept_input",
            "running",
            guard=_ROOM & ~_DRAINING,
            updates={"queued": _queued + 1},
        ),
        # Queued input that will not be processed: superseded, coalesced or abandoned.
        row(
            "drop_input",
            (*_LIVE, "stopped"),
            guard=(Arg("inputs") > 0) & _TAKES,
            updates={"queued": _queued - Arg("inputs")},
        ),
        # A run: begun from a resting phase, ended back into it.
        row("begin_run", "idle", "running", guard=_TAKES, updates=_BEGUN | {"return_to": "idle"}),
        row(
            "begin_run",
            "attached",
            "running",
            guard=_TAKES,
            updates=_BEGUN | {"return_to": "attached"},
        ),
        row(
            "begin_run",
            "retired",
            "running",
            guard=(Arg("inputs") > 0) & _TAKES,
            updates=_BEGUN | {"return_to": "retired"},
        ),
        row(
            "apply_boundary",
            "running",
            guard=_CURRENT & _TAKES & (_sequence < BOUNDARY_CAPACITY),
            updates={
                "queued": _queued - Arg("inputs"),
                "staged": Arg("inputs"),
                "sequence": _sequence + 1,
            },
        ),
        row(
            "complete_run",
            "running",
            _return_to,
            guard=_CURRENT & _staged.equals(0),
            updates=_RUN_OVER,
        ),
        row("fail_run", "running", _return_to, guard=_CURRENT, updates=_RUN_OVER | _GIVEN_BACK),
        row("cancel_run", "running", _return_to, guard=_CURRENT, updates=_RUN_OVER | _GIVEN_BACK),
        row(
            "roll_back_run", "running", _return_to, guard=_CURRENT, updates=_RUN_OVER | _GIVEN_BACK
        ),
        *(
            group
            for verb in ("interrupt", "cancel_after_boundary")
            for group in (
                row(verb, "attached"),
                row(verb, "running", updates={"cancel_requested": True}),
            )
        ),
        # Context may come in whenever a run may still follow.
        *(
            group
            for verb in ("append_context", "stage_context", "stage_tool_results")
            for group in (
                row(verb, ("idle", "attached", "running")),
                row(verb, "stopped", guard=~_DRAINING | (_queued > 0)),
                row(verb, "retired", guard=_queued > 0),
            )
        ),
        row("checkpoint", (*_LIVE, "stopped")),
        # Facts that move nothing: membership of a group, a filter staged, a call given up.
        row("note", (*_LIVE, "stopped")),
        # Retiring never strands a run in flight; archiving needs the queue drained.
        row("retire", ("idle", "attached"), "retired"),
        row("retire", "stopped", "retired", updates=_REVIVED),
        row("retire", "running", updates={"return_to": "retired"}),
        row("retire", "retired"),
        row("archive", "retired", "archived", guard=_queued.equals(0)),
        # The executor is gone; a run in flight is interrupted and gives its inputs back.
        *(
            group
            for verb in ("stop", "executor_exited")
            for group in (
                row(verb, ("idle", "attached"), "stopped"),
                row(verb, "retired", "stopped", updates={"return_to": "retired"}),
                row(
                    verb,
                    "running",
                    "stopped",
                    guard=~_DRAINING,
                    updates=_RUN_OVER | _GIVEN_BACK,
                ),
                row(
                    verb,
                    "running",
                    "stopped",
                    guard=_DRAINING,
                    updates=_INTERRUPTED | _GIVEN_BACK,
                ),
            )
        ),
        row("recover", "running", _return_to, updates=_RUN_OVER | _GIVEN_BACK),
        row("recover", ("idle", "attached", "retired", "stopped")),
        # Starting over: with the pending input abandoned, or carried along.
        row("reset", "attached", updates=_ABANDONED),
        row("reset", ("idle", "retired"), "idle", updates=_ABANDONED),
        row("reset", "stopped", "idle", updates=_ABANDONED | _REVIVED),
        row("recycle", "attached"),
        row("recycle", ("idle", "retired"), "idle"),
        row("recycle", "stopped", "idle", updates=_REVIVED),
        row("destroy", ("idle", "attached", "retired"), "destroyed", updates=_ABANDONED),
        row("destroy", "running", "destroyed", updates=_RUN_OVER | _ABANDONED | {"staged": 0}),
        row("destroy", "stopped", "destroyed", updates=_ABANDONED | _REVIVED),
    ),
    properties=session_properties(INPUT_CAPACITY),
    fair=("fail_run",),
)

LIFECYCLE: Final = Authority(SESSION)
"""The one authority over sessions."""
