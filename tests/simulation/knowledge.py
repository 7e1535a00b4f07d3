"""The knowledge of a simulation's callers and agents: messages given, requests, offers, answers.

Invariants: every message is given once, with a number of its own, so that a message in a log can be
traced to its giver, and one that stands there twice was applied twice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

Status = Literal["pending", "told", "refused", "lost"]
Asked = Literal["caller", "machine", "owner", "abandon", "drain"]
"""The requests to a session besides a run: that its turn end, in the name of a caller, of the
machine or of its own caller or loop; that its input be abandoned with it, or be run first."""


class Violation(AssertionError):
    """A guarantee that did not hold."""

    def __init__(self, guarantee: str, what: str) -> None:
        super().__init__(f"{guarantee}: {what}")
        self.guarantee = guarantee


def written(message: Mapping[str, Any]) -> str:
    """Return a message as it is recorded: compact JSON, keys in their order."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class Asking:
    """Something that is being asked of a session, or of any where that is None."""

    def __init__(self, what: Asked, session_id: str | None) -> None:
        self.what: Asked = what
        self.session_id = session_id
        self.over = False

    def of(self, session_id: str, *what: Asked) -> bool:
        """Whether one of these is asked of the session here."""
        return self.what in what and self.session_id in (None, session_id)


class Attempt:
    """One time that a run was asked for, and the outcome."""

    def __init__(
        self, kind: str, messages: Sequence[Mapping[str, Any]], boundary: str, input_ids: Any
    ) -> None:
        self.kind = kind
        self.messages = [written(message) for message in messages]
        self.boundary = boundary
        self.input_ids = tuple(input_ids)
        self.machine_owned = False
        self.status: Status = "pending"


class Knowledge:
    """The facts that are known outside of the log."""

    def __init__(self) -> None:
        self.given: dict[str, set[str]] = {}
        self.attempts: dict[tuple[str, str], list[Attempt]] = {}
        self.offers: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
        self.requests: dict[tuple[str, str], list[str]] = {}
        self.kept_alive: set[str] = set()
        self.askings: list[Asking] = []
        self.closing: set[str] = set()  # processes
        self.taken: set[tuple[str, str]] = set()  # by the machine: process, session
        self.filters: set[tuple[str, int]] = set()
        self.news: set[tuple[str, int]] = set()
        self.forks: dict[str, list[dict[str, Any]]] = {}  # name: the points asked for
        self.failures: set[tuple[str, str]] = set()
        self.epochs: dict[str, str] = {}
        self.logs: dict[str, Any] = {}
        self._number = 0

    def number(self) -> int:
        """Return a number that nothing else has."""
        self._number += 1
        return self._number

    def give(self, session_id: str, message: dict[str, Any]) -> dict[str, Any]:
        """Note that a message may stand in a session's log, and return it."""
        self.given.setdefault(session_id, set()).add(written(message))
        return message

    def ask(self, session_id: str, run_id: str, attempt: Attempt) -> Attempt:
        """Note that a run is being asked for."""
        self.attempts.setdefault((session_id, run_id), []).append(attempt)
        return attempt

    def attempt(
        self, session_id: str, run_id: str, fits: Callable[[Attempt], object]
    ) -> Attempt | None:
        """Return an attempt that was not refused and fits the log."""
        for one in self.attempts.get((session_id, run_id), ()):
            if one.status != "refused" and fits(one):
                return one
        return None

    def asking(self, what: Asked, session_id: str | None) -> Asking:
        """Note that something is being asked of a session, until it is over."""
        asking = Asking(what, session_id)
        self.askings.append(asking)
        return asking

    def is_asked(self, session_id: str, *what: Asked) -> bool:
        """Whether one of these is being asked of a session at this moment."""
        return any(not one.over and one.of(session_id, *what) for one in self.askings)

    def end_is_asked(self, session_id: str, *, machine_owned: bool, epoch: str | None) -> bool:
        """Whether a caller that may has asked for the end of the run, since it began."""
        who: tuple[Asked, ...] = ("machine", "owner") if machine_owned else ("caller", "owner")
        if not machine_owned:
            who = (*who, "machine")
        closing = self.epochs.get(epoch or "") in self.closing
        return closing or any(one.of(session_id, *who) for one in self.askings)

    def forget_askings(self, session_id: str) -> None:
        """Forget the requests that are over: later events in the session are of others."""
        self.askings = [
            one for one in self.askings if not (one.over and one.session_id in (None, session_id))
        ]

    def offer(
        self, session_id: str, run_id: str, kind: str, messages: Sequence[Mapping[str, Any]]
    ) -> None:
        """Note the messages that an agent is about to land at a boundary, or to return."""
        offers = self.offers.setdefault((session_id, run_id), [])
        offers.append((kind, [written(message) for message in messages]))

    def next_offer(self, session_id: str, run_id: str, run: Any, kind: str, own: list[str]) -> bool:
        """Whether the agent offered just this, after those of its offers that have landed."""
        offers = self.offers.get((session_id, run_id), [])
        for place in range(run.offered + 1, len(offers)):
            if offers[place] == (kind, own):
                run.offered = place
                return True
        return False

    def fail(self, session_id: str, run_id: str) -> None:
        """Note that an agent fails, or returns messages that cannot be recorded."""
        self.failures.add((session_id, run_id))

    def failed(self, session_id: str, run_id: str) -> bool:
        """Whether an agent of the run has failed."""
        return (session_id, run_id) in self.failures
