"""The reference model: one small session, on whose counts every independent checker agrees.

44 states and 240 generated for one instance, 85,184 and 1,388,113 for three.
"""

from typing import Final

from perdure.machines import (
    PHASE,
    Always,
    AlwaysPossible,
    Bound,
    Choice,
    Count,
    Expression,
    Flag,
    Machine,
    Model,
    Sometimes,
    Synchronisation,
    Var,
    compose,
    every,
    implies,
    in_phase,
    row,
)

_CAPACITY: Final = Bound("capacity", actual=2, checked=2)
_pending, _return_to = Var("pending"), Var("return_to")
_gate, _cancel = Var("gate"), Var("cancel_requested")

_REGISTERED: Final = ("idle", "attached", "running", "retired")
_OVER: Final = {"return_to": None, "cancel_requested": False}

REFERENCE: Final = Machine(
    name="reference",
    phases=("unregistered", *_REGISTERED, "archived"),
    initial="unregistered",
    final=("archived",),
    variables=(
        Flag("cancel_requested"),
        Choice("gate", ("armed", "cancelled"), "armed"),
        Count("pending", _CAPACITY),
        Choice("return_to", ("idle", "attached", "retired")),
    ),
    rows=(
        row("register", "unregistered", "idle"),
        row("attach", "idle", "attached"),
        row("detach", "attached", "idle"),
        row(
            "enqueue",
            ("idle", "attached", "running"),
            guard=_pending < _CAPACITY,
            updates={"pending": _pending + 1},
        ),
        *(
            row("start", phase, "running", guard=_pending > 0, updates={"return_to": phase})
            for phase in ("idle", "attached", "retired")
        ),
        row("request_cancel", "running", updates={"cancel_requested": True}),
        row("commit", "running", _return_to, updates=_OVER | {"pending": _pending - 1}),
        row("fail", "running", _return_to, updates=_OVER),
        row("gate_cancel", _REGISTERED, updates={"gate": "cancelled"}),
        row("gate_rearm", _REGISTERED, updates={"gate": "armed"}),
        row("retire", ("idle", "attached"), "retired"),
        row("retire", "running", updates={"return_to": "retired"}),
        row(
            "archive",
            "retired",
            "archived",
            guard=_pending.equals(0),
            updates={"gate": "cancelled"},
        ),
    ),
    properties=(
        Always(
            "archived has nothing pending and its gate cancelled",
            implies(in_phase("archived"), _pending.equals(0) & _gate.equals("cancelled")),
        ),
        Always(
            "running exactly when a phase is remembered",
            implies(in_phase("running"), _return_to.differs(None))
            & implies(_return_to.differs(None), in_phase("running")),
        ),
        Always("a cancel is asked for only while running", implies(_cancel, in_phase("running"))),
        Sometimes("a run drains", in_phase("running") & _return_to.equals("retired")),
        AlwaysPossible("an end can be reached", in_phase("archived")),
    ),
)


def looking_across(count: int) -> Model:
    """Return instances that look at each other: one runs at a time, and all share a capacity."""
    names = tuple(f"session{number}" for number in range(1, count + 1))
    total: Expression = Var(f"{names[0]}.pending")
    for name in names[1:]:
        total = total + Var(f"{name}.pending")
    return compose(
        f"reference x {count}, looking across",
        dict.fromkeys(names, REFERENCE),
        together=(
            *(
                Synchronisation(
                    name=f"start_{name}",
                    verbs={name: "start"},
                    when=every(
                        (other for other in names if other != name), PHASE.differs("running")
                    ),
                )
                for name in names
            ),
            *(
                Synchronisation(
                    name=f"enqueue_{name}", verbs={name: "enqueue"}, when=total < count + 1
                )
                for name in names
            ),
        ),
    )
