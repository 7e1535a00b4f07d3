"""The checkpointer gate: whether automatic checkpoints of a session are taken.

Invariants: a closed gate stays closed; archiving closes it for good.
"""

from typing import Final

from perdure.machines.language.machine import Machine
from perdure.machines.language.properties import Always, AlwaysPossible, goes_to, in_phase
from perdure.machines.language.vocabulary import row

GATE: Final = Machine(
    name="gate",
    phases=("armed", "cancelled", "closed"),
    initial="armed",
    final=("closed",),
    rows=(
        row("write", "armed"),
        row("cancel", ("armed", "cancelled"), "cancelled"),
        row("rearm", ("armed", "cancelled"), "armed"),
        row("close", ("armed", "cancelled"), "closed"),
    ),
    properties=(
        Always(
            "F: nothing is written through a gate that is cancelled or closed",
            in_phase("armed") & goes_to("armed"),
            on=("write",),
        ),
        Always(
            "a cancelled gate holds checkpoints back",
            goes_to("cancelled"),
            on=("cancel",),
        ),
        Always("a rearmed gate lets them through", goes_to("armed"), on=("rearm",)),
        Always("closing closes", goes_to("closed"), on=("close",)),
        AlwaysPossible(
            "a gate can be armed again until it is closed",
            in_phase("armed"),
            given=~in_phase("closed"),
        ),
    ),
)
