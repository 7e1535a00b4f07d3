"""Messages as they are recorded: checked once, encoded once, then only bytes.

Invariants: a recorded message reads back equal to the given one, key order included. A value that
JSON cannot carry is refused and never converted. (msgspec alone would write NaN as ``null``, bytes
as base64 and a set as an array.)
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from perdure.errors import InvalidMessage

MAX_DEPTH: Final = 200
"""How deep a message may nest; every JSON reader in use accepts this much."""

MAX_DIGITS: Final = 4299
"""How many digits an integer may have: Python reads 4,300, and msgspec counts the sign as one."""

_ENCODER: Final = msgspec.json.Encoder()
_ATOMS: Final = (str, bool, type(None))
_NO_LISTS: Final = (str, bytes, Mapping)
_OBJECTS: Final = (dict, Mapping)  # a test for the first costs almost nothing
_STAND_INS: Final = (str, int, float, list, tuple, Mapping)
_TOO_LARGE: Final = 10**MAX_DIGITS


class EncodedMessages(msgspec.Struct, frozen=True):
    """Recorded messages: compact JSON texts joined by commas, without brackets, and their count."""

    joined: bytes
    count: int

    def array(self) -> msgspec.Raw:
        """Return them as one JSON array, ready to be embedded in an event."""
        return msgspec.Raw(b"[" + self.joined + b"]")

    def __add__(self, later: "EncodedMessages") -> "EncodedMessages":
        """Return these messages with the later ones behind them."""
        if not self.count:
            return later
        if not later.count:
            return self
        return EncodedMessages(self.joined + b"," + later.joined, self.count + later.count)


NO_MESSAGES: Final = EncodedMessages(b"", 0)


def encode_messages(messages: object) -> EncodedMessages:
    """Return the messages as they will be recorded.

    ``messages`` is a non-empty iterable of JSON objects (mappings with text keys), in order.
    Encoding is compact UTF-8 with keys in the order given and numbers in shortest round-trip form.
    Raises InvalidMessage with the path to the first offending value.
    """
    if type(messages) is not list and (
        isinstance(messages, _NO_LISTS) or not isinstance(messages, Iterable)
    ):
        raise InvalidMessage("messages", f"must be a list of objects, not {_kind(messages)}")
    given: Iterable[object] = messages
    encoded = [_encode_message(message, f"messages[{i}]") for i, message in enumerate(given)]
    if not encoded:
        raise InvalidMessage("messages", "is empty, and at least one message is needed")
    return EncodedMessages(b",".join(encoded), len(encoded))


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
    if not isinstance(message, _OBJECTS):
        hint = " (pass its dict form)" if hasattr(message, "model_dump") else ""
        raise InvalidMessage(path, f"must be an object, not {_kind(message)}{hint}")
    try:
        _check(message, path, 1)
    except _Inexact:
        message = _exact(message, 1)
        _check(message, path, 1)
    try:
        return _ENCODER.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise _unencodable(message, path) from None


class _Inexact(Exception):
    """Something is not of one of JSON's own types, but may stand for one."""


def _check(value: object, path: str, depth: int) -> None:
    """Refuse values that JSON cannot carry, but for lone surrogates, which the encoder refuses.

    Raises _Inexact for values that `_exact` can turn into JSON's own types.
    """
    kind = type(value)
    if kind is not dict and kind is not list and kind is not tuple:
        _check_leaf(value, path)
        return
    if depth > MAX_DEPTH:
        raise InvalidMessage(path, f"is nested more than {MAX_DEPTH} levels deep")
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # a dict, as compared
            if type(key) is not str:
                raise _bad_key(key, path)
            if type(item) not in _ATOMS:
                _check(item, f"{path}.{key}", depth + 1)
    else:
        for place, item in enumerate(value):  # type: ignore[arg-type]  # a sequence, as compared
            if type(item) not in _ATOMS:
                _check(item, f"{path}[{place}]", depth + 1)


def _check_leaf(value: object, path: str) -> None:
    kind = type(value)
    if kind is int:
        if not -_TOO_LARGE < value < _TOO_LARGE:  # type: ignore[operator]  # an int, as compared
            raise InvalidMessage(path, f"is an integer of more than {MAX_DIGITS} digits")
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # the type was just compared
            raise InvalidMessage(path, f"is {value}, which JSON cannot carry")
    elif isinstance(value, _STAND_INS):
        raise _Inexact
    else:
        raise InvalidMessage(path, f"is {_kind(value)}, which JSON cannot carry")


def _bad_key(key: object, path: str) -> Exception:
    if isinstance(key, str):
        return _Inexact()
    return InvalidMessage(path, f"has the key {key!r}: JSON keys are text")


def _exact(value: object, depth: int) -> object:
    """Return the value in JSON's own types, where it is of types derived from them.

    An enumeration member becomes its text, and a mapping becomes its items in its own order.
    msgspec refuses the first, and encodes the second in the order that its dict remembers, from
    which the order of an `OrderedDict` may differ.
    """
    match value:
        case bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
        case Mapping() | list() | tuple() if depth > MAX_DEPTH:
            return {}  # the check that follows refuses any container as deep as this
        case Mapping():
            return {
                str.__str__(key) if isinstance(key, str) else key: _exact(item, depth + 1)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_exact(item, depth + 1) for item in value]
        case _:
            return value


def _unencodable(value: object, path: str) -> InvalidMessage:
    """Return the error for the first part of ``value`` that the encoder refuses."""
    parts: Iterable[tuple[str, object]] = ()
    match value:
        case dict():
            for key in value:
                if not _encodable(key):
                    return _unencodable(key, f"{path}.{key}")
            parts = ((f"{path}.{key}", item) for key, item in value.items())
        case list() | tuple():
            parts = ((f"{path}[{place}]", item) for place, item in enumerate(value))
    for inner, item in parts:
        if not _encodable(item):
            return _unencodable(item, inner)
    if isinstance(value, str):
        return InvalidMessage(path, "has a lone surrogate, which UTF-8 cannot carry")
    return InvalidMessage(path, f"is {_kind(value)}, which cannot be encoded")


def _encodable(value: object) -> bool:
    try:
        _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def _kind(value: object) -> str:
    return "null" if value is None else f"a value of type {type(value).__name__}"
