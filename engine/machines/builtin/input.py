"""The input lifecycle: what becomes of one input that a session has accepted.

Invariants: an input ends exactly once (consumed, superseded, coalesced or abandoned), and is never
queued again once a receipt names it.

Reading notes. A run stages an input; the boundary whose receipt names the input applies it; any
end of the run consumes the applied input. A run that ends without a receipt for the
input rolls it back to the queue, at most as often as it may be staged.
"""

from typing import Final

from perdure.machines.language.expressions import Arg, Bound, Next, Var
from perdure.machines.language.machine import Machine
from perdure.machines.language.properties import (
    Always,
    AlwaysPossible,
    LeadsTo,
    Sometimes,
    exactly,
    goes_to,
    implies,
    in_phase,
    unchanged,
)
from perdure.machines.language.vocabulary import Choice, Count, Identity, Verb, row

STAGING_LIMIT: Final = Bound("staging_limit", actual=3, checked=3)
"""An input that was staged this often without being applied is abandoned."""

_RUN: Final = Identity("run")
_LANE: Final = Choice("lane", ("queue", "steer"))
_OWN_RUN: Final = Var("run").equals(Arg("run"))
_run, _attempts = Var("run"), Var("attempts")

_OF_A_RUN: Final = ("stage", "apply", "consume", "roll_back")
_DROPS: Final = ("supersede", "coalesce", "abandon")

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
    properties=(
        Always(
            "C: an input that a receipt names is never queued again, dropped or given back",
            implies(
                in_phase("applied"),
                goes_to("applied", "consumed"),
            ),
        ),
        Always(
            "C: only an input that a receipt names is consumed",
            in_phase("applied") & goes_to("consumed"),
            on=("consume",),
        ),
        Always(
            "an input belongs to a run from when it is staged, and for good once it is applied",
            exactly(_run.differs(None), in_phase("staged", "applied", "consumed")),
        ),
        Always(
            "an input moves with the run that staged it, and with no other",
            implies(_run.differs(None), _run.equals(Arg("run"))),
            on=_OF_A_RUN,
        ),
        Always(
            "an input is staged to the run that asked for it",
            Next("run").equals(Arg("run")),
            on=("stage",),
        ),
        Always(
            "each time that an input is staged counts",
            Next("attempts").equals(_attempts + 1),
            on=("stage",),
        ),
        Always(
            "nothing else counts as staging",
            unchanged("attempts"),
            on=("accept", "queue", "apply", "consume", "roll_back", *_DROPS),
        ),
        Always(
            "an input waits only while it may be staged again",
            implies(in_phase("queued"), _attempts < STAGING_LIMIT),
        ),
        Always(
            "rolling back gives up no input before it was staged as often as it may be",
            goes_to("queued") | _attempts.equals(STAGING_LIMIT),
            on=("roll_back",),
        ),
        Always(
            "what is superseded, coalesced or abandoned has ended",
            goes_to("superseded", "coalesced", "abandoned"),
            on=_DROPS,
        ),
        Always(
            "an input goes into the lane it was accepted for",
            Next("lane").equals(Arg("lane")),
            on=("accept",),
        ),
        Always(
            "an input keeps its lane",
            unchanged("lane"),
            on=("queue", *_OF_A_RUN, *_DROPS),
        ),
        Sometimes(
            "an input is consumed though it was rolled back",
            in_phase("consumed") & (_attempts > 1),
        ),
        Sometimes(
            "an input is given up, having been staged as often as it may be",
            in_phase("abandoned") & _attempts.equals(STAGING_LIMIT),
        ),
        AlwaysPossible(
            "an input that has not been dropped can still be consumed",
            in_phase("consumed"),
            given=~in_phase("superseded", "coalesced", "abandoned"),
        ),
        LeadsTo(
            "an input that a receipt names is consumed at last",
            in_phase("applied"),
            in_phase("consumed"),
        ),
    ),
    fair=("consume",),
)
