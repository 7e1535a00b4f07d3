"""The audit: replay of a session's raw rows, trusting nothing that the log says about itself.

Invariants: every row is looked at, whatever was wrong with those before it; a finding names the
session and version where the log stops being what was written. What a damaged event makes
unknowable (where the lifecycle stands, what the conversation was) is not guessed for the events
behind it: their links, identities and versions are still checked, their meaning no longer is.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from engine.aggregates import (
    ContextAppended,
    Session,
    SessionCheckpointed,
    SessionEvent,
    TurnApplied,
    evolve,
    initial_state,
)
from engine.errors import IllegalTransition
from engine.store import Mapper, links
from engine.store.mapper import RawRow, contradiction
from engine.values import Head, Receipt
from projections.findings import Finding, Kind
from projections.snapshots import encode_snapshot

_AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


class SessionAudit:
    """The audit of one session; feed it the session's rows in order, then `finish`.

    ``head`` is one exported earlier, ``snapshot`` the one that is kept, if there are such.
    """

    def __init__(
        self,
        session_id: str,
        mapper: Mapper,
        *,
        head: Head | None = None,
        snapshot: tuple[int, bytes] | None = None,
    ) -> None:
        self.session_id: Final = session_id
        self._mapper: Final = mapper
        self._head: Final = head
        self._snapshot: Final = snapshot
        self._findings: list[Finding] = []
        self._version = 0
        self._position = 0
        self._previous: tuple[str, ...] = (links.genesis(printable(session_id)),)
        self._state: Session | None = initial_state(session_id)

    def check(self, row: RawRow) -> None:
        """Check one row against itself, the rows before it and the law."""
        if not isinstance(row.originator_version, int) or row.originator_version < 1:
            self._find(
                "identity", self._version + 1, f"a row's version is {row.originator_version!r}"
            )
            return
        if row.originator_version <= self._version:
            self._find("duplicate", row.originator_version, "this version is there more than once")
            return
        if row.originator_version > self._version + 1:
            self._skip_to(row.originator_version)
        self._version = row.originator_version
        if row.position <= self._position:
            self._find(
                "order",
                row.originator_version,
                f"position {row.position} comes before the event it follows",
            )
        self._position = row.position
        self._check_state(row)

    def finish(self) -> list[Finding]:
        """Return everything found, after comparing the end with the exported head."""
        head = self._head
        if head is not None and self._version < head.version:
            self._find(
                "head",
                self._version + 1,
                f"the log ends at version {self._version}, but reached version {head.version} "
                "when its head was exported",
            )
        if self._snapshot is not None and self._snapshot[0] > self._version:
            self._find("snapshot", self._snapshot[0], "a snapshot is newer than the log")
        return self._findings

    def _find(self, kind: Kind, version: int, detail: str) -> None:
        self._findings.append(
            Finding(
                session_id=printable(self.session_id), version=version, kind=kind, detail=detail
            )
        )

    def _skip_to(self, version: int) -> None:
        first, last = self._version + 1, version - 1
        missing = f"version {first} is" if first == last else f"versions {first} to {last} are"
        self._find("missing", first, f"{missing} missing")
        self._previous = ()
        self._state = None

    def _check_state(self, row: RawRow) -> None:
        state = row.state
        if not isinstance(state, bytes):
            self._find(
                "undecodable",
                row.originator_version,
                f"the state is {type(state).__name__}, not bytes",
            )
            self._previous, self._state = (), None
            return
        self._check_link(row.originator_version, state)
        try:
            event = self._mapper.decode(state)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, KeyError) as error:
            self._find("undecodable", row.originator_version, f"the row holds no event: {error}")
            self._state = None
            return
        if (problem := contradiction(row, event)) is not None:
            self._find("identity", row.originator_version, problem)
            self._state = None
            return
        if not _AT.fullmatch(event.at):
            self._find(
                "identity", row.originator_version, f"the time {event.at!r} is not RFC 3339 in UTC"
            )
        self._check_meaning(event, links.stored_link(state))

    def _check_link(self, version: int, state: bytes) -> None:
        """Compare the link with what it should be, and remember what the next may follow.

        After a mismatch the next event may follow the link as stored or as computed, so that one
        altered event is one finding, not two.
        """
        stored = links.stored_link(state)
        if stored is None:
            self._find("link", version, "the event carries no link")
            self._previous = ()
            return
        computed = [links.expected_link(previous, state) for previous in self._previous]
        if computed and stored not in computed:
            self._find("link", version, "the link does not match the event and the one before it")
        self._previous = (stored, *(link for link in computed if link != stored))
        if self._head is not None and version == self._head.version and stored != self._head.link:
            self._find("head", version, "the link is not the one exported as the head")

    def _check_meaning(self, event: SessionEvent, link: str | None) -> None:
        before = self._state
        if before is None:
            return
        problems = [*_receipt_problems(before, event)] if _has_receipt(event) else []
        if isinstance(event, SessionCheckpointed):
            problems += _checkpoint_problems(before, event)
        for kind, problem in problems:
            self._find(kind, event.version, problem)
        if problems:
            self._state = None
            return
        try:
            self._state = evolve(before, event)
        except IllegalTransition as refusal:
            self._find("transition", event.version, str(refusal))
            self._state = None
            return
        kept = self._snapshot
        if kept is None or kept[0] != event.version:
            return
        if encode_snapshot(self._state, link or "") != kept[1]:
            self._find("snapshot", event.version, "the snapshot is not what the log folds to")


def audit_session(
    session_id: str,
    rows: Iterable[RawRow],
    mapper: Mapper,
    *,
    head: Head | None = None,
    snapshot: tuple[int, bytes] | None = None,
) -> list[Finding]:
    """Return everything wrong with one session's rows, given in order of version and position."""
    audit = SessionAudit(session_id, mapper, head=head, snapshot=snapshot)
    for row in rows:
        audit.check(row)
    return audit.finish()


def printable(session_id: Any) -> str:
    """Return a session id as a report can carry it, whatever someone made of the column."""
    if isinstance(session_id, str):
        return session_id.encode("utf-8", "backslashreplace").decode()
    return repr(session_id)


def _has_receipt(event: SessionEvent) -> bool:
    return isinstance(event, TurnApplied | ContextAppended)


def _receipt_problems(before: Session, event: Any) -> Iterator[tuple[Kind, str]]:
    """Yield what an event's receipt says that is not so."""
    receipt: Receipt = event.receipt
    try:
        own = len(_OBJECTS.decode(event.messages))
    except msgspec.MsgspecError:
        yield "undecodable", "the messages are not an array of objects"
        return
    after = before.conversation.extend(memoryview(event.messages)[1:-1], own)
    if receipt.message_count != after.count:
        yield "receipt", f"the receipt counts {receipt.message_count} messages, not {after.count}"
    if receipt.conversation_digest != after.digest():
        yield "digest", "the receipt's conversation digest is not that of the recorded messages"
    if receipt.sequence != 1:
        yield "receipt", f"the receipt's sequence is {receipt.sequence}; the run's first is 1"
    if receipt.run_id in before.runs:
        yield "receipt", f"run {receipt.run_id!r} was recorded before"
    if own == 0:
        yield "receipt", "the event landed no message"
    if isinstance(event, TurnApplied):
        yield from _staged_problems(before, event)


def _staged_problems(before: Session, event: TurnApplied) -> Iterator[tuple[Kind, str]]:
    landed = tuple(bytes(m) for m in _ARRAY.decode(event.messages)[: event.staged_context])
    if landed != before.staged:
        yield "receipt", "the turn does not begin with the context that was staged for it"


def _checkpoint_problems(before: Session, event: SessionCheckpointed) -> Iterator[tuple[Kind, str]]:
    conversation = before.conversation
    if event.message_count != conversation.count:
        yield "receipt", f"the checkpoint counts {event.message_count} messages"
    if event.conversation_digest != conversation.digest():
        yield "digest", "the checkpoint's conversation digest is not that of the messages"
