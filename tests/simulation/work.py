"""The work in hand of a session by its log: runs, inputs, tool calls, keys, mobs.

Invariants: as in `logs`, of which this is the lower half: the meaning of each event for later ones.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from perdure.machines import SESSION, Authority, Configuration

from . import tools
from .knowledge import Knowledge, Violation, written

LAW: Final = Authority(SESSION)


class Run:
    """A run, as the log tells it."""

    def __init__(self, event: Mapping[str, Any], *, current: bool) -> None:
        self.version: int = event["version"]
        self.epoch: str | None = event.get("epoch")
        self.boundary: str = event.get("boundary") or event["receipt"]["boundary"]
        self.receipts: list[dict[str, Any]] = []
        self.ended: str | None = None if current else event["tag"]
        self.terminal: str | None = None
        self.asked_to_end = False
        self.began: Mapping[str, Any] = event
        self.offered = -1
        self.machine_owned: bool = event.get("machine_owned", False)


class Said(NamedTuple):
    """When something was said of a call: the version, and behind how many messages.

    Where a session before a fork said it, ``kept`` is how many messages the next in line kept.
    """

    version: int
    behind: int
    kept: int | None

    def is_seen(self, event: Mapping[str, Any]) -> bool:
        """Whether a fork sees it, which reads all of its origin up to the version that it names."""
        return self.kept is not None or bool(self.version <= event["origin_version"])

    def counts(self, event: Mapping[str, Any], there_are: int) -> bool:
        """Whether a call that was given up then is so in a fork.

        It is where the fork keeps messages behind it, or all that ``there_are``.
        """
        kept = event["origin_messages"]
        if self.kept is not None:
            return bool(kept >= min(self.kept, self.behind + 1))
        return self.is_seen(event) and (self.behind < kept or kept == there_are)

    def inherited(self, kept: int) -> "Said":
        """Return its counterpart in the fork, which keeps so many messages."""
        return self if self.kept is not None else self._replace(kept=kept)


Key = tuple[int, int]
"""The place of a call: of its message, and its own in the message."""


class OpenCall:
    """A call that has no result: its place, its id, and what is known of it."""

    def __init__(self, key: Key, call_id: str, version: int) -> None:
        self.key: Final = key
        self.id: Final = call_id
        self.version: Final = version
        self.status = "intended"
        self.kept = False


class WorkInHand:
    """What stands open in a session, row after row."""

    def __init__(self, session_id: str, known: Knowledge) -> None:
        self.id: Final = session_id
        self.known: Final = known
        self.rows: list[bytes] = []
        self.tags: list[str] = []
        self.link = hashlib.sha256(session_id.encode()).hexdigest()
        self.law: Configuration = LAW.initial
        self.messages: list[str] = []
        self.counts: list[int] = [0]  # of messages, by version
        self.runs: dict[str, Run] = {}
        self.current: str | None = None
        self.keys: dict[str, dict[str, Any]] = {}
        self.staged: list[str] = []
        self.results: list[tuple[str, tuple[Key, ...]]] = []  # and the calls that each answers
        self.inputs: dict[str, dict[str, Any]] = {}
        self.accepted: dict[str, dict[str, Any]] = {}
        self.calls: dict[Key, OpenCall] = {}
        self.calls_made = 0
        self.abandoned: dict[Key, Said] = {}  # when it was
        self.doubted: dict[Key, Said] = {}  # when it first may have been executed
        self.at_risk: list[set[Key]] = [set()]  # calls that a run has which is not over, by version
        self.mobs: list[str] = []
        self.filter: tuple[Any, int] | None = None  # and the version that staged it
        self.next_filter: tuple[Any, int] | None = None
        self.groups: list[tuple[str, ...]] = [()]  # by version
        self.filters: list[Any] = [None]  # in effect, by version
        self._landed: set[str] = set()
        self._hash = hashlib.sha256(b"[")

    @property
    def version(self) -> int:
        """The newest version."""
        return len(self.rows)

    @property
    def phase(self) -> str:
        """Where the law says that the session is."""
        return self.law.phase

    def digest(self) -> str:
        """The conversation's digest."""
        running = self._hash.copy()
        running.update(b"]")
        return running.hexdigest()

    def inputs_in(self, *phases: str) -> list[str]:
        """The ids of the inputs in these phases, as they were accepted."""
        return [name for name, one in self.inputs.items() if one["phase"] in phases]

    def in_the_way(self, own: Sequence[str] = (), *, begins: bool = False) -> list[OpenCall]:
        """The calls that a turn of these messages leaves behind it.

        For a run that ``begins`` with nothing, those of which nothing is known: its agent may
        execute the others.
        """
        front, anywhere = self.answers(own)

        def stays(call: OpenCall) -> bool:
            if call.kept:
                return False
            if begins:
                return call.status == "unknown"
            if call.status == "executed":
                return call.key in anywhere and call.key not in front
            return call.status == "unknown" or call.key not in front

        return [call for call in self.calls.values() if stays(call)]

    def answers(self, own: Sequence[str]) -> tuple[set[Key], set[Key]]:
        """The open calls that messages answer: those in front, and all of them."""
        waiting = [(call.key, call.id, call.status == "executed") for call in self.calls.values()]
        front: set[Key] = set()
        anywhere: set[Key] = set()
        leads = True
        for number, message in enumerate(map(json.loads, own)):
            found: set[Key] = set()
            for call_id in tools.ids_answered(message):
                same = [one for one in waiting if one[1] == call_id]
                same.sort(key=lambda one: one[2])  # those that a staged result answers come last
                if same:
                    waiting.remove(same[0])
                    found |= {same[0][0]} & self.calls.keys()
            waiting += [((-1, number), one, False) for one in tools.ids_made([message])]
            leads = leads and bool(found)
            anywhere |= found
            if leads:
                front |= found
        return front, anywhere

    def open_first(self, call_id: str) -> OpenCall | None:
        """The first call of an id that has no result, staged or landed."""
        same = [call for call in self.calls.values() if call.id == call_id]
        return next((call for call in same if call.status != "executed"), None)

    @property
    def held(self) -> bool:
        """Whether a call is open to which no result is staged, and no turn goes on without it."""
        return any(not call.kept and call.status != "executed" for call in self.calls.values())

    def _must(self, holds: object, guarantee: str, what: str) -> None:
        if not holds:
            raise Violation(guarantee, f"session {self.id}: {what}")

    def _work(self, event: dict[str, Any]) -> None:
        match event["tag"]:
            case "input-accepted":
                self._accepted(event)
            case "inputs-dropped":
                if event["reason"] == "archived":
                    asked = self.known.is_asked(self.id, "abandon")
                    self._must(asked, "G1", "nobody asked to abandon what is queued")
                self._drop(event["input_ids"], "queued")
            case "tool-results-staged":
                self._staged_results(event)
            case "call-abandoned":
                key = event["message"], event["place"]
                call = self.calls.pop(key, None)
                fits = call is not None and call.id == event["call_id"]
                self._must(fits and call.status != "executed", "G9", "no such call")  # type: ignore[union-attr]
                self.abandoned[key] = self._said(event)
            case "calls-kept":
                for one in event["calls"]:
                    kept = self.calls.get((one["message"], one["place"]))
                    self._must(kept and kept.id == one["call_id"], "G9", "no such call to keep")
                    assert kept is not None
                    self._must(not kept.kept, "G9", "it was kept before")
                    kept.kept = True
            case "session-reset":
                queued = self.inputs_in("queued")
                self._must(event["abandoned_input_ids"] == queued, "G1", "reset's inputs")
                self._drop(queued, "queued")
            case "session-recycled":
                queued = self.inputs_in("queued")
                self._must(event["transferred_input_ids"] == queued, "G1", "recycle's inputs")
            case "session-destroyed":
                pending = self.inputs_in("queued", "staged")
                self._must(event["abandoned_input_ids"] == pending, "G1", "destroy's inputs")
                self.inputs.clear()
                if self.current is not None:
                    self.runs[self.current].ended = event["tag"]
                    self.current = None
                    self._doubt(self.offered, event)
            case "session-archived":
                self._must(not self.inputs_in("queued", "staged"), "G1", "archived with input")
            case _:
                self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        match event["tag"]:
            case "interrupt-requested":
                self._must(event["run_id"] == self.current, "G4", "no such run to interrupt")
                run, by = self.runs[event["run_id"]], event["by"]
                run.asked_to_end = True
                allowed = by == "authority" or not run.machine_owned
                self._must(allowed, "G5", f"{run.began['run_id']} is the machine's")
                asked = self.known.is_asked(self.id, "machine" if by == "authority" else "caller")
                self._must(asked, "G5", f"no {by} asks for the end of {run.began['run_id']}")
            case "session-checkpointed":
                facts = event["message_count"], event["conversation_digest"]
                self._must(facts == (len(self.messages), self.digest()), "G1", "checkpoint facts")
            case "mob-joined":
                self.mobs.append(event["mob"])
            case "mob-left":
                self.mobs.remove(event["mob"])
            case "tool-filter-staged":
                (value,) = event["filter"]["allow"]
                self._must((self.id, value) in self.known.filters, "G9", "nobody's filter")
                self.next_filter = event["filter"], event["version"]
            case "event-published":
                news = self.id, event["payload"]["n"]
                self._must(news in self.known.news, "G9", "nobody published that")
            case _:
                pass

    def _staged_results(self, event: dict[str, Any]) -> None:
        named: list[str] = []
        for message in map(written, event["messages"]):
            self._given(message)
            keys: list[Key] = []
            for call_id in tools.ids_answered(json.loads(message)):
                call = self.open_first(call_id)
                self._must(call, "G9", f"a result of no call, {call_id}")
                assert call is not None
                call.status = "executed"
                keys.append(call.key)
                named.append(call_id)
            self.results.append((message, tuple(keys)))
            self._doubt(keys, event)
        self._must(event["call_ids"] == named, "G9", f"results of {named} are called otherwise")

    @property
    def offered(self) -> set[Key]:
        """The calls that are open, here or where a fork from before they were given up has them."""
        return {*self.calls, *(key for key, said in self.abandoned.items() if said.kept)}

    def _doubt(self, keys: Iterable[Key], event: Mapping[str, Any]) -> None:
        for key in keys:
            self.doubted.setdefault(key, self._said(event))

    def _said(self, event: Mapping[str, Any]) -> Said:
        return Said(event["version"], len(self.messages), None)

    def _accepted(self, event: dict[str, Any]) -> None:
        name = event["input_id"]
        self._must(name not in self.accepted, "G3", f"input {name} again")
        messages = list(map(written, event["messages"]))
        for message in messages:
            self._given(message)
        self.accepted[name] = event
        self.inputs[name] = {
            "phase": "queued",
            "lane": event["lane"],
            "messages": messages,
            "stagings": 0,
        }
        self._key(event)

    def _stage(self, input_ids: Iterable[str]) -> None:
        for name in input_ids:
            self.inputs[name]["phase"] = "staged"
            self.inputs[name]["stagings"] += 1

    def _drop(self, input_ids: Iterable[str], phase: str) -> None:
        for name in list(input_ids):
            found = self.inputs.pop(name, {"phase": "gone"})["phase"]
            self._must(found == phase, "G1", f"input {name} is {found}, not {phase}")

    def _key(self, event: dict[str, Any]) -> None:
        key = event["idempotency_key"]
        if key is not None:
            self._must(key not in self.keys, "G3", f"key {key} again")
            self.keys[key] = event

    def _tools(self, message: dict[str, Any], event: Mapping[str, Any]) -> None:
        for call_id in tools.ids_answered(message):
            answered = [call for call in self.calls.values() if call.id == call_id][:1]
            for call in answered:
                del self.calls[call.key]
                self._doubt([call.key], event)
        for place, call_id in enumerate(tools.ids_made([message])):
            key = len(self.messages) - 1, place
            self.calls[key] = OpenCall(key, call_id, event["version"])
            self.calls_made += 1

    def _given(self, message: str) -> None:
        self._must(
            message in self.known.given.get(self.id, ()),
            "G9",
            f"{message} was given by nobody",
        )
