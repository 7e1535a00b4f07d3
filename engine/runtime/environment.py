"""Where nondeterminism comes in: the clock, new ids, and the fate of other processes.

Invariants: the engine takes every recorded time and every id from here, so an engine with a
scripted environment records the same log each time. How long it waits is measured elsewhere too.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
import uuid_utils

from perdure.runtime.processes import has_ended, is_running, this_process

_ENCODER: Final = msgspec.json.Encoder()  # writes RFC 3339 several times faster than isoformat


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _uuid7() -> str:
    return str(uuid_utils.uuid7())


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where time and ids come from: the system's clock and UUIDv7 unless given.

    - ``now`` returns an aware datetime.
    - ``new_id`` returns a text that is unique for ever.
    - ``holder`` returns the identity of this process.
    - ``is_dead`` says if a process of some identity is known to have ended.
    - ``is_alive`` says if such a process is known to live. Its lease decides if neither is known.
    """

    now: Callable[[], datetime] = _utc_now
    new_id: Callable[[], str] = _uuid7
    holder: Callable[[], str] = this_process
    is_dead: Callable[[str], bool] = has_ended
    is_alive: Callable[[str], bool] = is_running

    def timestamp(self) -> str:
        """Return the time as the log writes it: RFC 3339, UTC, microseconds."""
        moment = self.now()
        if moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
        text = _ENCODER.encode(moment)[1:-1].decode()
        return text if moment.microsecond else f"{text[:-1]}.000000Z"
