"""Old shapes of events, brought to the present one step at a time.

Invariants: an upcaster sees an event's top-level fields as raw JSON bytes, so that messages pass
through it unread; it raises ``v`` by exactly one; the recorded bytes themselves never change.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from perdure.aggregates.session.recorded import SCHEMA

Fields = dict[str, msgspec.Raw]
Upcaster = Callable[[Fields], Fields]


def _labels_become_an_object(fields: Fields) -> Fields:
    """Version 0 of ``session-registered`` (before any release) listed labels as ``key=value``."""
    pairs: list[str] = msgspec.json.decode(fields["labels"], type=list[str])
    labels = dict(pair.split("=", 1) for pair in pairs)
    return fields | {"labels": msgspec.Raw(msgspec.json.encode(labels))}


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {
    ("session-registered", 0): _labels_become_an_object,
}


def upcast(state: bytes, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS) -> bytes | None:
    """Return the event's JSON in its present shape, or None where it already has it.

    Raises msgspec.DecodeError or msgspec.ValidationError where the bytes are no event at all, or
    one of a schema that this version of perdure does not know.
    """
    fields: Fields = msgspec.json.decode(state, type=dict[str, msgspec.Raw])
    tag: Any = msgspec.json.decode(fields.get("tag", b"null"))
    old = schema = msgspec.json.decode(fields.get("v", b"1"), type=int)
    if not 0 <= schema <= SCHEMA:
        raise msgspec.ValidationError(
            f"event schema {schema} is not one this version of perdure knows (0 to {SCHEMA})"
        )
    while schema < SCHEMA:
        if (step := upcasters.get((tag, schema))) is not None:
            fields = step(fields)
        schema += 1
        fields = fields | {"v": msgspec.Raw(str(schema).encode())}
    return None if old == schema else msgspec.json.encode(fields)
