"""The authority: the one object that may change a phase, compiled from a machine into one table.

Invariants: a configuration changes only through `Authority.fire` or, for a recorded move, through
`Authority.replay`; a move that is not in the table is refused and changes nothing; `fire` takes
only arguments that the verb can be given; a restricted verb needs the authority's own token, which
no caller can forge because it is compared by identity.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from perdure.errors import AuthorityRequired, IllegalTransition
from perdure.machines.language.expressions import TRUE, Bound, Const, Expression, Value, Var, nodes
from perdure.machines.language.machine import Machine
from perdure.machines.language.notation import python_source, written
from perdure.machines.language.vocabulary import (
    Choice,
    Count,
    Flag,
    Identity,
    Row,
    Variable,
    Verb,
    arguments_problem,
    given_domain,
)


class Configuration(NamedTuple):
    """Where a machine is: its phase, and its variables' values in declared order."""

    phase: str
    values: tuple[Value, ...]


class Token:
    """Proof of owning a machine. The authority accepts only its own token."""

    __slots__ = ()


Compiled = Callable[[tuple[Value, ...], tuple[Value, ...]], Any]
"""A compiled guard or update: variable values and argument values, in declared order."""


_TYPES: Final = {"bool": bool, "int": int, "len": len, "str": str, "tuple": tuple, "type": type}


class _CompiledRow(NamedTuple):
    guard: Compiled | None
    target: str
    target_index: int
    update: Compiled | None


class Authority:
    """Decides every move of one machine.

    ``checked`` compiles the bounds at the size the checker explores, for proofs over every
    valuation; engines use the actual size.
    """

    def __init__(self, machine: Machine, *, checked: bool = False) -> None:
        self.machine: Final = machine
        self.token: Final = Token()
        self.initial: Final = Configuration(
            machine.initial, tuple(variable.initial for variable in machine.variables)
        )
        self._indexes: Final = {v.name: index for index, v in enumerate(machine.variables)}
        self._verbs: Final = {verb.name: verb for verb in machine.verbs}
        self._with_conditions: Final = frozenset(
            verb.name for verb in machine.verbs if verb.restricted or verb.arguments
        )
        self._arguments_tests: Final[dict[str, Callable[[tuple[Value, ...]], bool]]] = {}
        self._checked: Final = checked
        self._table: Final[dict[tuple[str, str], tuple[_CompiledRow, ...]]] = {}

    def fire(
        self,
        configuration: Configuration,
        verb: str,
        arguments: tuple[Value, ...] = (),
        subject: str | None = None,
        *,
        token: Token | None = None,
    ) -> Configuration:
        """Return the configuration after ``verb``; ``arguments`` come in declared order.

        ``subject`` names the moved object in an error. Raises IllegalTransition, naming the
        phase and the verbs allowed from here, also for arguments that the verb cannot be given,
        and AuthorityRequired when the verb is restricted and ``token`` is not this authority's.
        """
        if arguments or verb in self._with_conditions:
            known = self._arguments_tests.get(verb)
            if known is None or not known(arguments):
                self._check_call(configuration, verb, arguments, subject, token)
        return self.replay(configuration, verb, arguments, subject)

    def replay(
        self,
        configuration: Configuration,
        verb: str,
        arguments: tuple[Value, ...] = (),
        subject: str | None = None,
    ) -> Configuration:
        """Return the configuration after a recorded ``verb``: as `fire`, but nothing else is asked.

        A recorded move was authorised, and its arguments were checked, when it was made. For a log
        that may be wrong, use `perdure.testing.validate_trace`. Raises IllegalTransition.
        """
        phase, values = configuration
        try:
            for guard, target, index, update in self._table.get((phase, verb)) or self._moves(
                phase, verb
            ):
                if guard is not None and not guard(values, arguments):
                    continue
                after = target if index < 0 else values[index]
                if after is not None:  # there is a phase to return to
                    return Configuration(
                        after,  # type: ignore[arg-type]  # a declared choice among phases
                        values if update is None else update(values, arguments),
                    )
        except (IndexError, TypeError):  # too few arguments, or of another kind
            if self._arguments_problem(verb, arguments) is None:
                raise
            raise self._refusal(configuration, verb, arguments, subject) from None
        raise self._refusal(configuration, verb, arguments, subject)

    def allowed(self, configuration: Configuration) -> tuple[str, ...]:
        """Return the verbs that can be fired from here with some arguments, in declared order."""
        return tuple(
            verb.name for verb in self.machine.verbs if self._possible(configuration, verb)
        )

    def value(self, configuration: Configuration, variable: str) -> Any:
        """Return a variable's value. Raises KeyError when the machine does not declare it."""
        return configuration.values[self._indexes[variable]]

    def _check_call(
        self,
        configuration: Configuration,
        verb: str,
        arguments: tuple[Value, ...],
        subject: str | None,
        token: Token | None,
    ) -> None:
        """Refuse a restricted verb without the token, and arguments that it cannot be given."""
        asked = self._verbs.get(verb)
        if asked is None:
            return
        if asked.restricted and token is not self.token:
            raise AuthorityRequired(f"{verb} needs the authority's token", verb=verb)
        if self._arguments_problem(verb, arguments) is not None:
            raise self._refusal(configuration, verb, arguments, subject)
        if not asked.restricted and verb not in self._arguments_tests:
            self._arguments_tests[verb] = arguments_test(asked.arguments, checked=self._checked)

    def _arguments_problem(self, verb: str, arguments: tuple[Value, ...]) -> str | None:
        asked = self._verbs.get(verb)
        if asked is None:
            return None
        return arguments_problem(asked.arguments, arguments, checked=self._checked)

    def _possible(self, configuration: Configuration, verb: Verb) -> bool:
        """Whether some arguments let the verb fire: checked ones, or others if none of those."""
        if not self._moves(configuration.phase, verb.name):
            return False
        further = (self._telling(configuration, verb, argument) for argument in verb.arguments)
        return any(
            self._fires(configuration, verb.name, choice)
            for given in (verb.argument_domains(), further)
            for choice in itertools.product(*given)
        )

    def _telling(
        self, configuration: Configuration, verb: Verb, argument: Variable
    ) -> Iterable[Value]:
        """Return values of an argument that a guard could tell apart from all others.

        They are the explored values and, for an id, each id that the machine holds and one that it
        does not hold; for a count, the numbers next to each limit, and next to each limit plus or
        minus a number that the machine holds.
        """
        checked = given_domain(argument)
        holds = zip(self.machine.variables, configuration.values, strict=True)
        held = [value for variable, value in holds if isinstance(variable, type(argument))]
        match argument:
            case Identity():
                ids = [str(value) for value in (*checked, *held) if value is not None]
                another = f"{''.join(ids)} {argument.name}"
                return dict.fromkeys((*ids, another))
            case Count() if not self._checked:
                most = argument.maximum.actual
                counts = {0, *(value for value in held if isinstance(value, int))}
                ends = {
                    limit + sign * n
                    for limit in self._limits(verb)
                    for n in counts
                    for sign in (-1, 1)
                }
                near = {most, *counts, *(end + step for end in ends for step in (-1, 0, 1))}
                return dict.fromkeys((*checked, *sorted(n for n in near if 0 <= n <= most)))
            case _:
                return checked

    def _limits(self, verb: Verb) -> set[int]:
        """Return the numbers that the guards of a verb's rows name."""
        rows = (item for item in self.machine.all_rows() if item.verb == verb.name)
        named = [node for item in rows for node in nodes(item.guard)]
        bounds = {node.actual for node in named if isinstance(node, Bound)}
        return bounds | {n.value for n in named if isinstance(n, Const) and type(n.value) is int}

    def _moves(self, phase: str, verb: str) -> tuple[_CompiledRow, ...]:
        """Return the moves of a phase and a verb, which are compiled on first use.

        A process uses few of them, and compiling all takes milliseconds.
        """
        known = self._table.get((phase, verb))
        if known is not None:
            return known
        rows = [
            item for item in self.machine.all_rows() if (item.source, item.verb) == (phase, verb)
        ]
        if not rows:
            return ()
        steps = _evaluated([text for item in rows for text in self._sources(item)])
        moves = []
        for index, item in enumerate(rows):
            remembered = item.target.name if isinstance(item.target, Var) else None
            moves.append(
                _CompiledRow(
                    guard=steps[2 * index],
                    target=item.target if isinstance(item.target, str) else item.source,
                    target_index=-1 if remembered is None else self._indexes[remembered],
                    update=steps[2 * index + 1],
                )
            )
        self._table[phase, verb] = tuple(moves)
        return tuple(moves)

    def _sources(self, item: Row) -> tuple[str | None, str | None]:
        """Return the Python source of the row's guard and of the values after it."""
        arguments = {a.name: n for n, a in enumerate(self.machine.verb(item.verb).arguments)}

        def source(expression: Expression) -> str:
            return python_source(expression, self._indexes, arguments, checked=self._checked)

        changed = {name: source(value) for name, value in item.updates}
        after = [changed.get(name, f"v[{index}]") for name, index in self._indexes.items()]
        return (
            None if item.guard == TRUE else source(item.guard),
            f"({', '.join(after)},)" if changed else None,
        )

    def _fires(self, configuration: Configuration, verb: str, arguments: tuple[Value, ...]) -> bool:
        phase, values = configuration
        return any(
            (guard is None or guard(values, arguments)) and (index < 0 or values[index] is not None)
            for guard, _, index, _ in self._moves(phase, verb)
        )

    def _refusal(
        self,
        configuration: Configuration,
        verb: str,
        arguments: tuple[Value, ...],
        subject: str | None,
    ) -> IllegalTransition:
        problem = self._arguments_problem(verb, arguments)
        rows = [
            item
            for item in self.machine.all_rows()
            if item.verb == verb and item.source == configuration.phase
        ]
        return IllegalTransition(
            machine=self.machine.name,
            subject=self.machine.name if subject is None else f"{self.machine.name} {subject!r}",
            verb=verb,
            phase=configuration.phase,
            allowed=self.allowed(configuration),
            because=self._unmet(configuration, rows) if problem is None else problem,
        )

    def _unmet(self, configuration: Configuration, rows: list[Row]) -> str:
        if not rows:
            return ""
        guards = " or ".join(written(item.guard) for item in rows)
        read = {n.name for item in rows for n in nodes(item.guard) if isinstance(n, Var)}
        held = ", ".join(
            f"{variable.name} is {'none' if value is None else value}"
            for variable, value in zip(self.machine.variables, configuration.values, strict=True)
            if variable.name in read
        )
        return f"that needs {guards}; {held}" if held else f"that needs {guards}"


def _evaluated(sources: list[str | None]) -> list[Compiled | None]:
    """Return the sources as functions, compiled together because that is many times faster."""
    text = ",".join("None" if one is None else f"lambda v, a: {one}" for one in sources)
    return list(eval(f"({text},)", {"__builtins__": {}}))  # noqa: S307 - our own printer's output


def arguments_test(
    declared: tuple[Variable, ...], *, checked: bool = False
) -> Callable[[tuple[Any, ...]], bool]:
    """Return a fast test of arguments: whether they are a tuple of the declared ones.

    It knows Python's own types and no others. Where it is false, the arguments may still be right
    (a list, a word of an enumeration), and `arguments_problem` decides.
    """
    asked = " and ".join(
        one for index, item in enumerate(declared) for one in _asked(index, item, checked=checked)
    )
    text = f"lambda a: type(a) is tuple and len(a) == {len(declared)} and {asked or 'True'}"
    return eval(text, {"__builtins__": {}} | _TYPES)  # type: ignore[no-any-return]  # noqa: S307 - our own text


def _asked(index: int, variable: Variable, *, checked: bool) -> Iterator[str]:
    one = f"a[{index}]"
    match variable:
        case Flag():
            yield f"type({one}) is bool"
        case Count(_, most):
            yield f"type({one}) is int"
            yield f"0 <= {one} <= {most.checked if checked else most.actual}"
        case Choice():
            yield f"type({one}) is str"
            yield f"{one} in {tuple(map(str.__str__, variable.words))!r}"
        case Identity():
            yield f"type({one}) is str"
            yield f"{one} != ''"
