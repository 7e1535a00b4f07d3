"""Call shapes, and the rules that a log names: how tool calls are found in its messages.

Invariants: shapes are data; a released table never changes, and a new one has the next number, so
that a log is read by the table that it was written under.

A path is keys with points between them; ``[]`` behind a key stands for each item of the list there.
The empty path is the message, or the part, itself.
"""

from typing import Any, Final, Literal

import msgspec

Conditions = dict[str, tuple[str, ...]]
"""Paths, and the texts of which one must stand there."""


class CallShape(msgspec.Struct, frozen=True, kw_only=True):
    """Where one kind of message holds tool calls (``kind="call"``), or answers (``"result"``).

    ``at`` leads from the message to the parts that are calls or results. ``message`` and ``part``
    list texts that the message and the part must have, ``unless`` texts that the part must not
    have. In a part, ``id`` leads to the call's id, ``tool`` to the tool's name and ``arguments``
    to its arguments: the first path that holds something counts. With ``by_name`` the id may be
    missing; then a call and its result have the tool's name in common, and pair in order.

    ``stand_in`` is the message that shows a model that a call has no recorded result. In its texts
    ``{id}``, ``{tool}`` and ``{text}`` are replaced; where a call has no id of its own, a key whose
    value is ``"{id}"`` is left out.
    """

    name: str
    kind: Literal["call", "result"]
    at: str = ""
    message: Conditions = {}
    part: Conditions = {}
    unless: Conditions = {}
    id: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    by_name: bool = False
    stand_in: dict[str, Any] = {}


class CallPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call, by its id, the place of its message, and its own place there."""

    call_id: str
    message: int
    place: int


class CallRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules by which a conversation's tool calls are found.

    ``number`` 0 is for logs older than the table: calls are found by the rules of `first_rules`,
    and nothing waits for their results. From 1 on they are found by the table of that number, and
    staged context and steered inputs wait for their results. ``shapes`` are the embedder's own,
    which come before the table's.
    """

    number: int = 0
    shapes: tuple[CallShape, ...] = ()

    def with_shapes(self, shapes: tuple[CallShape, ...]) -> "CallRules":
        """Return the newest rules with these shapes added to those there are."""
        more = tuple(shape for shape in shapes if shape not in self.shapes)
        if self.number == NUMBER and not more:
            return self
        return CallRules(number=NUMBER, shapes=(*self.shapes, *more))


NUMBER: Final = 1
"""The number of the newest table."""

FIRST_RULES: Final = CallRules()
RULES: Final = CallRules(number=NUMBER)
