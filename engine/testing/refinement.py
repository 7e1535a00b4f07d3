"""Refinement: an implementation's `decide` and `evolve`, compared with the declaration both ways.

Invariants: each concrete step must be declared rows, one for each verb it claims, as the
declaration reads when it is interpreted (by `evaluate` and by `Reference`, never by the compiled
table that the code under test may use itself); a refused command must have no legal move; an
accepted one must make the steps that it stands for. Every declared row must be taken by some
concrete step, but for those listed with a reason, and a listed row that is taken is a finding too,
so that the list can only shrink. Reaching the bound is an error and never a pass.

States are explored breadth-first, those with the same ``abstraction`` once, up to a few
representatives: if two of them answer the same commands differently, the abstraction hides
something that matters, and that is a finding as well.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from perdure.errors import IllegalTransition, PerdureError
from perdure.machines import Choice, Configuration, Identity, Machine, Row, Variable
from perdure.machines.language.vocabulary import admits
from perdure.testing.declared import Alternatives, Declared, Steps, contains, step_text, steps_text

State = TypeVar("State")
Command = TypeVar("Command")
Event = TypeVar("Event")

Path = tuple[Any, ...]
"""The commands that led to a state, as given."""


class Concrete(msgspec.Struct, Generic[State, Command, Event], frozen=True, kw_only=True):
    """An implementation, as the refinement check sees it.

    ``initial`` are the states it can begin in; ``commands`` returns what to ask in a state, the
    same for states that are the same to ``abstraction``; ``decide`` returns the events of a
    command or refuses; ``evolve`` returns the state after one. ``configuration`` says where the
    machine is in a state, ``steps`` which steps an event stands for, and ``asks`` which a command
    does: the alternatives, of which the first legal one is to happen.

    ``refusals`` are the errors that say that the law allows no such move; ``other_refusals``
    those that have another reason (a key used before, say), and are not compared.
    """

    initial: Iterable[State]
    commands: Callable[[State], Iterable[Command]]
    decide: Callable[[State, Command], Iterable[Event]]
    evolve: Callable[[State, Event], State]
    configuration: Callable[[State], Configuration]
    steps: Callable[[Event], Steps]
    asks: Callable[[State, Command], Alternatives]
    abstraction: Callable[[State], Hashable]
    refusals: tuple[type[Exception], ...] = (IllegalTransition,)
    other_refusals: tuple[type[Exception], ...] = ()


class Refinement(msgspec.Struct, frozen=True, kw_only=True):
    """The results of exploring an implementation.

    ``problems`` are sentences, empty where it refines its machine. ``taken`` and ``untaken`` are
    the declared rows that some concrete step took, and that none did. ``states`` counts distinct
    abstract states, ``decisions`` the commands tried, ``refused`` those refused.
    """

    machine: str
    states: int
    decisions: int
    refused: int
    taken: tuple[Row, ...]
    untaken: tuple[Row, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every step was as declared and every row was taken, or excused."""
        return not self.problems


class BoundReached(PerdureError):
    """The exploration was not finished within its bound, so nothing is proved."""

    code = "BOUND_REACHED"


_MAX_PROBLEMS: Final = 20


def check_refinement(
    machine: Machine,
    concrete: Concrete[Any, Any, Any],
    *,
    not_reached: Mapping[str, str] | None = None,
    checked: bool = False,
    max_states: int = 10_000,
    representatives: int = 2,
) -> Refinement:
    """Explore the implementation and return how it compares with the declared machine.

    ``not_reached`` maps a verb (all of its rows), a phase (all that leaves it) or one row, as
    text, to the reason why no concrete step takes it. ``checked`` reads the machine's bounds at
    the size the checker explores, for an implementation that was given those. Raises BoundReached
    beyond ``max_states`` abstract states.
    """
    exploration = _Exploration(machine, concrete, checked=checked)
    exploration.run(max_states, representatives)
    rows = machine.all_rows()
    taken = tuple(item for item in rows if item in exploration.taken)
    untaken = tuple(item for item in rows if item not in exploration.taken)
    problems = exploration.problems + list(_coverage(taken, untaken, not_reached or {}))
    return Refinement(
        machine=machine.name,
        states=len(exploration.answers),
        decisions=exploration.decisions,
        refused=exploration.refused,
        taken=taken,
        untaken=untaken,
        problems=tuple(problems),
    )


def _coverage(
    taken: Sequence[Row], untaken: Sequence[Row], excused: Mapping[str, str]
) -> Iterator[str]:
    """Yield the problems with the rows that were not taken, and with the list of excuses."""
    for item in untaken:
        if not excused.keys() & _names_of(item):
            yield f"no concrete step takes «{item}»"
    for name, reason in excused.items():
        reached = [item for item in taken if name in _names_of(item)]
        if reached:
            yield f"«{name}» is listed as not reached ({reason}), but a step takes «{reached[0]}»"
        elif not any(name in _names_of(item) for item in untaken):
            yield f"«{name}» is listed as not reached ({reason}), but there is no such row"


def _names_of(item: Row) -> set[str]:
    """Return the names of a row in a list of excuses: its verb, its phase and its text."""
    return {item.verb, item.source, str(item)}


class _Exploration:
    """A breadth-first search over an implementation's abstract states."""

    def __init__(
        self, machine: Machine, concrete: Concrete[Any, Any, Any], *, checked: bool
    ) -> None:
        self._machine: Final = machine
        self._concrete: Final = concrete
        self._declared: Final = Declared(machine, checked=checked)
        self.answers: Final[dict[Hashable, list[Hashable]]] = {}
        self.taken: Final[set[Row]] = set()
        self.problems: Final[list[str]] = []
        self.decisions = 0
        self.refused = 0

    def run(self, max_states: int, representatives: int) -> None:
        """Explore everything, or until there are problems enough to tell."""
        examined: Counter[Hashable] = Counter()
        waiting: deque[tuple[Any, Path]] = deque()
        for state in self._concrete.initial:
            self._check_beginning(state)
            waiting.append((state, ()))
        while waiting and len(self.problems) < _MAX_PROBLEMS:
            state, path = waiting.popleft()
            key = self._concrete.abstraction(state)
            examined[key] += 1
            if examined[key] > representatives:
                continue
            if len(examined) > max_states:
                raise BoundReached(
                    f"more than {max_states} abstract states: the exploration is not finished",
                    machine=self._machine.name,
                )
            answers: list[Hashable] = []
            for command in self._concrete.commands(state):
                after = self._try(state, command, (*path, command))
                answers.append(None if after is None else self._concrete.abstraction(after))
                if after is not None:
                    waiting.append((after, (*path, command)))
            if self.answers.setdefault(key, answers) != answers:
                self._complain(
                    path, "another state that is the same to the abstraction answers differently"
                )

    def _check_beginning(self, state: Any) -> None:
        here = self._concrete.configuration(state)
        if here != self._declared.initial:
            self._complain((), f"it begins {_where(here)}, as the declaration does not")

    def _try(self, state: Any, command: Any, path: Path) -> Any:
        """Return the state after the command, None where it was refused; keep the problems."""
        concrete = self._concrete
        here = concrete.configuration(state)
        wanted, goal = self._declared.first_legal(here, concrete.asks(state, command)) or (
            None,
            None,
        )
        self.decisions += 1
        try:
            events = tuple(concrete.decide(state, command))
        except concrete.refusals as refusal:
            self.refused += 1
            if wanted is not None:
                self._complain(path, f"it refuses {steps_text(wanted)}, which is legal: {refusal}")
            return None
        except concrete.other_refusals:
            self.refused += 1
            return None
        after, done = self._carried_out(state, events, path)
        if wanted is None:
            problem = f"it does {steps_text(done)} where no such move is legal: {_where(here)}"
            self._complain(path, problem)
        elif events and done != wanted:
            problem = f"it was asked for {steps_text(wanted)} and did {steps_text(done)}"
            self._complain(path, problem)
        elif not events and goal != here:
            self._complain(path, f"it does nothing, but {steps_text(wanted)} changes something")
        elif not events:
            self._follow(here, wanted, path)  # the request holds already, as a row says
        return after

    def _carried_out(self, state: Any, events: tuple[Any, ...], path: Path) -> tuple[Any, Steps]:
        """Return the state after the events, and the steps they claim; keep the problems."""
        done: Steps = ()
        for event in events:
            before = self._concrete.configuration(state)
            state = self._concrete.evolve(state, event)
            here, steps = self._concrete.configuration(state), self._concrete.steps(event)
            declared = self._follow(before, steps, path)
            if declared is not None and declared != here:
                leads = f"{steps_text(steps)} leads to {_where(declared)}"
                self._complain(path, f"{leads}, not {_where(here)}")
            self._check_domains(here, path)
            done += steps
        return state, done

    def _follow(self, here: Configuration, steps: Steps, path: Path) -> Configuration | None:
        """Return where the claimed steps lead as declared, None where some step is not declared."""
        for verb, arguments in steps:
            rows = self._declared.rows(here, verb, arguments)
            there = self._declared.step(here, verb, arguments)
            if len(rows) != 1 or there is None:
                claim = f"{steps_text(((verb, arguments),))} from {_where(here)}"
                self._complain(path, f"{claim} is {len(rows)} declared rows, not one")
                return None
            self.taken.update(rows)
            here = there
        return here

    def _check_domains(self, here: Configuration, path: Path) -> None:
        holds = contains if self._declared.checked else _can_hold
        for variable, value in zip(self._machine.variables, here.values, strict=True):
            if not holds(variable, value):
                self._complain(path, f"{variable.name} is {value!r}, which is outside its domain")

    def _complain(self, path: Path, problem: str) -> None:
        after = " → ".join(map(_named, path)) or "the beginning"
        self.problems.append(f"after {after}: {problem}")


def _can_hold(variable: Variable, value: Any) -> bool:
    return admits(variable, value) or (value is None and isinstance(variable, Choice | Identity))


def _where(here: Configuration) -> str:
    return f"{here.phase} {here.values}"


def _named(command: Any) -> str:
    match command:
        case msgspec.Struct():
            return type(command).__name__
        case (str(verb), tuple(arguments)):
            return step_text(verb, arguments)
        case _:
            return str(command)
