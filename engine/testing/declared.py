"""A declaration, interpreted word by word: the reference for everything in this kit.

Invariants: nothing here uses the compiled table that a running engine may use; which row a step is
comes from `evaluate`, where it leads from the reference authority. A step that is none (an unknown
verb, too few arguments) is no row, and no error.
"""

from collections.abc import Sequence
from typing import Any, Final

from perdure.machines import (
    Configuration,
    Machine,
    Row,
    Value,
    Var,
    Variable,
)
from perdure.machines.language.expressions import evaluate
from perdure.machines.language.vocabulary import arguments_problem
from perdure.machines.reference import Reference

Step = tuple[str, tuple[Value, ...]]
"""A verb and its arguments, in declared order."""

Steps = tuple[Step, ...]
"""The verbs that happened in one event, in order; none for an event that moves nothing."""

Alternatives = Sequence[Steps]
"""The sequences of steps that a request may stand for; the first legal one happens."""


class Declared:
    """A machine as its declaration reads; ``checked`` takes bounds at the explored size."""

    def __init__(self, machine: Machine, *, checked: bool = False) -> None:
        self.machine: Final = machine
        self.checked: Final = checked
        self.initial: Final = Configuration(
            machine.initial, tuple(variable.initial for variable in machine.variables)
        )
        self._names: Final = tuple(variable.name for variable in machine.variables)
        self._arguments: Final = {verb.name: verb.arguments for verb in machine.verbs}
        self._reference: Final = Reference(machine, checked=checked)
        self._known: Final[dict[Any, tuple[list[Row], Configuration | None]]] = {}

    def rows(self, here: Configuration, verb: str, arguments: tuple[Any, ...]) -> list[Row]:
        """Return the rows that fire on this step: one where it is legal, none where it is not."""
        return self._read(here, verb, arguments)[0]

    def step(
        self, here: Configuration, verb: str, arguments: tuple[Any, ...]
    ) -> Configuration | None:
        """Return where the step leads, or None where it is not legal."""
        return self._read(here, verb, arguments)[1]

    def _read(
        self, here: Configuration, verb: str, arguments: tuple[Any, ...]
    ) -> tuple[list[Row], Configuration | None]:
        """Return the results of `rows` and `step`, cached because interpreting is slow."""
        asked = (here, verb, tuple((type(value), value) for value in arguments))
        try:
            known = self._known.get(asked)
        except TypeError:  # no machine holds, or is given, values without a hash
            return [], None
        if known is None:
            rows = self._firing(here, verb, arguments)
            there = self._reference.step(here, verb, arguments) if rows else None
            known = self._known[asked] = rows, there
        return known

    def _firing(self, here: Configuration, verb: str, arguments: tuple[Any, ...]) -> list[Row]:
        declared = self._arguments.get(verb)
        if declared is None or arguments_problem(declared, arguments) is not None:
            return []
        held = self.held(here)
        given = self.given(verb, arguments)
        return [
            item
            for item in self.machine.all_rows()
            if (item.verb, item.source) == (verb, here.phase)
            and evaluate(item.guard, held, given, checked=self.checked)
            and not (isinstance(item.target, Var) and held[item.target.name] is None)
        ]

    def follow(self, here: Configuration, steps: Steps) -> Configuration | None:
        """Return where the steps lead, one after the other, or None where one is not legal."""
        there: Configuration | None = here
        for verb, arguments in steps:
            there = None if there is None else self.step(there, verb, arguments)
        return there

    def first_legal(
        self, here: Configuration, alternatives: Alternatives
    ) -> tuple[Steps, Configuration] | None:
        """Return the first of the alternatives that is legal, and where it leads."""
        for steps in alternatives:
            there = self.follow(here, steps)
            if there is not None:
                return steps, there
        return None

    def held(self, here: Configuration) -> dict[str, Value]:
        """Return the values of the variables by name, the phase among them."""
        return {"phase": here.phase, **dict(zip(self._names, here.values, strict=True))}

    def given(self, verb: str, arguments: tuple[Any, ...]) -> dict[str, Value]:
        """Return the arguments of a verb by name."""
        return {
            argument.name: value
            for argument, value in zip(self._arguments[verb], arguments, strict=True)
        }


def contains(variable: Variable, value: Any) -> bool:
    """Whether the checker explores the variable with this value."""
    return any(type(value) is type(one) and value == one for one in variable.domain())


def steps_text(steps: Steps) -> str:
    """Return steps as a person would write them."""
    return " then ".join(step_text(verb, arguments) for verb, arguments in steps) or "nothing"


def step_text(verb: str, arguments: tuple[Any, ...]) -> str:
    """Return a step as a person would write it."""
    return f"{verb}({', '.join(map(str, arguments))})" if arguments else verb
