"""The conversation's running digest: SHA-256 of ``[m1,m2,…]``, extended by a turn's bytes alone.

Invariants: the count and the digest of a `Conversation` never change. Extending it copies the hash
state (a few hundred bytes), so a turn costs its own bytes, however long the conversation is. The
digest is a function of the recorded message bytes alone. No conversation keeps the bytes of a
message, with one exception: a decision needs the next conversation for its receipt, so that one is
kept until the fold of the decided event asks for it.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec


class Conversation:
    """The number of messages, and the SHA-256 of their JSON array without its closing bracket."""

    __slots__ = ("_foreseen", "_hash", "count")

    def __init__(self, count: int, running: Any) -> None:
        self.count: Final[int] = count
        self._hash: Final[Any] = running
        self._foreseen: tuple[msgspec.Raw, Conversation] | None = None

    def foresee(self, array: msgspec.Raw, count: int) -> "Conversation":
        """Extend, and keep the result: if `extend` is asked for the same next, it need not hash."""
        extended = self.extend(array, count)
        self._foreseen = array, extended
        return extended

    def extend(self, array: msgspec.Raw, count: int) -> "Conversation":
        """Return the conversation with ``count`` more messages, given as a compact JSON array."""
        foreseen, self._foreseen = self._foreseen, None
        count += self.count
        if foreseen is not None and foreseen[0] is array and foreseen[1].count == count:
            return foreseen[1]
        running = self._hash.copy()
        joined = memoryview(array)[1:-1]
        if self.count and joined:  # a boundary may land nothing
            running.update(b",")
        running.update(joined)
        return Conversation(count, running)

    def followed(self, joined: Iterable[memoryview], count: int) -> "Conversation":
        """Return the conversation with more comma-joined messages, which then holds ``count``."""
        running = self._hash.copy()
        separator = b"," if self.count else b""
        for messages in joined:
            running.update(separator)
            running.update(messages)
            separator = b","
        return Conversation(count, running)

    def digest(self) -> str:
        """Return the hex SHA-256 of the JSON array of all messages."""
        closed = self._hash.copy()
        closed.update(b"]")
        return str(closed.hexdigest())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Conversation):
            return NotImplemented
        return self.count == other.count and self.digest() == other.digest()

    def __hash__(self) -> int:
        return hash((self.count, self.digest()))

    def __repr__(self) -> str:
        return f"Conversation(count={self.count}, digest={self.digest()[:12]}…)"


EMPTY: Final = Conversation(0, hashlib.sha256(b"["))
