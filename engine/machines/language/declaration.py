"""The declaration: the parts of a lifecycle, before anything says that they are well formed.

Invariants: a declaration holds its rows one by one, and a verb for each of them; each name,
variable, verb and row is of its own type, so that `validate` may look inside. A `Machine` is a
declaration that was validated as well.
"""

import itertools
from collections.abc import Iterator, Sequence
from types import UnionType

import msgspec

from perdure.errors import InvalidMachine
from perdure.machines.language.expressions import Value, Var
from perdure.machines.language.properties import Property
from perdure.machines.language.vocabulary import Row, Variable, Verb


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a declared lifecycle; `Machine` documents them. Raises InvalidMachine."""

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
        """Flatten the rows and declare the verbs they imply, once each part is of its type."""
        _check_types(self)
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


def _check_types(declaration: Declaration) -> None:
    """Refuse the first part that is not of its type: no text, no variable, no verb or no row."""
    rows = [
        one for item in declaration.rows for one in (item if isinstance(item, tuple) else (item,))
    ]
    verbs = [verb for verb in declaration.verbs if isinstance(verb, Verb)]
    variables = [*declaration.variables, *(a for verb in verbs for a in verb.arguments)]
    names = (declaration.name, *declaration.phases, *declaration.final, *declaration.fair)
    groups: tuple[tuple[str, type | UnionType, Sequence[object]], ...] = (
        ("text", str, names),
        ("variable", Variable, variables),
        ("verb", Verb, declaration.verbs),
        ("row", Row, rows),
        ("text", str, [getattr(one, "name", "") for one in (*variables, *declaration.verbs)]),
        ("text", str, [getattr(one, "verb", "") for one in rows]),
    )
    several: tuple[object, ...] = (declaration.phases, declaration.final, declaration.fair)
    bare = next((one for one in several if isinstance(one, str)), None)
    problem = None if bare is None else f"{bare!r} is given where several names are"
    for kind, wanted, given in groups:
        for one in given:
            if problem is None and not isinstance(one, wanted):
                problem = f"{one!r} is no {kind}"
    if problem is not None:
        raise InvalidMachine(
            f"machine {declaration.name!r}: {problem}",
            machine=str(declaration.name),
            row=None,
            problem=problem,
        )
