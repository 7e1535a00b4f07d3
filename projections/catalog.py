"""The catalog: one entry for each session, derived event by event, for listing and filtering.

Invariants: an entry is a function of the session's events; deriving one needs no message to be
parsed and no other session's events. A session with an event that cannot be read stays listed, as
it was before that event, with ``damaged_at`` saying where.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from perdure.aggregates import Origin, Session
from perdure.aggregates.session import events
from perdure.aggregates.session.lifecycle import advance
from perdure.aggregates.session.recorded import NO_OBJECT
from perdure.aggregates.session.state import origin_in
from perdure.errors import IllegalTransition, LogCorrupt, SessionNotFound, StoreError
from perdure.machines import LIFECYCLE, Configuration
from perdure.projections.rows import PAGE_BYTES, is_text, link_of
from perdure.store import (
    CatalogRow,
    Derived,
    Mapper,
    MemoryDerived,
    PositionedRow,
    Recorder,
    Store,
    links,
)
from perdure.values import Usage

_NO_MESSAGES_DIGEST: Final = Session(id="").conversation.digest()
_BATCH: Final = 1000


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its users see it.

    - ``staged_context``: the messages that the next turn will begin with.
    - ``usage``: the sum over the turns.
    - ``mobs``: the groups that the session belongs to.
    - ``origin``: the point that it was forked from, None for a session that was not.
    - ``created_at``, ``updated_at``: RFC 3339 in UTC.
    - ``damaged_at``: the version of the first event that cannot be read, None for none. The other
      fields are then as of the version before it.
    - ``owner``: the epoch of the engine that drives the session's run, None while none runs.
    - ``ownerless``: the owner is gone, so its run has ended, and the next write will record that.
      Only an engine knows this; a view that was folded from the log alone says False.
    """

    id: str
    phase: str
    version: int
    message_count: int
    conversation_digest: str
    labels: dict[str, str]
    metadata: dict[str, Any]
    usage: Usage
    staged_context: list[dict[str, Any]]
    mobs: tuple[str, ...] = ()
    origin: Origin | None = None
    created_at: str
    updated_at: str
    damaged_at: int | None = None
    owner: str | None = None
    ownerless: bool = False


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The catalog's entry of a session, with the link and the lifecycle that the next event needs.

    ``position`` is that of its first event, ``newest`` that of the newest one derived. An entry of
    another ``format`` cannot be read, and so the catalog is made anew.
    """

    format: Literal[5]
    id: str
    position: int
    newest: int = 0
    link: str
    lifecycle: tuple[str, list[Any]]
    version: int = 0
    message_count: int = 0
    conversation_digest: str = _NO_MESSAGES_DIGEST
    labels: dict[str, str] = {}
    metadata: msgspec.Raw = NO_OBJECT
    usage: Usage = Usage()
    staged_context: list[msgspec.Raw] = msgspec.field(default_factory=list, name="staged")
    mobs: tuple[str, ...] = ()
    origin: Origin | None = None
    created_at: str = ""
    updated_at: str = ""
    damaged_at: int | None = None
    owner: str | None = None


_OF_GROUPS: Final = events.tags_of(events.MobJoined, events.MobLeft)
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Entry)


def view_of(state: Session) -> SessionView:
    """Return a folded session as its users see it."""
    return SessionView(
        id=state.id,
        phase=state.phase,
        version=state.version,
        message_count=state.conversation.count,
        conversation_digest=state.conversation.digest(),
        labels=state.labels,
        metadata=msgspec.json.decode(state.metadata),
        usage=state.usage,
        staged_context=[msgspec.json.decode(message) for message in state.staged_context],
        mobs=state.mobs,
        origin=state.origin,
        created_at=state.created_at,
        updated_at=state.updated_at,
        owner=None if state.work.run is None else state.work.run.epoch,
    )


def view_of_entry(encoded: bytes) -> SessionView:
    """Return a catalog entry as its users see it."""
    entry = _DECODER.decode(encoded)
    return SessionView(
        id=entry.id,
        phase=entry.lifecycle[0],
        version=entry.version,
        message_count=entry.message_count,
        conversation_digest=entry.conversation_digest,
        labels=entry.labels,
        metadata=msgspec.json.decode(entry.metadata),
        usage=entry.usage,
        staged_context=[msgspec.json.decode(message) for message in entry.staged_context],
        mobs=entry.mobs,
        origin=entry.origin,
        created_at=entry.created_at,
        updated_at=entry.updated_at,
        damaged_at=entry.damaged_at,
        owner=entry.owner,
    )


def mob_label(mob: str) -> str:
    """Return the label of a group's members in the index, which no caller can give a session."""
    return f"\0mob {mob}"


def new_entry(session_id: str, position: int) -> Entry:
    """Return the entry of a session whose first event is at ``position``."""
    phase, values = LIFECYCLE.initial
    return Entry(
        format=5,
        id=session_id,
        position=position,
        link=links.genesis(session_id),
        lifecycle=(phase, list(values)),
    )


def derive(entry: Entry, event: events.SessionEvent) -> Entry:
    """Return the entry after one more event. Raises IllegalTransition for a lawless one."""
    phase, values = entry.lifecycle
    after = advance(Configuration(phase, tuple(values)), event)
    owner = event.epoch if isinstance(event, events.RunBegun) else entry.owner
    entry = msgspec.structs.replace(
        entry,
        version=event.version,
        updated_at=event.at,
        lifecycle=(after.phase, list(after.values)),
        owner=None if LIFECYCLE.value(after, "run") is None else owner,
    )
    match event:
        case events.SessionRegistered():
            return msgspec.structs.replace(
                entry, labels=event.labels, metadata=event.metadata, created_at=event.at
            )
        case events.SessionForked():
            return msgspec.structs.replace(
                entry,
                labels=event.labels,
                metadata=event.metadata,
                created_at=event.at,
                message_count=event.origin_messages,
                conversation_digest=event.origin_digest,
                origin=origin_in(event),
            )
        case events.MobJoined():
            return msgspec.structs.replace(entry, mobs=(*entry.mobs, event.mob))
        case events.MobLeft():
            others = tuple(mob for mob in entry.mobs if mob != event.mob)
            return msgspec.structs.replace(entry, mobs=others)
        case (
            events.TurnApplied()
            | events.BoundaryApplied()
            | events.RunCompleted()
            | events.ContextAppended()
        ):
            if not isinstance(event, events.ContextAppended) and event.usage is not None:
                entry = msgspec.structs.replace(entry, usage=entry.usage + event.usage)
            if event.receipt is None:
                return entry
            entry = msgspec.structs.replace(
                entry,
                message_count=event.receipt.message_count,
                conversation_digest=event.receipt.conversation_digest,
            )
            if isinstance(event, events.ContextAppended):
                return entry
            return msgspec.structs.replace(
                entry, staged_context=entry.staged_context[event.staged_context :]
            )
        case events.ContextStaged():
            waiting = msgspec.Raw(bytes(event.messages)[1:-1])
            return msgspec.structs.replace(entry, staged_context=[*entry.staged_context, waiting])
        case _:
            return entry  # a test holds the catalog to the fold after every event there is


def catch_up_catalog(recorder: Recorder, derived: Derived, mapper: Mapper) -> None:
    """Derive the catalog up to the end of the log, in batches that can be cut off anywhere.

    Several processes may run this at once: the first to finish a batch keeps it.
    """
    while True:
        position = derived.catalog_position()
        batch = recorder.page_after(position, _BATCH, most_bytes=PAGE_BYTES)
        if not batch:
            return
        derived.put_catalog(position, batch[-1].position, _derived_rows(derived, mapper, batch))


def _derived_rows(
    derived: Derived, mapper: Mapper, batch: Sequence[PositionedRow]
) -> list[CatalogRow]:
    rows = [(name, row) for row in batch if is_text(name := row.session_id)]
    names = list(dict.fromkeys(name for name, _ in rows))
    kept = derived.catalog_entries(names)
    entries = {name: _DECODER.decode(encoded) for name, (_, encoded) in kept.items()}
    before = {name: _labels_of(entry) for name, entry in entries.items()}
    for name, row in rows:
        entry = entries.get(name) or new_entry(name, row.position)
        entries[name] = _derived_safely(mapper, entry, row)
    return [
        CatalogRow(
            session_id=name,
            position=entry.position,
            phase=entry.lifecycle[0],
            labels=(labels := _labels_of(entry)),
            entry=_ENCODER.encode(entry),
            gone={k: v for k, v in before.get(name, {}).items() if k not in labels},
        )
        for name, entry in entries.items()
    ]


def _labels_of(entry: Entry) -> dict[str, str]:
    """Return the labels by which the index finds the session: its own and those of its groups."""
    return entry.labels | {mob_label(mob): "" for mob in entry.mobs}


def _derived_safely(mapper: Mapper, entry: Entry, row: PositionedRow) -> Entry:
    """Return the entry after the row, or marked as damaged there, once and for all."""
    if entry.damaged_at is not None:
        return _with_groups(mapper, entry, row)
    if row.position <= entry.newest:
        return entry
    try:
        event = mapper.to_event(row, entry.link)
        if event.version != entry.version + 1:
            raise LogCorrupt(entry.id, entry.version + 1, "missing", "a version is missing")
        derived = derive(entry, event)
        newest = row.position if type(row.position) is int else entry.newest
        return msgspec.structs.replace(derived, link=link_of(row) or "", newest=newest)
    except (LogCorrupt, IllegalTransition):
        damaged = msgspec.structs.replace(entry, damaged_at=entry.version + 1)
        return _with_groups(mapper, damaged, row)


def _with_groups(mapper: Mapper, entry: Entry, row: PositionedRow) -> Entry:
    """Return the entry of a damaged session in the groups that the row has it join or leave.

    A damaged session stays a member, so archiving its group reports that it cannot be archived.
    """
    if row.topic not in _OF_GROUPS:
        return entry
    try:
        event = mapper.to_event(row, previous=None)
    except LogCorrupt:
        return entry
    if isinstance(event, events.MobJoined) and event.mob not in entry.mobs:
        return msgspec.structs.replace(entry, mobs=(*entry.mobs, event.mob))
    if isinstance(event, events.MobLeft):
        others = tuple(mob for mob in entry.mobs if mob != event.mob)
        return msgspec.structs.replace(entry, mobs=others)
    return entry


def list_sessions(
    store: Store,
    mapper: Mapper,
    *,
    phase: str | None = None,
    labels: dict[str, str] | None = None,
    mob: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> list[SessionView]:
    """Return sessions in the order they were registered, filtered; see `Engine.list`.

    A catalog with an entry that cannot be read, changed or of another version, is made anew.
    """

    def listed(derived: Derived) -> list[SessionView]:
        catch_up_catalog(store.recorder, derived, mapper)
        start = 0
        if after is not None:
            found = derived.catalog_entries([after])
            if after not in found:
                raise SessionNotFound(after)
            start = found[after][0]
        wanted = (labels or {}) | ({} if mob is None else {mob_label(mob): ""})
        entries = derived.select_catalog(phase, wanted, start, -1 if limit is None else limit)
        return [view_of_entry(encoded) for encoded in entries]

    try:
        return listed(store.derived)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        store.derived.clear()
        return listed(store.derived)
    except StoreError:  # it cannot be kept now (locked, full, spoilt), but it can be answered
        return listed(MemoryDerived())
