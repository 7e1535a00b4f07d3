"""The form of an event: whether an engine can have written these bytes.

Invariants: the owner of a log can link it anew, so a link that holds does not say that an
engine wrote the event. An engine writes one form only: each known field once, in order, encoded one
way, with valid ids and a time that exists. An event that lacks a field is from before the field
was added, and has its default.
"""

import datetime as dt
import functools
import re
from typing import Final

import msgspec

from perdure.aggregates.session.events import SessionEvent
from perdure.aggregates.session.recorded import SCHEMA
from perdure.store import links
from perdure.values import MAX_ID_LENGTH

_ENCODER: Final = msgspec.json.Encoder()
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

_AT: Final = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
)
_IN_EVERY_MONTH: Final = "28"
_ID_FIELDS: Final = frozenset(
    (
        *("run_id", "input_id", "idempotency_key", "into", "mob", "origin_session_id", "epoch"),
        *("input_ids", "steered_input_ids", "abandoned_input_ids"),
    )
)


def problem_of(event: SessionEvent, state: bytes) -> str | None:
    """Return why no engine can have written an event, given its row's bytes; None if one can."""
    return _problem_of_bytes(event, state) or problem_of_time(event.at) or _problem_of_ids(event)


def problem_of_time(at: str) -> str | None:
    """Return why a time is none, None for one that exists."""
    if not _AT.fullmatch(at):
        return f"the time {at!r} is not RFC 3339 in UTC with microseconds"
    if at[8:10] > _IN_EVERY_MONTH:
        try:
            dt.date.fromisoformat(at[:10])
        except ValueError:
            return f"there is no day {at[:10]}"
    return None


def _problem_of_bytes(event: SessionEvent, state: bytes) -> str | None:
    if event.v != SCHEMA or links.is_sealed(state, _ENCODER.encode(event)):
        return None
    body = links.body_of(state)
    try:
        members = _MEMBERS.decode(body)
    except msgspec.MsgspecError as error:
        return f"it is no JSON object: {error}"
    if "v" not in members:
        return "it has no schema version"
    if bytes(members["v"]) != _ENCODER.encode(SCHEMA):
        return None  # an older shape, which was brought up to today's
    names = ("tag", *event.__struct_fields__)
    unknown = [name for name in members if name not in names]
    if unknown:
        return f"it has a member {unknown[0]!r}, which schema {SCHEMA} does not know"
    if _ENCODER.encode(members) != body:
        return "it has a member twice, or white space between its members"
    if list(members) != [name for name in names if name in members]:
        return "its members are not in the order of their kind"
    for name, given in members.items():
        if name != "tag" and bytes(given) != _ENCODER.encode(getattr(event, name)):
            return f"its member {name!r} is not encoded as an engine encodes it"
    return None


def problem_of_id(what: str, value: object) -> str | None:
    """Return why a value is no id, None for one that is."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH:
        return f"its {what} is not 1 to {MAX_ID_LENGTH} characters long"
    if not value.isprintable():
        return f"its {what} has an unprintable character"
    return None


def _problem_of_ids(event: SessionEvent) -> str | None:
    receipt = getattr(event, "receipt", None)
    if receipt is not None:
        run_id = receipt.run_id
        if not 0 < len(run_id) <= MAX_ID_LENGTH or not run_id.isprintable():
            return problem_of_id("run id", run_id)
    for name in _id_fields(type(event)):
        value = getattr(event, name)
        for each in value if isinstance(value, tuple) else (value,):
            problem = None if each is None else problem_of_id(name.replace("_", " "), each)
            if problem is not None:
                return problem
    return None


@functools.cache
def _id_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields of a kind of event that hold ids."""
    return tuple(name for name in kind.__struct_fields__ if name in _ID_FIELDS)
