"""Membership: whether a session belonged to a group when an event of it was recorded.

Invariants: derived from the session's own events before that one; later events change nothing.
"""

from typing import Final

from perdure.aggregates import MobJoined, MobLeft
from perdure.aggregates.session.events import tags_of
from perdure.errors import LogCorrupt
from perdure.projections.rows import rows_of
from perdure.store import Mapper, Recorder

_OF_GROUPS: Final = tags_of(MobJoined, MobLeft)


def is_member(
    recorder: Recorder, mapper: Mapper, session_id: str, mob: str, *, before: int
) -> bool:
    """Whether the session belonged to the group just before a version."""
    member = False
    for row in rows_of(recorder, session_id, upto=before - 1):
        if row.topic in _OF_GROUPS:
            try:
                event = mapper.to_event(row, previous=None)
            except LogCorrupt:
                continue  # the audit reports the row
            if isinstance(event, MobJoined | MobLeft) and event.mob == mob:
                member = isinstance(event, MobJoined)
    return member
