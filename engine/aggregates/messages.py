"""Messages as they are recorded: checked once, encoded once, then only bytes.

Invariants: what is recorded reads back equal to what came in, key order included; nothing that
JSON cannot carry is ever turned into something it can. (msgspec would write NaN as ``null``, bytes
as base64 and a set as an array without a word.)
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from engine.errors import InvalidMessage

MAX_DEPTH: Final = 200
"""How deep a message may nest; every JSON reader in use accepts this much."""

_ENCODER: Final = msgspec.json.Encoder()
_ATOMS: Final = (str, bool, int, type(None))


class Messages(msgspec.Struct, frozen=True):
    """Recorded messages: compact JSON texts joined by commas, without brackets, and their count."""

    joined: bytes
    count: int

    def array(self) -> msgspec.Raw:
        """Return them as one JSON array, ready to be embedded in an event."""
        return msgspec.Raw(b"[" + self.joined + b"]")

    def __add__(self, later: "Messages") -> "Messages":
        """Return both, these first."""
        if not self.count:
            return later
        if not later.count:
            return self
        return Messages(self.joined + b"," + later.joined, self.count + later.count)


NO_MESSAGES: Final = Messages(b"", 0)


def encode_messages(messages: object) -> Messages:
    """Return the messages as they will be recorded.

    ``messages`` is a non-empty iterable of JSON objects (mappings with text keys), in order.
    Encoding is compact UTF-8 with keys in the order given and numbers in shortest round-trip form.
    Raises InvalidMessage with the path to the first offending value.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise InvalidMessage("messages", f"must be a list of objects, not {_kind(messages)}")
    encoded = [_encode_message(message, f"messages[{i}]") for i, message in enumerate(messages)]
    if not encoded:
        raise InvalidMessage("messages", "is empty: a turn has at least one message")
    return Messages(b",".join(encoded), len(encoded))


def encode_object(value: object, path: str) -> bytes:
    """Return one JSON object (metadata, say) encoded under the same rules as a message.

    Raises InvalidMessage with the path to the first offending value.
    """
    return _encode_message(value, path)


def decode_messages(array: bytes | msgspec.Raw) -> list[dict[str, Any]]:
    """Return a recorded JSON array of messages as plain dicts."""
    decoded: list[dict[str, Any]] = msgspec.json.decode(array)
    return decoded


def _encode_message(message: object, path: str) -> bytes:
    if not isinstance(message, dict):
        hint = " (pass its dict form)" if hasattr(message, "model_dump") else ""
        raise InvalidMessage(path, f"must be an object, not {_kind(message)}{hint}")
    _check(message, path, 1)
    try:
        return _ENCODER.encode(message)
    except UnicodeEncodeError:
        raise _surrogate(message, path) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidMessage(path, f"cannot be carried by JSON: {error}") from error


def _check(value: object, path: str, depth: int) -> None:
    """Refuse what JSON cannot carry; lone surrogates are left to the encoder, which meets all."""
    kind = type(value)
    if kind in _ATOMS:
        return
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # the type was just compared
            raise InvalidMessage(path, f"is {value}, which JSON cannot carry")
        return
    if depth > MAX_DEPTH:
        raise InvalidMessage(path, f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise InvalidMessage(path, f"has the key {key!r}: JSON keys are text")
            if type(item) is not str:
                _check(item, f"{path}.{key}", depth + 1)
        return
    if isinstance(value, list | tuple):
        for place, item in enumerate(value):
            _check(item, f"{path}[{place}]", depth + 1)
        return
    raise InvalidMessage(path, f"is {_kind(value)}, which JSON cannot carry")


def _surrogate(value: object, path: str) -> InvalidMessage:
    """Return the error for the first lone surrogate inside ``value``."""
    found = _find_surrogate(value, path) or path
    return InvalidMessage(found, "has a lone surrogate, which UTF-8 cannot carry")


def _find_surrogate(value: object, path: str) -> str | None:
    match value:
        case str():
            return path if not _encodable(value) else None
        case dict():
            for key, item in value.items():
                if not _encodable(key):
                    return f"{path}.{ascii(key)[1:-1]}"
                if found := _find_surrogate(item, f"{path}.{key}"):
                    return found
        case list() | tuple():
            for place, item in enumerate(value):
                if found := _find_surrogate(item, f"{path}[{place}]"):
                    return found
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    return "null" if value is None else f"a value of type {type(value).__name__}"
