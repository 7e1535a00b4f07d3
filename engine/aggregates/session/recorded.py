"""The fields of every event, and the few types that events and commands share.

Invariants: those of `events`, of which this is the foot.
"""

from typing import Final, Literal

import msgspec

SCHEMA: Final = 1
"""The schema version that new events carry in ``v``."""

NO_OBJECT: Final = msgspec.Raw(b"{}")
NULL: Final = msgspec.Raw(b"null")

Lane = Literal["queue", "steer"]
"""Where an input goes: to the next turn, or into the running one at its next boundary."""

DropOutcome = Literal["superseded", "coalesced", "abandoned"]
"""How an input can end without being processed."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True, tag_field="tag"):
    """The fields of every event: schema version, session id, version in the stream, and time.

    ``at`` is RFC 3339 in UTC with microseconds: ``2026-01-31T12:00:00.000000Z``.
    """

    v: int = SCHEMA
    session_id: str
    version: int
    at: str
