"""Turn admission: who may run a turn of a live session in this process.

Invariants: one claim at a time; nothing waits in line; once shutting down, nothing new is admitted,
and a turn that runs is finished first.
"""

from typing import Final

from perdure.machines.language.expressions import Next, Operand, Var
from perdure.machines.language.machine import Machine
from perdure.machines.language.properties import (
    Always,
    AlwaysPossible,
    LeadsTo,
    Sometimes,
    goes_to,
    implies,
    in_phase,
)
from perdure.machines.language.vocabulary import Flag, row

_CLOSING: Final = Var("shutdown_requested")
_INTERRUPTING: Final = Var("interrupt_requested")
_SHUT: Final = in_phase("shut_down")
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
    properties=(
        Always(
            "one claim at a time: a turn is admitted where none is, and begins once it is admitted",
            (in_phase("idle") & goes_to("admitted")) | (in_phase("admitted") & goes_to("running")),
            on=("claim", "begin"),
        ),
        Always(
            "F: nothing is admitted once shutting down",
            implies(_CLOSING | _SHUT, ~goes_to("admitted")),
        ),
        Always(
            "a turn that runs is finished, whatever is requested meanwhile",
            implies(
                in_phase("running"),
                goes_to("running", "completing"),
            ),
        ),
        Always(
            "an interrupt is requested of a turn, and forgotten with it",
            implies(_INTERRUPTING, in_phase("admitted", "running", "completing")),
        ),
        Always(
            "a request to interrupt is heard",
            Next("interrupt_requested"),
            on=("request_interrupt",),
        ),
        Always(
            "a request to interrupt stands until the turn is over",
            implies(
                _INTERRUPTING,
                Next("interrupt_requested") | goes_to("idle", "shut_down"),
            ),
        ),
        Always(
            "no turn is interrupted unasked",
            implies(Next("interrupt_requested"), _INTERRUPTING),
            on=(
                *("claim", "abort_claim", "begin", "resolve", "finalise"),
                "request_shutdown",
            ),
        ),
        Always(
            "a request to shut down is heard",
            Next("shutdown_requested") | goes_to("shut_down"),
            on=("request_shutdown",),
        ),
        Always(
            "only a turn that has begun can hold up shutting down",
            implies(_CLOSING, in_phase("running", "completing", "shut_down")),
        ),
        Always(
            "nothing shuts down unasked",
            implies(Next("shutdown_requested") | goes_to("shut_down"), _CLOSING),
            on=(
                *("claim", "abort_claim", "begin", "resolve", "finalise"),
                "request_interrupt",
            ),
        ),
        Sometimes("a turn is asked to stop and to be the last at once", _INTERRUPTING & _CLOSING),
        AlwaysPossible("shutting down stays possible", _SHUT),
        AlwaysPossible(
            "another turn can be admitted unless shutting down",
            in_phase("admitted"),
            given=~_CLOSING & ~_SHUT,
        ),
        LeadsTo("a requested shutdown comes at last, if turns are finished", _CLOSING, _SHUT),
        LeadsTo(
            "a turn that runs makes way at last, if turns are finished",
            in_phase("running"),
            in_phase("idle", "shut_down"),
        ),
    ),
    fair=("resolve", "finalise"),
)
