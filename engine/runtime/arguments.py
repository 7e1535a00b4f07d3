"""Checking what callers pass, before anything else happens."""

from collections.abc import Mapping

from engine.aggregates.messages import Messages, encode_messages
from engine.errors import InvalidArgument
from engine.values import checked_id


def context_message(text: object) -> Messages:
    """Return a trimmed context text as the one system message it is recorded as."""
    if not isinstance(text, str):
        raise InvalidArgument(f"text must be text, not {type(text).__name__}", parameter="text")
    trimmed = text.strip()
    if not trimmed:
        raise InvalidArgument("text is empty", parameter="text")
    return encode_messages([{"role": "system", "content": trimmed}])


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels whose names and values are 1 to 255 printable characters."""
    return {
        checked_id(name, "label name"): checked_id(value, f"label {name!r}")
        for name, value in labels.items()
    }


def checked_count(value: object, what: str) -> None:
    """Raise InvalidArgument unless the value is a whole number from 0."""
    if not isinstance(value, int) or value < 0:
        raise InvalidArgument(f"{what} must be 0 or more, not {value!r}", parameter=what)


def optional_id(value: str | None, what: str) -> str | None:
    """Return an id as `checked_id` does, or None."""
    return None if value is None else checked_id(value, what)


def optional_text(value: str | None) -> str | None:
    """Return a reason as `checked_id` does, or None."""
    return None if value is None else checked_id(value, "reason")
