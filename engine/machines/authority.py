"""The authority: what may change a phase, compiled from a declared machine into one table.

Invariants: a configuration changes only through `Authority.fire`; a move not in the table is
refused and changes nothing; a restricted verb needs the authority's own token, which no caller
can forge because it is compared by identity.
"""

import functools
import itertools
from typing import Any, Final, NamedTuple

from engine.errors import AuthorityRequired, IllegalTransition
from engine.machines.declaration import Machine, Row, Verb
from engine.machines.expressions import TRUE, Compiled, Value, Var, compiled, written


class Configuration(NamedTuple):
    """Where a machine is: its phase, and its variables' values in declared order."""

    phase: str
    values: tuple[Value, ...]


class Token:
    """Proof of being the machine's owner; only an `Authority` makes one."""

    __slots__ = ()


class _Move(NamedTuple):
    guard: Compiled | None
    target: str | None
    target_place: int
    updates: tuple[tuple[int, Compiled], ...]


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
        self._places: Final = {v.name: place for place, v in enumerate(machine.variables)}
        self._restricted: Final = frozenset(v.name for v in machine.verbs if v.restricted)
        self._table: Final = self._compile(checked=checked)

    def fire(
        self,
        configuration: Configuration,
        verb: str,
        *arguments: Value,
        subject: str = "",
        token: Token | None = None,
    ) -> Configuration:
        """Return the configuration after ``verb``; ``arguments`` come in declared order.

        Raises IllegalTransition, naming the phase and the verbs allowed from here, and
        AuthorityRequired when the verb is restricted and ``token`` is not this authority's.
        """
        if verb in self._restricted and token is not self.token:
            raise AuthorityRequired(
                f"{verb.replace('_', ' ')} needs the authority's token", verb=verb
            )
        return self._move(configuration, verb, arguments, subject)

    def replay(
        self, configuration: Configuration, verb: str, *arguments: Value, subject: str = ""
    ) -> Configuration:
        """Return the configuration after a recorded ``verb``: as `fire`, but no token is asked.

        A recorded move was authorised when it was made. Raises IllegalTransition.
        """
        return self._move(configuration, verb, arguments, subject)

    def allowed(self, configuration: Configuration) -> tuple[str, ...]:
        """Return the verbs that can be fired from here with some arguments, in declared order."""
        return tuple(
            verb.name
            for verb in self.machine.verbs
            if self._possible(configuration, verb)
        )

    def value(self, configuration: Configuration, variable: str) -> Any:
        """Return a variable's value. Raises KeyError when the machine does not declare it."""
        return configuration.values[self._places[variable]]

    def _possible(self, configuration: Configuration, verb: Verb) -> bool:
        """Whether some arguments let the verb fire: checked ones, or what the machine holds."""
        given = [
            (*domain, self.value(configuration, argument.name))
            if argument.name in self._places
            else domain
            for argument, domain in zip(verb.arguments, verb.argument_domains(), strict=True)
        ]
        return any(
            self._chosen(configuration, verb.name, choice) is not None
            for choice in itertools.product(*given)
        )

    def _compile(self, *, checked: bool) -> dict[tuple[str, str], tuple[_Move, ...]]:
        table: dict[tuple[str, str], tuple[_Move, ...]] = {}
        for item in self.machine.all_rows():
            arguments = {
                argument.name: place
                for place, argument in enumerate(self.machine.verb(item.verb).arguments)
            }
            expression = functools.partial(
                compiled, variables=self._places, arguments=arguments, checked=checked
            )
            remembered = item.target.name if isinstance(item.target, Var) else None
            move = _Move(
                guard=None if item.guard == TRUE else expression(item.guard),
                target=item.target if isinstance(item.target, str) else None,
                target_place=-1 if remembered is None else self._places[remembered],
                updates=tuple((self._places[n], expression(e)) for n, e in item.updates),
            )
            key = (item.source, item.verb)
            table[key] = (*table.get(key, ()), move)
        return table

    def _chosen(
        self, configuration: Configuration, verb: str, arguments: tuple[Value, ...]
    ) -> _Move | None:
        for move in self._table.get((configuration.phase, verb), ()):
            if move.target_place >= 0 and configuration.values[move.target_place] is None:
                continue  # there is nothing to return to
            if move.guard is None or move.guard(configuration.values, arguments):
                return move
        return None

    def _move(
        self,
        configuration: Configuration,
        verb: str,
        arguments: tuple[Value, ...],
        subject: str,
    ) -> Configuration:
        move = self._chosen(configuration, verb, arguments)
        if move is None:
            raise self._refusal(configuration, verb, subject)
        phase, values = configuration
        if move.target is not None:
            phase = move.target
        elif move.target_place >= 0:
            phase = str(values[move.target_place])
        if move.updates:
            changed = list(values)
            for place, update in move.updates:
                changed[place] = update(values, arguments)
            values = tuple(changed)
        return Configuration(phase, values)

    def _refusal(self, configuration: Configuration, verb: str, subject: str) -> IllegalTransition:
        rows = [
            item
            for item in self.machine.all_rows()
            if item.verb == verb and item.source == configuration.phase
        ]
        return IllegalTransition(
            machine=self.machine.name,
            subject=subject or self.machine.name,
            verb=verb,
            phase=configuration.phase,
            allowed=self.allowed(configuration),
            because=self._unmet(configuration, rows),
        )

    def _unmet(self, configuration: Configuration, rows: list[Row]) -> str:
        if not rows:
            return ""
        guards = " or ".join(written(item.guard) for item in rows)
        held = ", ".join(
            f"{variable.name} is {'none' if value is None else value}"
            for variable, value in zip(self.machine.variables, configuration.values, strict=True)
            if any(variable.name in written(item.guard).split() for item in rows)
        )
        return f"that needs {guards}; {held}" if held else f"that needs {guards}"
