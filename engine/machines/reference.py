"""The reference authority: a declared machine run by the `transitions` library.

Invariants: this is the only module that imports `transitions`; it interprets the declaration
with `evaluate`, sharing nothing with the compiled table but the declaration itself, so that
comparing the two proves something. Its quirks stay inside: an unmet condition returns False
there, and an unknown trigger raises AttributeError.
"""

from collections.abc import Callable
from typing import Any, Final

from transitions import Machine as TransitionsMachine
from transitions import MachineError

from perdure.machines.authority import Configuration
from perdure.machines.language.expressions import Expression, Value, Var, evaluate
from perdure.machines.language.machine import Machine
from perdure.machines.language.vocabulary import Row


class _Model:
    """What `transitions` drives: it sets ``state``; the variables stand beside it."""

    state: str

    def __init__(self) -> None:
        self.variables: dict[str, Value] = {}


class Reference:
    """A machine under `transitions`, for proofs and for diagrams; slow and plain.

    ``checked`` takes the bounds at the size the checker explores.
    """

    def __init__(self, machine: Machine, *, checked: bool = False) -> None:
        self.machine: Final = machine
        self.model: Final = _Model()
        self._checked: Final = checked
        self._transitions: Final = TransitionsMachine(
            model=self.model,
            states=list(machine.phases),
            initial=machine.initial,
            auto_transitions=False,
            send_event=True,
        )
        for item in machine.all_rows():
            self._add(item)

    def step(
        self, configuration: Configuration, verb: str, arguments: tuple[Value, ...]
    ) -> Configuration | None:
        """Return the configuration after ``verb``, or None where the machine refuses it."""
        names = [variable.name for variable in self.machine.variables]
        self._transitions.set_state(configuration.phase)
        self.model.variables = dict(zip(names, configuration.values, strict=True))
        given = [argument.name for argument in self.machine.verb(verb).arguments]
        try:
            moved = self.model.trigger(verb, **dict(zip(given, arguments, strict=True)))  # type: ignore[attr-defined]
        except (AttributeError, MachineError):
            return None  # no row has this verb, or none from this phase
        if not moved:
            return None
        return Configuration(self.model.state, tuple(self.model.variables[n] for n in names))

    def _add(self, item: Row) -> None:
        """Add the row, once for each phase a remembered target can hold."""
        for target in self.machine.targets(item):
            conditions: list[str | Callable[..., bool | None]] = [self._holds(item.guard)]
            if isinstance(item.target, Var):
                conditions.append(self._holds(item.target.equals(target)))
            self._transitions.add_transition(
                trigger=item.verb,
                source=item.source,
                dest=target,
                conditions=conditions,
                before=self._update(item),
            )

    def _holds(self, guard: Expression) -> Callable[[Any], bool]:
        def condition(event: Any) -> bool:
            return bool(evaluate(guard, self.model.variables, event.kwargs, checked=self._checked))

        return condition

    def _update(self, item: Row) -> Callable[[Any], None]:
        def update(event: Any) -> None:
            before = dict(self.model.variables)
            for name, expression in item.updates:
                self.model.variables[name] = evaluate(
                    expression, before, event.kwargs, checked=self._checked
                )

        return update
