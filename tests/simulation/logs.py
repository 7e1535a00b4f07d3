"""What a log must be, in plain Python: the oracle that rows are held against, one by one.

Invariants: nothing here is the engine's but the declared law and the mapping of events to its
verbs; digests and links are computed with json and hashlib; what a landing must hold is composed
anew from what was staged, brought, asked and said.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.aggregates.session import steps
from engine.machines import SESSION, Authority, Configuration
from engine.store import Mapper
from engine.testing import validate_trace

from .knowledge import Knowledge, Violation, written

LAW: Final = Authority(SESSION)
_MAPPER: Final = Mapper()
_TAIL: Final = len(b',"link":"') + 64 + len(b'"}')
_STAGINGS: Final = 3
NOTHING_ASKED: Final = hashlib.sha256(b"[]").hexdigest()
_ENDS: Final = ("run-failed", "run-cancelled", "run-rolled-back", "run-interrupted")


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


class SessionLog:
    """One session's log, row after row."""

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
        self.results: list[str] = []
        self.inputs: dict[str, dict[str, Any]] = {}
        self.accepted: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, list[Any]] = {}  # id: [status, version]
        self.abandoned: dict[str, int] = {}  # id: version
        self.doubted: dict[str, int] = {}  # id: the version from which it may have been executed
        self.inherited = 0  # messages of the origin's
        self.mobs: list[str] = []
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

    def unknown_calls(self) -> list[str]:
        """The ids of the calls nobody has said anything of."""
        return [name for name, (status, _) in self.calls.items() if status == "unknown"]

    # One row more

    def take(self, version: int, topic: str, state: bytes) -> None:
        """Hold the next row against everything before it."""
        event = json.loads(state)
        self._must(version == self.version + 1, "G4", f"version {version} after {self.version}")
        self._must(
            (event["session_id"], event["version"], event["tag"]) == (self.id, version, topic),
            "G7",
            f"row {version} contradicts its event",
        )
        body = state[:-_TAIL] + b"}"
        link = hashlib.sha256(self.link.encode() + body).hexdigest()
        self._must(event["link"] == link, "G7", f"the link of version {version} does not follow")
        self.link = link
        trace = validate_trace(LAW, [_MAPPER.decode(state)], steps=steps, start=self.law)
        self._must(trace.ok, "G8", f"version {version}: {trace}")
        self.law = trace.configuration
        self.rows.append(state)
        self.tags.append(topic)
        self._meaning(event)
        self.counts.append(len(self.messages))
        run = LAW.value(self.law, "run")
        self._must(run == self.current, "G4", f"the law has run {run}, the log {self.current}")

    def _must(self, holds: object, guarantee: str, what: str) -> None:
        if not holds:
            raise Violation(guarantee, f"session {self.id}: {what}")

    def _meaning(self, event: dict[str, Any]) -> None:
        match event["tag"]:
            case "turn-applied":
                self._turn(event)
            case "run-begun":
                self._begun(event)
            case "boundary-applied":
                self._boundary(event)
            case "run-completed":
                self._completed(event)
            case "run-failed" | "run-cancelled" | "run-rolled-back" | "run-interrupted":
                self._ended(event)
            case "session-stopped":
                if self.current is not None:
                    self._ended(event)
                else:
                    self._must(not event["abandoned_input_ids"], "G1", "nothing to abandon")
            case "context-appended":
                self._appended(event)
            case "context-staged":
                (message,) = map(written, event["messages"])
                self._given(message)
                self.staged.append(message)
                self._key(event)
            case "session-forked":
                self._forked(event)
            case _:
                self._work(event)

    def _work(self, event: dict[str, Any]) -> None:
        match event["tag"]:
            case "input-accepted":
                self._accepted(event)
            case "inputs-dropped":
                self._drop(event["input_ids"], "queued")
            case "tool-results-staged":
                for message in map(written, event["messages"]):
                    self._given(message)
                    self.results.append(message)
                for call_id in event["call_ids"]:
                    self._must(call_id in self.calls, "G9", f"a result of no call, {call_id}")
                    self.calls[call_id][0] = "executed"
                    self.doubted.setdefault(call_id, event["version"])
            case "call-abandoned":
                self._must(self.calls.pop(event["call_id"], None), "G9", "no such call")
                self.abandoned[event["call_id"]] = event["version"]
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
            case "session-archived":
                self._must(not self.inputs_in("queued", "staged"), "G1", "archived with input")
            case _:
                self._note(event)

    def _note(self, event: dict[str, Any]) -> None:
        match event["tag"]:
            case "interrupt-requested":
                self._must(event["run_id"] == self.current, "G4", "no such run to interrupt")
                self.runs[event["run_id"]].asked_to_end = True
            case "session-checkpointed":
                facts = event["message_count"], event["conversation_digest"]
                self._must(facts == (len(self.messages), self.digest()), "G1", "checkpoint facts")
            case "mob-joined":
                self.mobs.append(event["mob"])
            case "mob-left":
                self.mobs.remove(event["mob"])
            case _:
                pass

    # Landings

    def _turn(self, event: dict[str, Any]) -> None:
        receipt = event["receipt"]
        run_id, input_ids = receipt["run_id"], receipt["contributing_input_ids"]
        self._free(run_id, input_ids)
        messages = list(map(written, event["messages"]))
        staged = [*self.results, *self.staged]
        own = messages[len(staged) :]
        self._must(messages[: len(staged)] == staged, "G1", f"what {run_id} was staged")
        self._attempted(run_id, "record_turn", own, receipt["boundary"], input_ids)
        run = self.runs[run_id] = Run(event, current=False)
        run.terminal = "completed"
        self._land(event, messages, run, sequence=1)
        self._drop(input_ids, "queued")

    def _begun(self, event: dict[str, Any]) -> None:
        run_id, input_ids = event["run_id"], event["input_ids"]
        self._free(run_id, input_ids)
        self._must(event["epoch"] in self.known.epochs, "G4", f"nobody has epoch {event['epoch']}")
        attempt = self.known.attempt(
            self.id,
            run_id,
            lambda one: (
                one.kind == "apply_turn"
                and (one.boundary, list(one.input_ids)) == (event["boundary"], input_ids)
                and hashlib.sha256(f"[{','.join(one.messages)}]".encode()).hexdigest()
                == event["request_digest"]
            ),
        )
        own = self.id in self.known.kept_alive and event["request_digest"] == NOTHING_ASKED
        self._must(attempt or own, "G9", f"nobody asked for run {run_id} like this")
        run = self.runs[run_id] = Run(event, current=True)
        self.known.requests[self.id, run_id] = attempt.messages if attempt else []
        self.current = run_id
        run.began = event
        self._stage(input_ids)

    def _boundary(self, event: dict[str, Any]) -> None:
        receipt = event["receipt"]
        run = self._running(receipt["run_id"])
        self._landing(event, run, "boundary", receipt["boundary"] == "run_checkpoint")
        steered = [n for n in self.inputs_in("queued") if self.inputs[n]["lane"] == "steer"]
        self._must(event["steered_input_ids"] == steered, "G1", "steered inputs")
        self._stage(steered)

    def _completed(self, event: dict[str, Any]) -> None:
        run_id = event["run_id"]
        run = self._running(run_id)
        if event["receipt"] is None:
            self._must(not event["messages"], "G1", f"{run_id} landed without a receipt")
            self._must(
                self.known.next_offer(self.id, run_id, run, "end", []),
                "G9",
                f"the agent of {run_id} did not end like this",
            )
            self._must(not self.inputs_in("staged"), "G1", f"{run_id} ends with staged inputs")
        else:
            self._landing(event, run, "end", event["receipt"]["boundary"] == run.boundary)
        self._drop(self.inputs_in("applied"), "applied")
        run.ended, run.terminal = event["tag"], event["terminal"]
        self.current = None

    def _landing(self, event: dict[str, Any], run: Run, kind: str, boundary_fits: bool) -> None:
        run_id = event["receipt"]["run_id"]
        self._must(boundary_fits, "G1", f"{run_id} lands at another boundary")
        input_ids = self.inputs_in("staged")
        expected = [*self.results, *self.staged]
        for one in input_ids:
            expected += self.inputs[one]["messages"]
        if not run.receipts:
            expected += self.known.requests[self.id, run_id]
        messages = list(map(written, event["messages"]))
        own = messages[len(expected) :]
        self._must(messages[: len(expected)] == expected, "G1", f"what {run_id} lands first")
        self._must(
            self.known.next_offer(self.id, run_id, run, kind, own),
            "G9",
            f"the agent of {run_id} never gave {own} ({kind})",
        )
        named = event["receipt"]["contributing_input_ids"]
        self._must(named == input_ids, "G1", f"{run_id} took {input_ids} and names {named}")
        self._land(event, messages, run, sequence=len(run.receipts) + 1)
        for one in input_ids:
            self.inputs[one]["phase"] = "applied"

    def _land(
        self, event: Mapping[str, Any], messages: list[str], run: Run, *, sequence: int
    ) -> None:
        if event["tag"] != "context-appended":
            counted = event["staged_results"], event["staged_context"]
            self._must(
                counted == (len(self.results), len(self.staged)), "G1", f"counts {counted} staged"
            )
            self.results, self.staged = [], []
        for message in messages:
            self._must(message not in self._landed, "G3", f"{message} landed twice")
            self._given(message)
            self._landed.add(message)
            self._say(message)
            self._tools(json.loads(message), event["version"])
        receipt = event["receipt"]
        facts = receipt["message_count"], receipt["conversation_digest"], receipt["sequence"]
        expected = len(self.messages), self.digest(), sequence
        self._must(facts == expected, "G1", f"a receipt says {facts}, and it is {expected}")
        run.receipts.append(receipt)

    def _say(self, message: str) -> None:
        self._hash.update(("," if self.messages else "").encode() + message.encode())
        self.messages.append(message)

    def _appended(self, event: dict[str, Any]) -> None:
        receipt = event["receipt"]
        run_id = receipt["run_id"]
        self._must(run_id not in self.runs, "G3", f"run {run_id} again")
        self._must(receipt["boundary"] == "immediate", "G1", "context lands at once")
        run = self.runs[run_id] = Run(event, current=False)
        self._land(event, list(map(written, event["messages"])), run, sequence=1)
        self._key(event)

    def _forked(self, event: dict[str, Any]) -> None:
        origin = self.known.logs.get(event["origin_session_id"])
        self._must(origin is not None, "G9", "a fork of nothing")
        assert origin is not None
        kept = event["origin_messages"]
        self._must(kept <= origin.counts[event["origin_version"]], "G9", "a fork of the future")
        for message in origin.messages[:kept]:
            self._say(message)
            self._tools(json.loads(message), 1)
        for call_id, version in origin.abandoned.items():
            if version <= event["origin_version"] and self.calls.pop(call_id, None):
                self.abandoned[call_id] = 0
        for call_id, version in origin.doubted.items():
            seen = kept >= origin.inherited if version == 0 else version <= event["origin_version"]
            if seen and call_id in self.calls:
                self.calls[call_id][0] = "unknown"
                self.doubted[call_id] = 0
        self.inherited = kept
        self._must(event["origin_digest"] == self.digest(), "G1", "the digest of what it kept")

    # Runs, inputs and calls

    def _free(self, run_id: str, input_ids: Iterable[str]) -> None:
        self._must(self.current is None, "G4", f"{run_id} begins while {self.current} is current")
        self._must(run_id not in self.runs, "G3", f"run {run_id} begins again")
        self._must(not self.unknown_calls(), "G9", f"{run_id} begins while calls are unknown")
        queued = self.inputs_in("queued")
        for one in input_ids:
            self._must(one in queued, "G1", f"{run_id} takes {one}, which is not queued")

    def _running(self, run_id: str) -> Run:
        self._must(run_id == self.current, "G4", f"{run_id} goes on, but {self.current} is current")
        return self.runs[run_id]

    def _ended(self, event: dict[str, Any]) -> None:
        run_id = event.get("run_id", self.current)
        run = self._running(run_id)
        if event["tag"] == "run-interrupted":
            self._must(event["epoch"] == run.epoch, "G4", "another owner's run")
        if event["tag"] == "run-failed":
            self._must(
                self.known.failed(self.id, run_id), "G9", f"the agent of {run_id} did not fail"
            )
        self._drop(self.inputs_in("applied"), "applied")
        abandoned = []
        for name in self.inputs_in("staged"):
            if self.inputs[name]["stagings"] >= _STAGINGS:
                abandoned.append(name)
            else:
                self.inputs[name]["phase"] = "queued"
        told = event["abandoned_input_ids"]
        self._must(told == abandoned, "G1", f"{event['tag']} gives up {told}, not {abandoned}")
        self._drop(abandoned, "staged")
        if event["tag"] != "run-rolled-back":
            for name, call in self.calls.items():
                if call[0] == "intended":
                    call[0] = "unknown"
                    self.doubted.setdefault(name, event["version"])
        run.ended = event["tag"]
        self.current = None

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

    def _tools(self, message: dict[str, Any], version: int) -> None:
        for call in message.get("tool_calls", ()):
            self.calls[call["id"]] = ["intended", version]
        if message["role"] == "tool":
            self.calls.pop(message["tool_call_id"], None)

    # Where everything came from

    def _given(self, message: str) -> None:
        self._must(
            message in self.known.given.get(self.id, ()),
            "G9",
            f"{message} was given by nobody",
        )

    def _attempted(
        self, run_id: str, kind: str, own: list[str], boundary: str, input_ids: list[str]
    ) -> None:
        found = self.known.attempt(
            self.id,
            run_id,
            lambda one: (
                (one.kind, one.messages, one.boundary, list(one.input_ids))
                == (kind, own, boundary, input_ids)
            ),
        )
        self._must(found, "G9", f"nobody asked for run {run_id} like this: {own}")
