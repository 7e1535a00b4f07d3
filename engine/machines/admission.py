"""Turn admission: who may run a turn of a live session in this process.

Invariants: one claim at a time; nothing waits in line; once shutting down, nothing new is admitted,
and a turn that runs is finished first.
"""

from typing import Final

from engine.machines.declaration import Machine
from engine.machines.expressions import Operand, Var
from engine.machines.vocabulary import Flag, row

_CLOSING: Final = Var("shutdown_requested")
_CLEARED: Final[dict[str, Operand]] = {"interrupt_requested": False}

ADMISSION: Final = Machine(
    name="admission",
    phases=("idle", "admitted", "running", "completing", "shut_down"),
    initial="idle",
    final=("shut_down",),
    variables=(Flag("interrupt_requested"), Flag("shutdown_requested")),
    rows=(
        row("claim", "idle", "admitted"),
        row("abort_claim", "admitted", "idle", updates=_CLEARED),
        row("begin", "admitted", "running"),
        row("resolve", "running", "completing"),
        row("finalise", "completing", "idle", guard=~_CLOSING, updates=_CLEARED),
        row("finalise", "completing", "shut_down", guard=_CLOSING, updates=_CLEARED),
        # An interrupt reaches a turn that is admitted or runs; one that completes is beyond it.
        row("request_interrupt", ("admitted", "running"), updates={"interrupt_requested": True}),
        # Shutting down waits for a turn that runs, and releases a claim that does not yet.
        row("request_shutdown", "idle", "shut_down"),
        row("request_shutdown", "admitted", "shut_down", updates=_CLEARED),
        row("request_shutdown", ("running", "completing"), updates={"shutdown_requested": True}),
    ),
)
