"""Testing helpers: for sessions, and for lifecycles of your own.

`given`, `when` and `then` test decisions. `validate_trace` says whether a log is a legal path of
a machine, `check_refinement` compares an implementation with its declaration exhaustively, and
`machine_test` drives the real thing with Hypothesis, which alone needs it installed.
"""

from typing import TYPE_CHECKING, Any

from perdure.testing.declared import Alternatives, Steps
from perdure.testing.refinement import (
    BoundReached,
    Concrete,
    Refinement,
    check_refinement,
)
from perdure.testing.scenarios import (
    NOW,
    SESSION_ID,
    Scenario,
    given,
    register,
    scripted_environment,
    turn,
)
from perdure.testing.traces import IllegalMove, Trace, validate_trace

if TYPE_CHECKING:
    from perdure.testing.generated import DeclaredOperation, MachineTest, machine_test

__all__ = [
    "NOW",
    "SESSION_ID",
    "Alternatives",
    "BoundReached",
    "Concrete",
    "DeclaredOperation",
    "IllegalMove",
    "MachineTest",
    "Refinement",
    "Scenario",
    "Steps",
    "Trace",
    "check_refinement",
    "given",
    "machine_test",
    "register",
    "scripted_environment",
    "turn",
    "validate_trace",
]

_NEEDS_HYPOTHESIS = ("MachineTest", "DeclaredOperation", "machine_test")


def __getattr__(name: str) -> Any:
    """Import what needs Hypothesis when it is asked for, and not before."""
    if name in _NEEDS_HYPOTHESIS:
        from perdure.testing import generated  # noqa: PLC0415 - only those who use it need it

        return getattr(generated, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
