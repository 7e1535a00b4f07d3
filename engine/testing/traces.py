"""Trace validation: whether a log is a path that a declared machine allows.

Invariants: the verdict is the machine's own authority's, the one that a running engine and the
audit ask too; the first event that is no legal move ends the replay, and nothing behind it is
guessed; what cannot be a move at all (an unknown verb, an argument of another kind) is a finding
about the log and never an exception.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from perdure.errors import IllegalTransition
from perdure.machines import Authority, Configuration, Machine
from perdure.machines.language.vocabulary import arguments_problem
from perdure.testing.declared import Steps

Event = TypeVar("Event")


class IllegalMove(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of a trace that its machine does not allow.

    ``index`` is the event's index in the log, from 0; ``configuration`` is where the machine stood
    when it met the step; ``allowed`` are the verbs it had there, with some arguments; ``because``
    names the condition that the refused verb needed, or says why it is no move at all.
    """

    index: int
    event: Any
    verb: str
    arguments: tuple[Any, ...]
    configuration: Configuration
    allowed: tuple[str, ...]
    because: str
    message: str

    @property
    def phase(self) -> str:
        """Return the phase that the machine was in."""
        return self.configuration.phase

    def __str__(self) -> str:
        return f"event {self.index}: {self.message}"


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a log.

    ``configuration`` is where the machine stands after the ``events`` legal ones: after all of
    them, or before ``illegal``. ``finished`` says that it is in a final phase there.
    """

    configuration: Configuration
    events: int
    finished: bool
    illegal: IllegalMove | None = None

    @property
    def ok(self) -> bool:
        """Whether the whole log is a legal path."""
        return self.illegal is None

    def __str__(self) -> str:
        if self.illegal is not None:
            return str(self.illegal)
        legal = "1 event, legal" if self.events == 1 else f"{self.events} events, all legal"
        return f"{legal}; it ends {self.configuration.phase}"


def as_steps(event: Any) -> Steps:
    """Return the steps of an event that is a verb, or a pair of a verb and its arguments.

    Raises TypeError for anything else.
    """
    match event:
        case str(verb):
            return ((verb, ()),)
        case (str(verb), (*arguments,)):
            return ((verb, tuple(arguments)),)
        case _:
            raise TypeError(f"{event!r} is neither a verb nor a verb with a list of arguments")


def validate_trace(
    machine: Machine | Authority,
    events: Iterable[Event],
    *,
    steps: Callable[[Event], Steps] = as_steps,
    start: Configuration | None = None,
) -> Trace:
    """Replay a log against a machine and return whether it is legal, or where it stops being so.

    Events are ``(verb, arguments)`` pairs, plain verbs, or anything that ``steps`` maps to such
    pairs; an event is legal when all of its steps are, one after the other. ``start`` is where the
    machine stood before the first event, if not at its beginning. An `Authority` saves compiling
    the machine again for each log. No token is asked: a recorded move was authorised when it was
    made. An exception of ``steps``, for an event that it does not know, is raised to the caller.
    """
    authority = machine if isinstance(machine, Authority) else Authority(machine)
    configuration = authority.initial if start is None else start
    count = 0
    illegal = None
    for index, event in enumerate(events):
        here, illegal = _followed(authority, configuration, index, event, steps(event))
        if illegal is not None:
            break
        configuration = here
        count += 1
    return Trace(
        configuration=configuration,
        events=count,
        finished=configuration.phase in authority.machine.final,
        illegal=illegal,
    )


def _followed(
    authority: Authority, here: Configuration, index: int, event: Any, steps: Steps
) -> tuple[Configuration, IllegalMove | None]:
    """Return where the event's steps lead, or the first of them that leads nowhere."""
    for verb, arguments in steps:
        try:
            _check_step(authority, here, verb, arguments)
            here = authority.replay(here, verb, arguments)
        except IllegalTransition as refusal:
            return here, IllegalMove(
                index=index,
                event=event,
                verb=verb,
                arguments=arguments,
                configuration=here,
                allowed=authority.allowed(here),
                because=refusal.data["because"],
                message=str(refusal),
            )
    return here, None


def _check_step(
    authority: Authority, here: Configuration, verb: str, arguments: tuple[Any, ...]
) -> None:
    """Raise IllegalTransition for a step that no machine of this declaration could ever take."""
    machine = authority.machine
    problem = None
    try:
        declared = machine.verb(verb).arguments
    except KeyError:
        problem = f"there is no verb {verb!r}"
    else:
        problem = arguments_problem(declared, arguments)
    if problem is not None:
        raise IllegalTransition(
            machine=machine.name,
            subject=machine.name,
            verb=verb,
            phase=here.phase,
            allowed=authority.allowed(here),
            because=problem,
        )
