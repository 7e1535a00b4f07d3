"""Testing helpers: given events, when a command, then events or a refusal. For users too.

Invariants: nothing here touches a database, a clock or an event loop; the tests call `decide` and
`evolve` themselves.

    given(register(), turn("run-1", "hello")).when(Retire(now=NOW)).then(SessionRetired)
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, Self, TypeVar

from perdure.aggregates import (
    RecordTurn,
    Register,
    Session,
    SessionCommand,
    SessionEvent,
    decide,
    encode_messages,
    fold,
    initial_state,
)
from perdure.errors import PerdureError
from perdure.runtime.environment import Environment

SESSION_ID: Final = "session-under-test"
NOW: Final = "2026-01-31T12:00:00.000000Z"

Refusal = TypeVar("Refusal", bound=PerdureError)


def register(**labels: str) -> Register:
    """Return a command to register, with labels."""
    return Register(now=NOW, labels=labels or None)


def turn(run_id: str, *texts: str, **fields: Any) -> RecordTurn:
    """Return a command to record a turn of user and assistant messages, in alternation."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    return RecordTurn(now=NOW, run_id=run_id, messages=encode_messages(messages), **fields)


class Scenario:
    """A session with a past, and the outcome of the last command."""

    def __init__(self, state: Session) -> None:
        self.state = state
        self._decided: tuple[SessionEvent, ...] | None = None
        self._refusal: PerdureError | None = None

    def when(self, command: SessionCommand) -> Self:
        """Decide on a command and keep the outcome."""
        self._decided, self._refusal = None, None
        try:
            self._decided = decide(self.state, command)
        except PerdureError as refusal:
            self._refusal = refusal
        else:
            self.state = fold(self.state, self._decided)
        return self

    def then(self, *kinds: type[SessionEvent]) -> tuple[Any, ...]:
        """Assert that the command led to events of these kinds, none for none; return them."""
        if self._refusal is not None:
            raise AssertionError(f"refused: {self._refusal}") from self._refusal
        found = tuple(type(event) for event in self._decided or ())
        if found != kinds:
            names = [kind.__name__ for kind in found]
            raise AssertionError(f"expected {[k.__name__ for k in kinds]}, decided {names}")
        return self._decided or ()

    def then_refused(self, kind: type[Refusal]) -> Refusal:
        """Assert that the command was refused with this error; return it."""
        if isinstance(self._refusal, kind):
            return self._refusal
        found = f"{self._decided!r}" if self._refusal is None else f"{self._refusal!r}"
        raise AssertionError(f"expected {kind.__name__}, got {found}")


def given(*past: SessionCommand, session_id: str = SESSION_ID) -> Scenario:
    """Return a session to which these commands happened, each of which must succeed."""
    state = initial_state(session_id)
    for command in past:
        state = fold(state, decide(state, command))
    return Scenario(state)


def scripted_environment(
    start: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC),
    step: timedelta = timedelta(seconds=1),
) -> Environment:
    """Return an environment whose clock moves by ``step`` a reading and whose ids count up."""
    ticks, ids = count(), count(1)
    return Environment(now=lambda: start + next(ticks) * step, new_id=lambda: f"id-{next(ids)}")
