"""The input lifecycle: what becomes of one input that a session has accepted.

Invariants: an input ends exactly once (consumed, superseded, coalesced or abandoned), and is never
queued again once a receipt names it.

Reading notes. A run stages an input; the boundary whose receipt names the input applies it; the end
of the run, whatever it is, consumes what was applied. A run that ends without a receipt for the
input rolls it back to the queue, at most as often as it may be staged.
"""

from typing import Final

from engine.machines.declaration import Machine
from engine.machines.expressions import Arg, Bound, Var
from engine.machines.vocabulary import Choice, Count, Identity, Verb, row

STAGING_LIMIT: Final = Bound("staging_limit", actual=3, checked=3)
"""An input that was staged this often without being applied is abandoned."""

_RUN: Final = Identity("run")
_LANE: Final = Choice("lane", ("queue", "steer"))
_OWN_RUN: Final = Var("run").equals(Arg("run"))
_attempts: Final = Var("attempts")

INPUT: Final = Machine(
    name="input",
    phases=(
        "offered",
        "accepted",
        "queued",
        "staged",
        "applied",
        "consumed",
        "superseded",
        "coalesced",
        "abandoned",
    ),
    initial="offered",
    final=("consumed", "superseded", "coalesced", "abandoned"),
    variables=(_LANE, _RUN, Count("attempts", STAGING_LIMIT)),
    verbs=(
        Verb("accept", (_LANE,)),
        Verb("stage", (_RUN,)),
        Verb("apply", (_RUN,)),
        Verb("consume", (_RUN,)),
        Verb("roll_back", (_RUN,)),
    ),
    rows=(
        row("accept", "offered", "accepted", updates={"lane": Arg("lane")}),
        row("queue", "accepted", "queued"),
        row(
            "stage",
            "queued",
            "staged",
            guard=_attempts < STAGING_LIMIT,
            updates={"run": Arg("run"), "attempts": _attempts + 1},
        ),
        row("apply", "staged", "applied", guard=_OWN_RUN),
        row("consume", "applied", "consumed", guard=_OWN_RUN),
        row(
            "roll_back",
            "staged",
            "queued",
            guard=_OWN_RUN & (_attempts < STAGING_LIMIT),
            updates={"run": None},
        ),
        row(
            "roll_back",
            "staged",
            "abandoned",
            guard=_OWN_RUN & _attempts.equals(STAGING_LIMIT),
            updates={"run": None},
        ),
        row("supersede", ("accepted", "queued"), "superseded"),
        row("coalesce", ("accepted", "queued"), "coalesced"),
        row("abandon", ("accepted", "queued"), "abandoned"),
        row("abandon", "staged", "abandoned", updates={"run": None}),
    ),
)
