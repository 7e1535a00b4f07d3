"""The findings of an audit, and its report."""

from typing import Literal

import msgspec

Kind = Literal[
    "missing",  # a version is not there
    "duplicate",  # a version is there twice
    "undecodable",  # a row is no event that perdure knows
    "identity",  # a row contradicts the event inside it: changed, moved or transplanted
    "link",  # an event's link does not follow from its bytes and the link before
    "order",  # positions contradict versions
    "transition",  # the lifecycle has no such move
    "receipt",  # a receipt contradicts the events before it
    "digest",  # a conversation digest is not that of the recorded messages
    "snapshot",  # a snapshot differs from the fold of the log
    "head",  # the log has changed since its head was exported
    "storage",  # SQLite itself finds the file damaged
]


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing wrong: in which session, at which version, of what kind, in a sentence.

    ``session_id`` is empty and ``version`` 0 for a finding about the whole store.
    """

    session_id: str
    version: int
    kind: Kind
    detail: str


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts that were read, and the findings; ``ok`` means that there are none.

    ``heads`` is how many exported heads were compared. Where ``sessions`` is 0, nothing was
    audited, which is no proof of anything.
    """

    ok: bool
    sessions: int
    events: int
    bytes: int
    findings: list[Finding]
    heads: int = 0
