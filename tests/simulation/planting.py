"""Planting faults in the engine, and looking whether the runs of the suite find them."""

import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
import pytest

from perdure.aggregates import Session, SessionEvent
from perdure.aggregates.session import evolve as evolving

from .seeds import run

SEEDS: Final = 200
"""Fewer than the suite runs, which find nothing where nothing is planted."""

Changed = TypeVar("Changed", bound=msgspec.Struct)
Plant = pytest.MonkeyPatch
Fault = Callable[[Plant], None]


def assert_found(fault: Fault, plant: Plant, guarantees: set[str]) -> None:
    """Plant a fault, and assert that the first violation is of a guarantee that it breaks."""
    fault(plant)
    found = (run(seed).violation for seed in range(SEEDS))
    first = next((violation for violation in found if violation is not None), None)
    assert first is not None, "the runs find nothing"
    assert first.split(":")[0] in guarantees, first


def changed(struct: Changed, **changes: Any) -> Changed:
    """Return a struct with some fields changed."""
    return msgspec.structs.replace(struct, **changes)


def folded(plant: Plant, change: Callable[[Session, SessionEvent, Session], Session]) -> None:
    """Change every fold of an event, wherever it is folded."""
    evolve = evolving.evolve

    def otherwise(state: Session, event: SessionEvent) -> Session:
        return change(state, event, evolve(state, event))

    for module in list(sys.modules.values()):
        if getattr(module, "evolve", None) is evolve:
            plant.setattr(module, "evolve", otherwise)
