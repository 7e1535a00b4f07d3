"""The one door to what is not deterministic: the clock and the minting of ids.

Invariants: nothing else in the engine reads a clock or makes an id, so an engine given a scripted
environment behaves the same every time.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import uuid_utils


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _uuid7() -> str:
    return str(uuid_utils.uuid7())


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where time and ids come from: the system's clock and UUIDv7 unless told otherwise.

    ``now`` returns an aware datetime; ``new_id`` returns text that is unique for ever.
    """

    now: Callable[[], datetime] = _utc_now
    new_id: Callable[[], str] = _uuid7

    def timestamp(self) -> str:
        """Return the time as the log writes it: RFC 3339, UTC, microseconds."""
        moment = self.now()
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
        return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
