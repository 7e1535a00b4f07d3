"""The log format as JSON Schema: every event, the receipt and the snapshot, as they are stored.

Invariants: the schemas follow from the types alone, so a new event has its schema at once.
"""

import inspect
from typing import Any, Final, get_args

import msgspec

from perdure.aggregates import SessionEvent
from perdure.aggregates.session.recorded import Recorded
from perdure.projections.snapshots import Snapshot
from perdure.values import Receipt

COMMENT: Final = "Made from the code by `perdure spec`. Do not edit; make again."
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_RAW: Final = {
    "messages": {
        "type": "array",
        "items": {"type": "object"},
        "description": "Recorded verbatim; always the last field before the link.",
    },
    "metadata": {"type": "object"},
    "staged": {"type": "array", "items": {"type": "object"}},
}
_LINK: Final = {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
    "description": "hex SHA-256 of the previous link's 64 characters and this object without it.",
}
_SEAL: Final = _LINK | {
    "description": "hex SHA-256 of the link of the event at this version, as 64 characters, and "
    "this object without its link."
}


def event_types() -> tuple[type[msgspec.Struct], ...]:
    """Return the type of every event there is."""
    found: tuple[type[msgspec.Struct], ...] = get_args(SessionEvent)
    return found


def tag_of_type(event: type[msgspec.Struct]) -> str:
    """Return the permanent tag of a type of event."""
    return str(event.__struct_config__.tag)


def own_fields(event: type[msgspec.Struct]) -> list[str]:
    """Return the fields that a type of event adds to those of every event, as Markdown."""
    return [
        f"`{name}`" for name in event.__struct_fields__ if name not in Recorded.__struct_fields__
    ]


def summary(kind: type) -> str:
    """Return the first line that a type says of itself."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0].replace("``", "`")


def schemas() -> dict[str, Any]:
    """Return the schema of every event, the receipt and the snapshot, by file name."""
    found = {f"{tag_of_type(event)}.schema.json": _stored(event, _LINK) for event in event_types()}
    found["receipt.schema.json"] = _schema(Receipt)
    found["snapshot.schema.json"] = _stored(Snapshot, _SEAL)
    return found


def _stored(kind: type[msgspec.Struct], link: dict[str, str]) -> dict[str, Any]:
    """Return the schema of a struct as it is stored: with its link, and with its raw bytes.

    Raw bytes can be any JSON, unless `_RAW` has the field's name.
    """
    schema = _schema(kind)
    body = schema["$defs"][kind.__name__]
    body["properties"] |= {name: item for name, item in _RAW.items() if name in body["properties"]}
    body["properties"]["link"] = link
    body["required"] = [*body["required"], "link"]
    return schema


def _schema(kind: type) -> dict[str, Any]:
    """Return msgspec's schema, with descriptions that no Python version indents differently."""
    schema = msgspec.json.schema(kind)
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])
    return {"$schema": _DIALECT, "$comment": COMMENT, **schema}
