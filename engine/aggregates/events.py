"""What happened: the events of a session, and nothing else.

Invariants: an event's tag is permanent and never derived from a Python name; events only grow (a
new field has a default, a new meaning is a new event); every event repeats its session id and
version, so that a row moved elsewhere contradicts itself. ``messages`` is always the last field,
so that its bytes can be found without parsing what is inside.
"""

from typing import Final

import msgspec

from engine.values import Receipt, Usage

SCHEMA: Final = 1
"""The schema version that new events carry in ``v``."""

NO_OBJECT: Final = msgspec.Raw(b"{}")


class Recorded(msgspec.Struct, frozen=True, kw_only=True, tag_field="tag"):
    """What every event has: schema version, session id, version in the stream, and when.

    ``at`` is RFC 3339 in UTC with microseconds: ``2026-01-31T12:00:00.000000Z``.
    """

    v: int = SCHEMA
    session_id: str
    version: int
    at: str


class SessionRegistered(Recorded, frozen=True, kw_only=True, tag="session-registered"):
    """The session exists. ``metadata`` is a JSON object, kept as it came in."""

    labels: dict[str, str] = {}
    metadata: msgspec.Raw = msgspec.field(default_factory=lambda: NO_OBJECT)


class TurnApplied(Recorded, frozen=True, kw_only=True, tag="turn-applied"):
    """A whole run in one commit: begun, applied at its boundary, completed.

    ``messages`` is a JSON array: first the ``staged_context`` messages that had been staged for
    this turn, then the turn's own.
    """

    receipt: Receipt
    usage: Usage | None = None
    staged_context: int = 0
    messages: msgspec.Raw


class ContextAppended(Recorded, frozen=True, kw_only=True, tag="context-appended"):
    """Context became part of the conversation at once; ``messages`` holds its one message."""

    receipt: Receipt
    source: str | None = None
    idempotency_key: str | None = None
    messages: msgspec.Raw


class ContextStaged(Recorded, frozen=True, kw_only=True, tag="context-staged"):
    """Context waits for the next turn, whose commit will make it part of the conversation."""

    source: str | None = None
    idempotency_key: str | None = None
    messages: msgspec.Raw


class SessionCheckpointed(Recorded, frozen=True, kw_only=True, tag="session-checkpointed"):
    """The state up to here was committed as a checkpoint, with these facts about it."""

    message_count: int
    conversation_digest: str


class SessionRetired(Recorded, frozen=True, kw_only=True, tag="session-retired"):
    """No new input from here on."""

    reason: str | None = None


class SessionArchived(Recorded, frozen=True, kw_only=True, tag="session-archived"):
    """Nothing more will happen."""

    reason: str | None = None


SessionEvent = (
    SessionRegistered
    | TurnApplied
    | ContextAppended
    | ContextStaged
    | SessionCheckpointed
    | SessionRetired
    | SessionArchived
)


def tag_of(event: SessionEvent) -> str:
    """Return the event's permanent tag."""
    return str(event.__struct_config__.tag)
