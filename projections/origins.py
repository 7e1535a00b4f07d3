"""Origins: the conversation that a fork goes on from, read from the rows of the sessions before it.

Invariants: nothing of an origin is ever copied; a chain of forks is walked, never recursed into,
and one that leads back to itself is refused; an origin is read from its own rows alone,
and never from the fields of the fork.
"""

from collections import OrderedDict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, get_args

import msgspec

from perdure.aggregates import Conversation, Origin, Session, Work, initial_state
from perdure.aggregates.session import events
from perdure.aggregates.session.calls import tools_in
from perdure.aggregates.session.conversation import EMPTY
from perdure.aggregates.session.state import origin_in
from perdure.aggregates.session.work import NO_WORK, calls_after
from perdure.errors import LogCorrupt
from perdure.projections.rows import rows_of
from perdure.store import Mapper, Recorder, StoredRow, links
from perdure.store.mapper import UNDECODABLE, message_bytes

LANDED: Final = events.tags_of(*get_args(events.Landed))
"""The tags of events whose messages are part of the conversation."""

_BEGUN: Final = events.tags_of(events.RunBegun)
_SETTLED: Final = events.tags_of(events.RunCompleted, events.RunRolledBack)
_BROKEN_OFF: Final = events.tags_of(
    events.RunFailed,
    events.RunCancelled,
    events.RunInterrupted,
    events.SessionStopped,
    events.SessionDestroyed,
)
_OF_CALLS: Final = events.tags_of(events.CallAbandoned, events.ToolResultsStaged)
_FORKED: Final = events.tags_of(events.SessionForked)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MOST_READ: Final = 2048
"""So many points of conversations an `OriginReader` remembers, each a digest and the open calls."""

_OPENED_IN_A_FORK: Final = 1
"""The version that a fork's calls are said to be of, if its origin made them."""


class ConversationPart(NamedTuple):
    """Messages ``start`` to ``end`` of a conversation, and the session that recorded them.

    They are in its rows up to ``version``, which may hold more. ``past`` says that all messages in
    those rows are behind the last one that is kept.
    """

    session_id: str
    version: int
    start: int
    end: int
    past: bool = False


class _Point(NamedTuple):
    """The first ``end`` messages of a session, as of a version."""

    session_id: str
    version: int
    end: int


def parts_of(
    recorder: Recorder, mapper: Mapper, session_id: str, version: int, end: int, *, start: int = 0
) -> list[ConversationPart]:
    """Return who recorded messages ``start`` to ``end`` of a session as of a version, in order.

    Raises LogCorrupt where an origin is missing, shorter than it was, or unreadable.
    """
    found: list[ConversationPart] = []
    met = {session_id}
    while True:
        origin = origin_of(recorder, mapper, session_id)
        kept = 0 if origin is None else max(0, origin.message_count)
        found.append(ConversationPart(session_id, version, min(kept, end), end, past=end < kept))
        if origin is None or (start and start >= kept):
            return found[::-1]
        end = min(kept, end)
        _check_origin(recorder, session_id, origin, met)
        met.add(origin.session_id)
        session_id, version = origin.session_id, origin.version


def origin_of(recorder: Recorder, mapper: Mapper, session_id: str) -> Origin | None:
    """Return where a session was forked from, None for one that was not.

    Raises LogCorrupt where its first event is damaged.
    """
    rows = recorder.select_rows(session_id, after=0, upto=1)
    if not rows or rows[0].topic not in _FORKED:
        return None
    event = mapper.to_event(rows[0], links.genesis(session_id))
    return origin_in(event) if isinstance(event, events.SessionForked) else None


class OriginReader:
    """Reads the states that forks begin with, each session's part of a conversation once.

    Many forks may go on from one point, and a chain of forks may be a thousand deep: a part that
    was read for one fork is not read again for the next. A recorded part never changes.
    """

    def __init__(self, recorder: Recorder, mapper: Mapper) -> None:
        self._recorder: Final = recorder
        self._mapper: Final = mapper
        self._read: Final[OrderedDict[_Point, tuple[Conversation, Work]]] = OrderedDict()

    def state_before(self, session_id: str, origin: Origin) -> Session:
        """Return the state of a fork before its first event; see `forked_state`."""
        _check_origin(self._recorder, session_id, origin, {session_id})
        point = _Point(origin.session_id, origin.version, max(0, origin.message_count))
        unread, conversation, work = self._nearest(point)
        for part in reversed(unread):
            conversation, work = _with_part(self._recorder, self._mapper, part, conversation, work)
            self._remember(_Point(part.session_id, part.version, part.end), conversation, work)
        return initial_state(session_id, conversation, work)

    def _nearest(self, point: _Point) -> tuple[list[ConversationPart], Conversation, Work]:
        """Return the unread parts up to a point, newest first, with the state before the first.

        Raises LogCorrupt where an origin is missing, shorter than it was, or unreadable.
        """
        unread: list[ConversationPart] = []
        met: set[str] = set()
        while (read := self._read.get(point)) is None:
            name, version, end = point
            met.add(name)
            origin = origin_of(self._recorder, self._mapper, name)
            kept = 0 if origin is None else max(0, origin.message_count)
            unread.append(ConversationPart(name, version, min(kept, end), end, past=end < kept))
            if origin is None:
                return unread, EMPTY, NO_WORK
            _check_origin(self._recorder, name, origin, met)
            point = _Point(origin.session_id, origin.version, min(kept, end))
        self._read.move_to_end(point)
        return unread, *read

    def _remember(self, point: _Point, conversation: Conversation, work: Work) -> None:
        self._read[point] = conversation, work
        if len(self._read) > _MOST_READ:
            self._read.popitem(last=False)


def forked_state(recorder: Recorder, mapper: Mapper, session_id: str, origin: Origin) -> Session:
    """Return the state of a fork before its first event: its conversation, and the calls in it.

    Each call that has no result among the messages kept is open, and unknown where it may have been
    executed by the version that the fork names: where its run broke off or was still going on, or
    its result was staged or landed, which the fork does not get. One that was given up is not open,
    unless more messages were kept than the fork has: then that was another branch's decision.
    The conversation comes from the origin's rows alone; `checked_fork` compares it with the fork's
    first event. Raises LogCorrupt where an origin is missing, shorter than it was, or
    unreadable.
    """
    return OriginReader(recorder, mapper).state_before(session_id, origin)


def checked_fork(recorder: Recorder, mapper: Mapper, session_id: str, origin: Origin) -> Session:
    """Return `forked_state`. Raises LogCorrupt unless it agrees with the fork's first event."""
    state = forked_state(recorder, mapper, session_id, origin)
    conversation = state.conversation
    if (conversation.count, conversation.digest()) != (
        origin.message_count,
        origin.conversation_digest,
    ):
        raise LogCorrupt(
            session_id,
            1,
            "digest",
            f"the messages of its origin {origin.session_id!r} are not those that were kept",
        )
    return state


def _check_origin(recorder: Recorder, session_id: str, origin: Origin, met: set[str]) -> None:
    """Refuse an origin that is not there, has not got so far, or descends from the fork."""
    name = origin.session_id
    if name in met:
        raise LogCorrupt(session_id, 1, "identity", f"its origin {name!r} descends from itself")
    last = recorder.last_version(name)
    if last is None:
        raise LogCorrupt(session_id, 1, "missing", f"its origin {name!r} is not there")
    if not 1 <= origin.version <= last:
        raise LogCorrupt(
            session_id,
            1,
            "missing",
            f"its origin {name!r} ends at version {last}, not at {origin.version} or later",
        )


def _with_part(
    recorder: Recorder,
    mapper: Mapper,
    part: ConversationPart,
    conversation: Conversation,
    work: Work,
) -> tuple[Conversation, Work]:
    """Return the conversation and the open calls after a part.

    The rows behind the messages kept answer one question: whether a call that is open there may
    have been executed since.
    """
    running, past = False, part.past
    pending = set(work.calls)  # those that have not been answered or given up in these rows
    given_up: set[str] = set()
    for row in rows_of(recorder, part.session_id, upto=part.version):
        wanted = part.end - conversation.count
        if not wanted and not work.calls:
            break
        if row.topic in LANDED:
            messages = _messages_in(row)
            kept, behind = messages[:wanted], messages[wanted:]
            with _readable(row):
                if kept:
                    array = _joined(kept)
                    conversation = conversation.extend(array, len(kept))
                    work = calls_after(work, array, _OPENED_IN_A_FORK)
                    pending = set(work.calls)
                if behind:
                    past = True
                    answered = pending & _answered_by(behind)
                    work, pending = _in_doubt(work, answered), pending - answered
        elif row.topic in _OF_CALLS:
            event = mapper.to_event(row, None)
            if isinstance(event, events.ToolResultsStaged):
                work = _in_doubt(work, pending & set(event.call_ids))
            elif isinstance(event, events.CallAbandoned):
                pending.discard(event.call_id)
                given_up.add(event.call_id)
            if wanted:
                work, given_up = _without(work, given_up), set()
        elif running and row.topic in _BROKEN_OFF:
            work = _in_doubt(work, pending)
        if row.topic in _BEGUN:
            running = True
        elif row.topic in _SETTLED or row.topic in _BROKEN_OFF:
            running = False
    if running:
        work = _in_doubt(work, pending)
    return conversation, work if past else _without(work, given_up)


def _in_doubt(work: Work, call_ids: AbstractSet[str]) -> Work:
    """Return the work where these calls are unknown, of those that are open."""
    calls = {
        call_id: msgspec.structs.replace(call, status="unknown") if call_id in call_ids else call
        for call_id, call in work.calls.items()
    }
    return msgspec.structs.replace(work, calls=calls)


def _without(work: Work, call_ids: AbstractSet[str]) -> Work:
    """Return the work without these calls."""
    calls = {call_id: call for call_id, call in work.calls.items() if call_id not in call_ids}
    return msgspec.structs.replace(work, calls=calls)


def _answered_by(messages: list[msgspec.Raw]) -> frozenset[str]:
    tools = tools_in(_joined(messages))
    return frozenset() if tools is None else frozenset(tools.answered)


def _joined(messages: list[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(map(bytes, messages)) + b"]")


def _messages_in(row: StoredRow) -> list[msgspec.Raw]:
    """Return the messages that a row landed, each as its bytes."""
    state: Any = row.state  # bytes, unless someone changed it
    with _readable(row):
        joined = message_bytes(state)
        return [] if joined is None else _ARRAY.decode(b"[" + bytes(joined) + b"]")


@contextmanager
def _readable(row: StoredRow) -> Iterator[None]:
    """Raise LogCorrupt where the row's messages turn out to be none."""
    try:
        yield
    except (*UNDECODABLE, AttributeError) as error:
        raise LogCorrupt(
            str(row.session_id),
            row.version,
            "undecodable",
            f"its messages cannot be read: {error}",
        ) from error


def parts_between(
    parts: list[ConversationPart], start: int, end: int
) -> Iterator[tuple[ConversationPart, int, int]]:
    """Yield each part that holds some of messages ``start`` to ``end``, and which it holds."""
    for part in parts:
        low, high = max(start, part.start), min(end, part.end)
        if low < high:
            yield part, low, high
