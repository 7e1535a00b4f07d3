"""Snapshots: folded state, kept so that a long session opens without folding all of it.

Invariants: which snapshots there are, and every byte of them, is a function of the log alone, so
clearing and rebuilding them changes nothing. A snapshot is sealed to the link of the event it was
taken at, and its conversation digest is recomputed from the log's message bytes when it is loaded;
one that disagrees, or cannot be read, is ignored and never fatal. (The seal has no key: one forged
with care opens a session wrongly until the audit, which folds the log itself, finds it.)

Policy. A snapshot falls due when the log has grown, since the last one, by eight times what that
one weighs (and at least 1 MiB); a checkpoint takes one after growth by its weight alone. So all
snapshots of a session together stay within a constant factor of its log, however long it grows. The
weight is about the size, and known without encoding anything that has grown with the session:
folding a log meets many snapshots that were due, and makes only the newest.
"""

from operator import itemgetter
from typing import Any, Final, NamedTuple

import immutables
import msgspec

from perdure.aggregates import (
    Origin,
    Session,
    SessionCheckpointed,
    SessionEvent,
    SessionForked,
    Work,
    evolve,
    initial_state,
)
from perdure.aggregates.session.conversation import EMPTY, Conversation
from perdure.aggregates.session.state import origin_in
from perdure.errors import LogCorrupt, StoreError
from perdure.machines import Configuration
from perdure.projections.digests import reread
from perdure.projections.origins import checked_fork
from perdure.projections.rows import UNLAWFUL, events_of, link_of, rows_of, unlawful
from perdure.store import Mapper, Recorder, Store, StoredRow, links
from perdure.store.mapper import UNDECODABLE
from perdure.values import Usage

FORMAT: Final = 6
GROWTH_FACTOR: Final = 8
MINIMUM_GROWTH_BYTES: Final = 1024 * 1024
_ENTRY_BYTES: Final = 48
"""The size of a run, an input or a key in a snapshot: its id, usually a UUID, and a version."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a snapshot: all of `Session` but the running hash, which the log rebuilds."""

    format: int = FORMAT
    session_id: str
    version: int
    phase: str
    variables: list[Any]
    labels: dict[str, str]
    metadata: msgspec.Raw
    usage: Usage
    staged_context: list[msgspec.Raw] = msgspec.field(name="staged")
    runs: dict[str, int]
    inputs: dict[str, int]
    keys: dict[str, int]
    work: Work
    mobs: tuple[str, ...]
    origin: Origin | None
    checkpoint_version: int
    created_at: str
    updated_at: str
    message_count: int
    conversation_digest: str


class Kept(NamedTuple):
    """A snapshot and its version, which may be of any type if the stored row was changed."""

    version: int
    state: bytes


class Folded(NamedTuple):
    """A session folded from its log, with the link and sizes that folding on needs.

    ``head`` is the newest link; ``growth_bytes`` counts log bytes since the last snapshot fell
    due, and ``snapshot_weight`` is about what that snapshot takes.
    """

    state: Session
    head: str
    growth_bytes: int = 0
    snapshot_weight: int = 0


_ENCODER: Final = msgspec.json.Encoder()
_VERSION: Final = itemgetter(1)
_DECODER: Final = msgspec.json.Decoder(Snapshot)


def nothing_folded(session_id: str) -> Folded:
    """Return the fold of an empty log."""
    return Folded(initial_state(session_id), links.genesis(session_id))


def follow(folded: Folded, event: SessionEvent, row: StoredRow) -> tuple[Folded, bool]:
    """Return the fold after one more event, and whether a snapshot of it falls due.

    Raises IllegalTransition where the log breaks the law.
    """
    state = evolve(folded.state, event)
    head = links.sealed_link(row.state)
    growth = folded.growth_bytes + len(row.state)
    if not _falls_due(event, growth, folded.snapshot_weight):
        return Folded(state, head, growth, folded.snapshot_weight), False
    return Folded(state, head, 0, _weight(state)), True


def _falls_due(event: SessionEvent, growth: int, last_weight: int) -> bool:
    if isinstance(event, SessionCheckpointed):
        return growth >= last_weight
    return growth >= MINIMUM_GROWTH_BYTES and growth >= GROWTH_FACTOR * last_weight


def _weight(state: Session) -> int:
    """Return about how many bytes a snapshot of the state takes; the same for the same state."""
    entries = len(state.runs) + len(state.inputs) + len(state.keys)
    rest = _ENCODER.encode((state.labels, state.metadata, state.work))
    return len(rest) + sum(map(len, state.staged_context)) + _ENTRY_BYTES * entries


def snapshot_of(folded: Folded) -> Kept:
    """Return the snapshot of a fold as it is."""
    return Kept(folded.state.version, encode_snapshot(folded.state, folded.head))


def encode_snapshot(state: Session, head: str) -> bytes:
    """Return the state as snapshot bytes, sealed to the head they were taken at."""
    body = _ENCODER.encode(
        Snapshot(
            session_id=state.id,
            version=state.version,
            phase=state.phase,
            variables=list(state.lifecycle.values),
            labels=state.labels,
            metadata=state.metadata,
            usage=state.usage,
            staged_context=[msgspec.Raw(message) for message in state.staged_context],
            runs=_by_version(state.runs),
            inputs=_by_version(state.inputs),
            keys=_by_version(state.keys),
            work=state.work,
            mobs=state.mobs,
            origin=state.origin,
            checkpoint_version=state.checkpoint_version,
            created_at=state.created_at,
            updated_at=state.updated_at,
            message_count=state.conversation.count,
            conversation_digest=state.conversation.digest(),
        )
    )
    sealed, _ = links.seal(head, body)
    return sealed


def restore(
    recorder: Recorder, mapper: Mapper, kept: Kept | None, session_id: str
) -> Folded | None:
    """Return the fold that a kept snapshot stands for, or None where the log disagrees with it.

    Reads every message byte up to the snapshot's version, because the conversation digest goes on
    from there; parses none of them.
    """
    if kept is None:
        return None
    version, state = kept
    if not isinstance(version, int) or version < 1 or not isinstance(state, bytes):
        return None
    at_version = recorder.select_rows(session_id, after=version - 1, upto=version)
    head = link_of(at_version[0]) if len(at_version) == 1 else None
    if head is None or not links.holds(head, state):
        return None
    try:
        snapshot = _DECODER.decode(state)
    except UNDECODABLE:
        return None
    if (snapshot.session_id, snapshot.version, snapshot.format) != (session_id, version, FORMAT):
        return None
    before = EMPTY
    rows = rows_of(recorder, session_id, upto=version)
    try:
        if snapshot.origin is not None:
            before = checked_fork(recorder, mapper, session_id, snapshot.origin).conversation
        conversation = reread(rows, snapshot.message_count, before)
    except LogCorrupt:
        return None
    if conversation.digest() != snapshot.conversation_digest:
        return None
    restored = _state(snapshot, conversation)
    return Folded(restored, head, 0, _weight(restored))


def kept_snapshot(store: Store, session_id: str) -> Kept | None:
    """Return the session's kept snapshot; None too where derived data cannot be read."""
    try:
        kept = store.derived.snapshot(session_id)
    except StoreError:
        return None
    return None if kept is None else Kept(*kept)


def version_within(kept: Kept, last: int) -> bool:
    """Whether the snapshot is of a version that a log of ``last`` events has."""
    return isinstance(kept.version, int) and 1 <= kept.version <= last


def load(
    store: Store, mapper: Mapper, session_id: str, *, upto: int | None = None
) -> tuple[Folded | None, Kept | None]:
    """Return a session folded from the log, from its snapshot on if there is a good one.

    The second value is the newest snapshot that fell due on the way and was not kept yet. ``upto``
    stops at a version. The first is None where nothing is recorded. Raises LogCorrupt where a row
    contradicts itself, the one before it, or the law.
    """
    kept = kept_snapshot(store, session_id)
    if kept is not None and upto is not None and not version_within(kept, upto):
        kept = None
    folded = restore(store.recorder, mapper, kept, session_id) or nothing_folded(session_id)
    folded, due = catch_up(store.recorder, mapper, folded, upto=upto)
    return (folded, due) if folded.state.version else (None, None)


def catch_up(
    recorder: Recorder, mapper: Mapper, folded: Folded, *, upto: int | None = None
) -> tuple[Folded, Kept | None]:
    """Return the fold after the rows that came since, and the newest snapshot due among them.

    Raises LogCorrupt where a row contradicts itself, the one before it, or the law.
    """
    due: Folded | None = None
    session_id, version = folded.state.id, folded.state.version
    events = events_of(recorder, mapper, session_id, after=version, head=folded.head, upto=upto)
    for row, event in events:
        if isinstance(event, SessionForked) and not version:
            state = checked_fork(recorder, mapper, session_id, origin_in(event))
            folded = folded._replace(state=state)
        try:
            folded, is_due = follow(folded, event, row)
        except UNLAWFUL as error:
            raise unlawful(event, error) from error
        if is_due:
            due = folded
    return folded, None if due is None else snapshot_of(due)


def _state(snapshot: Snapshot, conversation: Conversation) -> Session:
    return Session(
        id=snapshot.session_id,
        version=snapshot.version,
        lifecycle=Configuration(snapshot.phase, tuple(snapshot.variables)),
        conversation=conversation,
        labels=snapshot.labels,
        metadata=snapshot.metadata,
        usage=snapshot.usage,
        staged_context=tuple(bytes(message) for message in snapshot.staged_context),
        runs=immutables.Map(snapshot.runs),
        inputs=immutables.Map(snapshot.inputs),
        keys=immutables.Map(snapshot.keys),
        work=snapshot.work,
        mobs=snapshot.mobs,
        origin=snapshot.origin,
        checkpoint_version=snapshot.checkpoint_version,
        created_at=snapshot.created_at,
        updated_at=snapshot.updated_at,
    )


def _by_version(recorded: immutables.Map[str, int]) -> dict[str, int]:
    """Return the map in the order of recording, so that its bytes are always the same."""
    return dict(sorted(recorded.items(), key=_VERSION))
