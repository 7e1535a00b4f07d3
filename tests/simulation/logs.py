"""The rules of a log in plain Python: the oracle that rows are compared with, one by one.

Invariants: nothing here is the engine's but the declared law and the mapping of events to its
verbs; digests and links are computed with json and hashlib; the messages of a landing are
composed anew from the staged, given, requested and offered ones.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from perdure.aggregates.session.lifecycle import steps
from perdure.store import Mapper
from perdure.testing import validate_trace

from .knowledge import written
from .work import LAW, OpenCall, Run, WorkInHand

_MAPPER: Final = Mapper()
_TAIL: Final = len(b',"link":"') + 64 + len(b'"}')
_STAGINGS: Final = 3
NOTHING_ASKED: Final = hashlib.sha256(b"[]").hexdigest()


class SessionLog(WorkInHand):
    """One session's log, row after row."""

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
        self.groups.append(tuple(self.mobs))
        self.at_risk.append(set() if self.current is None else self.offered)
        self.filters.append(self.filter and self.filter[0])
        run = LAW.value(self.law, "run")
        self._must(run == self.current, "G4", f"the law has run {run}, the log {self.current}")

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
                self._must(event["run_id"] is None, "G9", "no run was named")
            case "session-forked":
                self._forked(event)
            case _:
                self._work(event)

    # Landings

    def _turn(self, event: dict[str, Any]) -> None:
        receipt = event["receipt"]
        run_id, input_ids = receipt["run_id"], receipt["contributing_input_ids"]
        messages = list(map(written, event["messages"]))
        own = messages[event["staged_results"] + event["staged_context"] :]
        replaces = run_id == "fork-replacement"
        self._free(run_id, input_ids, [] if replaces else self.in_the_way(own))
        staged = [*self._first(own), *self._context(own)]
        self._must(messages[: len(staged)] == staged, "G1", f"what {run_id} was staged")
        self._attempted(run_id, "record_turn", own, receipt["boundary"], input_ids)
        run = self.runs[run_id] = Run(event, current=False)
        run.terminal = "completed"
        self._land(event, messages, run, sequence=1)
        self._drop(input_ids, "queued")

    def _begun(self, event: dict[str, Any]) -> None:
        run_id, input_ids = event["run_id"], event["input_ids"]
        nothing = event["request_digest"] == NOTHING_ASKED and not input_ids
        self._free(run_id, input_ids, self.in_the_way(begins=nothing))
        self._must(event["epoch"] in self.known.epochs, "G4", f"nobody has epoch {event['epoch']}")
        attempt = self.known.attempt(
            self.id,
            run_id,
            lambda one: (
                one.kind == "apply_turn"
                and (one.boundary, list(one.input_ids)) == (event["boundary"], input_ids)
                and one.machine_owned == event["machine_owned"]
                and hashlib.sha256(f"[{','.join(one.messages)}]".encode()).hexdigest()
                == event["request_digest"]
            ),
        )
        owner = self.known.epochs[event["epoch"]]
        own = (
            (self.id in self.known.kept_alive or self.known.is_asked(self.id, "drain"))
            and event["request_digest"] == NOTHING_ASKED
            and (not event["machine_owned"] or (owner, self.id) in self.known.taken)
        )
        self._must(attempt or own, "G9", f"nobody asked for run {run_id} like this")
        run = self.runs[run_id] = Run(event, current=True)
        self.known.requests[self.id, run_id] = attempt.messages if attempt else []
        self.known.forget_askings(self.id)
        self.current = run_id
        self._filter()
        run.began = event
        self._stage(input_ids)

    def _boundary(self, event: dict[str, Any]) -> None:
        receipt = event["receipt"]
        run = self._running(receipt["run_id"])
        self._landing(event, run, "boundary", receipt["boundary"] == "run_checkpoint")
        steered = [n for n in self.inputs_in("queued") if self.inputs[n]["lane"] == "steer"]
        steered = [] if self.held else steered  # nothing comes between a call and its result
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
        messages = list(map(written, event["messages"]))
        asked = [] if run.receipts else self.known.requests[self.id, run_id]
        counted = event["staged_results"] + event["staged_context"]
        input_ids = self.inputs_in("staged")
        brought = [text for one in input_ids for text in self.inputs[one]["messages"]]
        rest = messages[counted + len(brought) :]
        behind = [*brought, *rest]
        expected = [*self._first(behind), *self._context(behind), *brought, *asked]
        own = rest[len(asked) :]
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

    def _filter(self) -> None:
        if self.next_filter is not None:
            self.filter, self.next_filter = self.next_filter, None

    def _land(
        self, event: Mapping[str, Any], messages: list[str], run: Run, *, sequence: int
    ) -> None:
        if event["tag"] != "context-appended":
            self.results, self.staged = [], self.staged[event["staged_context"] :]
            self._filter()
        for message in messages:
            self._must(message not in self._landed, "G3", f"{message} landed twice")
            self._given(message)
            self._landed.add(message)
            self._say(message)
            self._tools(json.loads(message), event)
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
        waits = [call.id for call in self.calls.values() if not call.kept]
        self._must(not waits, "G9", f"context came between {waits} and its result")
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
        points = self.known.forks.get(self.id, [])
        fitting = any(_fits(point, event, origin) for point in points)
        self._must(fitting, "G9", f"nobody asked for a fork of {kept} messages: {points}")
        for message in origin.messages[:kept]:
            self._say(message)
            self._tools(json.loads(message), event)

        for key, said in origin.abandoned.items():
            there_are = origin.counts[event["origin_version"]]
            if said.counts(event, there_are) and self.calls.pop(key, None):
                self.abandoned[key] = said.inherited(kept)
        seen = {name: said for name, said in origin.doubted.items() if said.is_seen(event)}
        self._doubt({*seen, *origin.at_risk[event["origin_version"]]}, event)
        for key in self.calls.keys() & self.doubted.keys():
            self.calls[key].status = "unknown"
        self._must(event["origin_digest"] == self.digest(), "G1", "the digest of what it kept")

    # Runs, inputs and calls

    def _first(self, own: Sequence[str]) -> list[str]:
        """The staged results that land in front: but for those that the rest begins with."""
        front, _ = self.answers(own)
        return [text for text, keys in self.results if not keys or not front.issuperset(keys)]

    def _context(self, own: Sequence[str]) -> list[str]:
        """The staged context that lands: none while a call is open that no result in front answers.

        A result that stays out leaves its call open until what comes behind.
        """
        front, _ = self.answers(own)
        late = any(keys and front.issuperset(keys) for _, keys in self.results)
        return [] if self.held or late else self.staged

    def _free(self, run_id: str, input_ids: Iterable[str], in_the_way: Sequence[OpenCall]) -> None:
        self._must(self.current is None, "G4", f"{run_id} begins while {self.current} is current")
        self._must(run_id not in self.runs, "G3", f"run {run_id} begins again")
        ids = [call.id for call in in_the_way]
        self._must(not ids, "G9", f"{run_id} begins while calls are open: {ids}")
        queued = self.inputs_in("queued")
        for one in input_ids:
            self._must(one in queued, "G1", f"{run_id} takes {one}, which is not queued")

    def _running(self, run_id: str) -> Run:
        self._must(run_id == self.current, "G4", f"{run_id} goes on, but {self.current} is current")
        return self.runs[run_id]

    def _ended(self, event: dict[str, Any]) -> None:
        run_id: Any = event.get("run_id", self.current)
        run = self._running(run_id)
        if event["tag"] == "run-interrupted":
            self._must(event["epoch"] == run.epoch, "G4", "another owner's run")
        if event["tag"] in ("run-cancelled", "run-rolled-back") and not run.asked_to_end:
            asked = self.known.end_is_asked(
                self.id, machine_owned=run.machine_owned, epoch=run.epoch
            )
            self._must(asked, "G5", f"nobody who may asked for the end of {run_id}")
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
            for call in self.calls.values():
                if call.status == "intended":
                    call.status = "unknown"
            self._doubt(self.offered, event)
        run.ended = event["tag"]
        self.current = None

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


def _fits(point: Mapping[str, Any], event: Mapping[str, Any], origin: Any) -> bool:
    """Whether a fork that was made is one at the point that was asked for."""
    version, kept = event["origin_version"], event["origin_messages"]
    if event["origin_session_id"] != point["of"]:
        return False
    if "at_message" in point:
        return bool(kept == point["at_message"])
    if "at_version" in point:
        version_asked = point["at_version"]
        whole = version_asked < len(origin.counts) and kept == origin.counts[version_asked]
        return bool(whole and version >= point["at_version"])
    return bool(kept == origin.counts[version] and version >= point["least"])
