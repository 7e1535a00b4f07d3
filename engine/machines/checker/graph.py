"""Graphs: the reachable states of a model and the steps between them, for other tools.

Invariants: states are numbered breadth first, the initial one 0; each enabled action with arguments
is an edge, also if it changes nothing; a graph is complete, or it is refused as too large.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from perdure.errors import InvalidArgument
from perdure.machines.checker.program import compile_model, step_arguments
from perdure.machines.checker.report import call, shown
from perdure.machines.checker.search import Budget, condition, search, stepping
from perdure.machines.language.composition import as_model
from perdure.machines.language.expressions import Value
from perdure.machines.language.machine import Machine
from perdure.machines.language.model import Model

LARGEST_GRAPH: Final = 20_000
_MEMORY_BYTES: Final = 1 << 30


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A reachable state: the value of each place, and whether every part is final."""

    state: dict[str, Value]
    final: bool


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """A step from one state to another, by their numbers."""

    source: int
    target: int
    verb: str
    arguments: dict[str, Value]


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """The reachable states of a model and its steps; state 0 is the initial one."""

    machine: str
    states: tuple[Node, ...]
    steps: tuple[Edge, ...]

    def dot(self) -> str:
        """Return the graph for Graphviz, without the steps that change nothing; ends are double."""
        return "\n".join((f"digraph {_quoted(self.machine)} {{", *self._lines(), "}\n"))

    def _lines(self) -> Iterator[str]:
        yield "  rankdir=LR; node [shape=box, fontname=monospace]; edge [fontname=monospace];"
        for number, node in enumerate(self.states):
            label = "\n".join(f"{name}={shown(value)}" for name, value in node.state.items())
            ends = ", peripheries=2" if node.final else ""
            yield f"  {number} [label={_quoted(label)}{ends}];"
        labels: dict[tuple[int, int], list[str]] = {}
        for step in self.steps:
            if step.source != step.target:
                between = labels.setdefault((step.source, step.target), [])
                between.append(call(step.verb, step.arguments))
        for (source, target), verbs in labels.items():
            yield f"  {source} -> {target} [label={_quoted(chr(10).join(verbs))}];"


def graph_of(
    machine: Machine | Model, *, instances: int = 1, max_states: int = LARGEST_GRAPH
) -> Graph:
    """Return the graph. Raises InvalidArgument for more than ``max_states`` states."""
    model = as_model(machine, instances)
    program = compile_model(model, ())
    found = search(program, Budget(max_states, _MEMORY_BYTES))
    if found.incomplete:
        raise InvalidArgument(
            f"{model.name} reaches {found.incomplete}, too many for a graph",
            parameter="max_states",
        )
    following = stepping(program)
    final = condition(program.tables.reduced(model.final))
    states = [state for level in found.levels for state in level]
    numbers = {state: number for number, state in enumerate(states)}
    return Graph(
        machine=model.name,
        states=tuple(
            Node(
                state=program.layout.unpacked(state),
                final=bool(final(program.layout.digits(state))),
            )
            for state in states
        ),
        steps=tuple(
            Edge(
                source=number,
                target=numbers[after],
                verb=program.steps[step].action.name,
                arguments=step_arguments(program.steps[step]),
            )
            for number, state in enumerate(states)
            for step, after in following(state)
        ),
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
