"""Origins: the conversation that a fork goes on from, read from the rows of the sessions before it.

Invariants: nothing of an origin is ever copied; a chain of forks is walked, never recursed into,
and one that leads back to itself is refused; an origin is read from its own rows alone,
and never from the fields of the fork.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, get_args

import msgspec

from perdure.aggregates import Conversation, Origin, Session, Work, initial_state
from perdure.aggregates.session import events
from perdure.aggregates.session.call_shapes import CallRules
from perdure.aggregates.session.conversation import EMPTY
from perdure.aggregates.session.evolve import given_up_by
from perdure.aggregates.session.open_calls import Key, executed_by, marked, without
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
_replace = msgspec.structs.replace
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
    rules: bytes


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
        rules = msgspec.json.encode(origin.rules)
        point = _Point(origin.session_id, origin.version, max(0, origin.message_count), rules)
        unread, conversation, work = self._nearest(point, origin.rules)
        for part in reversed(unread):
            conversation, work = _with_part(self._recorder, self._mapper, part, conversation, work)
            point = _Point(part.session_id, part.version, part.end, rules)
            self._remember(point, conversation, work)
        return initial_state(session_id, conversation, work)

    def _nearest(
        self, point: _Point, rules: CallRules
    ) -> tuple[list[ConversationPart], Conversation, Work]:
        """Return the unread parts up to a point, newest first, with the state before the first.

        Raises LogCorrupt where an origin is missing, shorter than it was, or unreadable.
        """
        unread: list[ConversationPart] = []
        met: set[str] = set()
        while (read := self._read.get(point)) is None:
            name, version, end, encoded = point
            met.add(name)
            origin = origin_of(self._recorder, self._mapper, name)
            kept = 0 if origin is None else max(0, origin.message_count)
            unread.append(ConversationPart(name, version, min(kept, end), end, past=end < kept))
            if origin is None:
                return unread, EMPTY, _replace(NO_WORK, rules=rules)
            _check_origin(self._recorder, name, origin, met)
            point = _Point(origin.session_id, origin.version, min(kept, end), encoded)
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


def _with_part(  # noqa: C901 - one row after the other, of each kind that matters
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
    whole = work  # with the messages that are not kept, so that results find their calls
    count = conversation.count
    pending = _keys(work)  # calls kept that were not answered or given up in these rows
    given_up: set[Key] = set()
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
                    work = calls_after(work, array, count, _OPENED_IN_A_FORK)
                    conversation = conversation.extend(array, len(kept))
                    pending = _keys(work)
                if messages:
                    whole = calls_after(whole, _joined(messages), count, _OPENED_IN_A_FORK)
                    count += len(messages)
                if behind:
                    past = True
                    work = _in_doubt(work, pending - _keys(whole))
                    pending &= _keys(whole)
        elif row.topic in _OF_CALLS:
            event = mapper.to_event(row, None)
            if isinstance(event, events.ToolResultsStaged):
                executed = _executed(whole, event.call_ids)
                work = _in_doubt(work, pending & executed)
                whole = _replace(whole, calls=marked(whole.calls, executed, status="executed"))
            elif isinstance(event, events.CallAbandoned):
                keys = set(given_up_by(whole, event))
                pending -= keys
                given_up |= keys
                whole = _replace(whole, calls=without(whole.calls, keys))
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


def _keys(work: Work) -> set[Key]:
    return {call.key for call in work.calls}


def _executed(work: Work, call_ids: Iterable[str]) -> set[Key]:
    """Return the calls whose results were staged, as far as they are calls by the fork's rules."""
    found: set[Key] = set()
    for call_id in call_ids:
        left = tuple(call for call in work.calls if call.key not in found)
        with suppress(KeyError):
            found |= {call.key for call in executed_by(left, [call_id])}
    return found


def _in_doubt(work: Work, keys: AbstractSet[Key]) -> Work:
    """Return the work where these calls are unknown, of those that are open."""
    return _replace(work, calls=marked(work.calls, keys, status="unknown"))


def _without(work: Work, keys: AbstractSet[Key]) -> Work:
    """Return the work without these calls."""
    return _replace(work, calls=without(work.calls, keys))


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
