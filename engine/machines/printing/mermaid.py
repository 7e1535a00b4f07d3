"""Mermaid: a machine as a state diagram, a composition as its parts and their joint steps.

Invariants: an edge is drawn for each pair of phases that some row leads between, with every such
verb on it; a verb that stays in the phase is not drawn.
"""

from collections.abc import Iterator
from typing import Final

from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model
from perdure.machines.printing.names import Names, identifier
from perdure.machines.printing.rules import by_name

_RESERVED: Final = frozenset(
    [
        "end",
        "state",
        "note",
        "class",
        "classDef",
        "direction",
        "as",
        "fork",
        "join",
        "choice",
        "default",
        "style",
        "click",
        "subgraph",
        "graph",
        "flowchart",
        "linkStyle",
    ]
)


def mermaid(model: Machine | Model) -> str:
    """Return the diagram's text. A composition is drawn as parts, joined where they synchronise."""
    lines = _machine(model) if isinstance(model, Machine) else _composition(model)
    return "\n".join(lines) + "\n"


def edges_of(machine: Machine) -> dict[tuple[str, str], list[str]]:
    """Return the verbs that lead from one phase to another, in declared order."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in machine.all_rows():
        for target in machine.targets(item):
            if target == item.source:
                continue
            verbs = found.setdefault((item.source, target), [])
            if item.verb not in verbs:
                verbs.append(item.verb)
    return found


def _machine(machine: Machine) -> Iterator[str]:
    names = Names(_RESERVED)
    called = {phase: names.take(identifier(phase)) for phase in machine.phases}
    yield f"%% {machine.name}: verbs that leave the phase as it is are left out."
    yield "stateDiagram-v2"
    for phase, name in called.items():
        if name != phase:
            yield f'  state "{phase}" as {name}'
    yield f"  [*] --> {called[machine.initial]}"
    for (source, target), verbs in edges_of(machine).items():
        yield f"  {called[source]} --> {called[target]}: {', '.join(verbs)}"
    for phase in machine.final:
        yield f"  {called[phase]} --> [*]"


def _composition(model: Model) -> Iterator[str]:
    names = Names(_RESERVED)
    called = {part: names.take(identifier(part)) for part in _parts(model)}
    yield f"%% {model.name}: the parts, and what two or more of them do in one step."
    yield "flowchart LR"
    for part, name in called.items():
        yield f'  {name}["{part}"]'
    for action, group in by_name(model).items():
        verbs = {part: item.verb for part, item in group[0].rows}
        if len(verbs) < 2:  # noqa: PLR2004 - a step of one part joins nothing
            continue
        node = names.take(f"{identifier(action)}_together")
        yield f'  {node}(["{action}"])'
        for part, verb in verbs.items():
            label = f"-- {verb} --- " if verb != action else "--- "
            yield f"  {called[part]} {label}{node}"


def _parts(model: Model) -> dict[str, None]:
    return dict.fromkeys(place.part for place in model.places)
