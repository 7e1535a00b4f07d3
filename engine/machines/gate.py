"""The checkpointer gate: whether automatic checkpoints of a session are taken.

Invariants: a closed gate stays closed; archiving closes it for good.
"""

from typing import Final

from engine.machines.declaration import Machine
from engine.machines.vocabulary import row

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
)
