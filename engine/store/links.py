"""The hash chain: each event's link covers the link before it and the event's own bytes.

Format. An event's body is a JSON object. Its link is the hex SHA-256 of the previous link's 64
characters followed by the body. The stored bytes are the body with one more member at its end,
``link``, of fixed width, so both parts are found by slicing. The link before the first (the genesis
link) is the hex SHA-256 of the session id. A session's newest link is its head.
"""

import hashlib
import re
from typing import Final

LINK_LENGTH: Final = 64
_OPENING: Final = b',"link":"'
_CLOSING: Final = b'"}'
_TAIL_LENGTH: Final = len(_OPENING) + LINK_LENGTH + len(_CLOSING)
_TAIL: Final = re.compile(rb',"link":"([0-9a-f]{64})"\}\Z')


def genesis(session_id: str) -> str:
    """Return the link before a session's first event."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def seal(previous: str, body: bytes) -> tuple[bytes, str]:
    """Return the bytes to store for an event's JSON ``body``, and its link."""
    running = hashlib.sha256(previous.encode())
    running.update(body)
    link = running.hexdigest()
    return b"".join((body[:-1], _OPENING, link.encode(), _CLOSING)), link


def stored_link(state: bytes) -> str | None:
    """Return the link that a stored event carries, or None where it carries none."""
    found = _TAIL.match(state, max(0, len(state) - _TAIL_LENGTH))
    return None if found is None else found[1].decode()


def sealed_link(state: bytes) -> str:
    """Return the link of an event that is known to carry one, by slicing alone."""
    return state[-LINK_LENGTH - len(_CLOSING) : -len(_CLOSING)].decode()


def expected_link(previous: str, state: bytes) -> str:
    """Return the link that a stored event should carry after ``previous``."""
    covered = b"".join((previous.encode(), memoryview(state)[:-_TAIL_LENGTH], b"}"))
    return hashlib.sha256(covered).hexdigest()


def verified_link(previous: str, state: bytes) -> str | None:
    """Return a stored event's link if it is the right one after ``previous``, else None."""
    link = expected_link(previous, state)
    return link if state.endswith(b"".join((_OPENING, link.encode(), _CLOSING))) else None


def holds(previous: str, state: bytes) -> bool:
    """Whether a stored event's link is the right one after ``previous``."""
    return verified_link(previous, state) is not None


def body_of(state: bytes) -> bytes:
    """Return the bytes that a stored event's link covers, which are its JSON without the link."""
    return b"".join((memoryview(state)[:-_TAIL_LENGTH], b"}"))


def is_sealed(state: bytes, body: bytes) -> bool:
    """Whether a stored event is this body with a link behind it; of the link, only the length."""
    return len(state) == len(body) - 1 + _TAIL_LENGTH and state.startswith(body[:-1])
