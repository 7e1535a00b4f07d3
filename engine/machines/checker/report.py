"""Reports: the results of a check, as data and as text that a person can follow."""

from collections.abc import Iterator, Mapping

import msgspec

from perdure.machines.language.expressions import Value


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a counterexample and the state after it; the first has no verb."""

    verb: str | None
    arguments: dict[str, Value]
    state: dict[str, Value]


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A property that does not hold, and the shortest way to see it.

    ``explanation`` names the fault at the end of the path, or the steps that can go on for ever.
    """

    property: str
    formula: str
    explanation: str
    path: tuple[Moment, ...]

    def __str__(self) -> str:
        """Return the path as lines: the verbs with their arguments, and the changed values."""
        return "\n".join((f"{self.property} ({self.formula})", *self._lines(), self.explanation))

    def _lines(self) -> Iterator[str]:
        before: Mapping[str, Value] = {}
        for number, moment in enumerate(self.path):
            changed = ", ".join(
                f"{name}={shown(value)}"
                for name, value in moment.state.items()
                if name not in before or before[name] != value
            )
            what = call(moment.verb, moment.arguments) if moment.verb else "initially"
            yield f"  {number}. {what}: {changed or 'nothing changes'}"
            before = moment.state


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The results of an exhaustive check.

    ``transitions`` counts the initial state and, in each state, every enabled action with
    arguments, also those that change nothing. ``depth`` is the most steps that a state needs.
    ``unfired`` are declared rows and synchronisations that never happen, ``unwitnessed`` the
    `Sometimes` that no state has, and the ``given`` of properties that no state has; either makes
    the check fail. ``incomplete`` names the limit that ended the search early, which makes it fail
    too; ``unfired`` and ``unwitnessed`` are empty then. ``reduced`` says that interchangeable parts
    were counted once.
    """

    machine: str
    ok: bool
    states: int
    transitions: int
    depth: int
    violations: tuple[Violation, ...]
    unfired: tuple[str, ...]
    unwitnessed: tuple[str, ...]
    witnessed: tuple[str, ...]
    incomplete: str | None = None
    reduced: bool = False

    def __str__(self) -> str:
        """Return the report as text, the counts last."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for violation in self.violations:
            yield f"violated: {violation}"
        for row in self.unfired:
            yield f"never fired: {row}"
        for name in self.unwitnessed:
            yield f"never witnessed: {name}"
        if self.incomplete is not None:
            yield f"incomplete: {self.incomplete}"
        reduced = ", interchangeable parts counted once" if self.reduced else ""
        verdict = "everything holds" if self.ok else "not everything holds"
        yield (
            f"checked {self.machine}: {self.states:,} states, {self.transitions:,} transitions, "
            f"depth {self.depth}{reduced}: {verdict}"
        )


def shown(value: Value) -> str:
    """Return a value as a person would write it."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


def call(verb: str, arguments: Mapping[str, Value]) -> str:
    """Return a verb with its arguments, as a call of it is written."""
    return f"{verb}({', '.join(f'{name}={shown(value)}' for name, value in arguments.items())})"
