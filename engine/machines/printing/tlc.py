"""TLC's configurations: the values of the constants, and the properties that are checked.

Invariants: the bounded one takes the values that the checker takes, so the two can be compared;
the deep one takes larger values, no larger than a running engine's.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from perdure.machines.language.expressions import Bound
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model, model_of
from perdure.machines.printing.names import ascii_text
from perdure.machines.printing.tla import invariants, probes, temporal
from perdure.machines.printing.tla_words import words_of

_DEEPER: Final = 2


def tla_config(model: Machine | Model, *, deep: bool = False) -> str:
    """Return a configuration of TLC for the module that `tla` prints.

    ``deep`` takes larger bounds and one more id, for a longer run.
    """
    flat = model_of(model) if isinstance(model, Machine) else model
    return "\n".join(_lines(flat, deep=deep)) + "\n"


def deep_bound(bound: Bound) -> Bound:
    """Return the bound with the deep configuration's value."""
    value = max(bound.checked, min(bound.actual, bound.checked + _DEEPER))
    return msgspec.structs.replace(bound, checked=value)


def deep_ids(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids that the deep configuration takes: one more than the checker."""
    number = 1
    while f"id{number}" in ids:
        number += 1
    return (*ids, f"id{number}")


def _lines(model: Model, *, deep: bool) -> Iterator[str]:
    words = words_of(model)
    size = "larger than the checker's" if deep else "as the checker's"
    yield f"\\* {ascii_text(model.name)}: a configuration for TLC, with bounds {size}."
    yield "SPECIFICATION Spec"
    constants = [f"{words.none} = {words.none}"] if words.none else []
    for ids, name in words.ids():
        values = ", ".join(map(words.value, deep_ids(ids) if deep else ids))
        constants.append(f"{name} = {{{values}}}")
    for bound, name in words.bounds():
        constants.append(f"{name} = {deep_bound(bound).checked if deep else bound.checked}")
    yield from _section("CONSTANTS", constants)
    yield from _section("INVARIANTS", invariants(model))
    yield from _section("PROPERTIES", temporal(model))
    yield "\\* TLC looks for deadlocks unless told not to; a finished model stutters, and is none."
    for name in probes(model):
        yield f"\\* INVARIANT {name}   (to be violated: the trace is the witness)"


def _section(head: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield head
        yield from (f"    {line}" for line in found)
