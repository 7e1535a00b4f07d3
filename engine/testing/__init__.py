"""Testing helpers: for sessions, for lifecycles of your own, and for stores of your own.

`given`, `when` and `then` test decisions. `validate_trace` says whether a log is a legal path of
a machine, `check_refinement` compares an implementation with its declaration exhaustively, and
`machine_test` drives the real thing with Hypothesis, which alone needs it installed.
`StoreConformance` is the suite that every store passes.
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
    from perdure.testing.conformance import StoreConformance
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
    "StoreConformance",
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
    """Import the parts that few tests use when they are asked for, and not before."""
    if name in _NEEDS_HYPOTHESIS:
        from perdure.testing import generated  # noqa: PLC0415 - only those who use it need it

        return getattr(generated, name)
    if name == "StoreConformance":
        from perdure.testing import conformance  # noqa: PLC0415 - it imports the whole engine

        return conformance.StoreConformance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
