"""Declare a lifecycle: phases, variables, verbs and rows, all as data.

Invariants: a `Machine` that exists is well formed. Every phase is reachable and leads on to a
final one; no verb has two outcomes; every name a row reads or writes is declared, every value it
compares or writes is of the right kind, and every variable a guard reads is written by some row.
What is malformed cannot be built, and the error names the row.
"""

import itertools
from collections.abc import Iterator, Sequence
from types import UnionType

import msgspec

from perdure.errors import InvalidMachine
from perdure.machines.language.expressions import Value, Var
from perdure.machines.language.properties import Property
from perdure.machines.language.validation import validate
from perdure.machines.language.vocabulary import Row, Variable, Verb


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A declared lifecycle.

    ``rows`` takes `Row` values or the groups that `row` returns. Verbs without arguments need no
    declaration. ``fair`` names the verbs that happen at last once they stay possible, for what
    leads to something. Raises InvalidMachine, naming the row, when the declaration is malformed.
    """

    name: str
    phases: tuple[str, ...]
    initial: str
    final: tuple[str, ...]
    rows: tuple[Row | tuple[Row, ...], ...]
    variables: tuple[Variable, ...] = ()
    verbs: tuple[Verb, ...] = ()
    properties: tuple[Property, ...] = ()
    fair: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Flatten the rows, declare the verbs they imply, and refuse what is malformed."""
        _check_shape(self)
        flat = tuple(
            itertools.chain.from_iterable(
                (item,) if isinstance(item, Row) else item for item in self.rows
            )
        )
        declared = {verb.name for verb in self.verbs}
        implied = dict.fromkeys(item.verb for item in flat if item.verb not in declared)
        msgspec.structs.force_setattr(self, "rows", flat)
        msgspec.structs.force_setattr(
            self, "verbs", (*self.verbs, *(Verb(name) for name in implied))
        )
        validate(self)

    def all_rows(self) -> tuple[Row, ...]:
        """Return the rows, one for each source phase, in the order declared."""
        return self.rows  # type: ignore[return-value]  # flattened on construction

    def verb(self, name: str) -> Verb:
        """Return the declared verb of this name. Raises KeyError when there is none."""
        for verb in self.verbs:
            if verb.name == name:
                return verb
        raise KeyError(name)

    def targets(self, item: Row) -> tuple[str, ...]:
        """Return the phases the row can lead to: one, or those its target variable can hold."""
        match item.target:
            case None:
                return (item.source,)
            case Var(name):
                variable = next(v for v in self.variables if v.name == name)
                return tuple(str(word) for word in variable.domain() if word is not None)
            case phase:
                return (phase,)

    def valuations(self) -> Iterator[tuple[Value, ...]]:
        """Yield every combination of variable values the checker explores, in declared order."""
        yield from itertools.product(*(variable.domain() for variable in self.variables))


def _check_shape(machine: Machine) -> None:
    """Refuse what is no text, no variable, no verb or no row, before anything looks inside it."""
    rows = [one for item in machine.rows for one in (item if isinstance(item, tuple) else (item,))]
    arguments = [a for verb in machine.verbs if isinstance(verb, Verb) for a in verb.arguments]
    variables = [*machine.variables, *arguments]
    groups: tuple[tuple[str, type | UnionType, Sequence[object]], ...] = (
        ("text", str, (machine.name, *machine.phases, *machine.final, *machine.fair)),
        ("variable", Variable, variables),
        ("verb", Verb, machine.verbs),
        ("row", Row, rows),
        ("text", str, [getattr(one, "name", "") for one in (*variables, *machine.verbs)]),
        ("text", str, [getattr(one, "verb", "") for one in rows]),
    )
    named: tuple[object, ...] = (machine.phases, machine.final, machine.fair)
    bare = next((one for one in named if isinstance(one, str)), None)
    problem = None if bare is None else f"{bare!r} is given where several names are"
    for what, kind, given in groups:
        for one in given:
            if problem is None and not isinstance(one, kind):
                problem = f"{one!r} is no {what}"
    if problem is not None:
        raise InvalidMachine(
            f"machine {machine.name!r}: {problem}",
            machine=str(machine.name),
            row=None,
            problem=problem,
        )
