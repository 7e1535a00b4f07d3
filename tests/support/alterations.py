"""A real log, and the changes that an attacker, a careless script or a bad disk might make.

Each alteration changes one thing in the SQLite file and says where the audit must find it.
"""

import contextlib
import hashlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from perdure.aggregates import Session, SessionEvent, TurnApplied, evolve, initial_state
from perdure.aggregates.session.events import (
    ContextStaged,
    SessionArchived,
    SessionCheckpointed,
    SessionRegistered,
)
from perdure.projections.audit.session import printable
from perdure.store import Mapper, links
from perdure.sync import Engine
from perdure.testing import scripted_environment
from perdure.values import Head, Receipt, Usage

Place = tuple[str, int]
"""A session id as a report prints it, and a version."""

IDS: Final = (
    "alpha",
    "a",
    "b",
    "sesión-ñandú",
    "会话-四",
    "🙂 with spaces",
    "O'Brien; DROP TABLE",
    "01946f3c-7b1e-7c60-8000-0123456789ab",
    "retired-one",
    "archived-one",
    "only-registered",
)
STAGED_ID: Final = "b"
"""A live session with a staged message that waits for its next turn."""

_MAPPER: Final = Mapper()
_AT: Final = "2026-02-01T00:00:00.000000Z"


class Altered(NamedTuple):
    """Where there must be a finding (at one place of each group), and where there may be more."""

    groups: list[set[Place]]
    also: frozenset[Place] = frozenset()
    heads: bool = False


class Row(NamedTuple):
    position: int
    session_id: str
    version: int
    topic: str
    state: bytes


class Log:
    """The log as written: rows by session, exported heads, and the file's bytes."""

    def __init__(self, path: Path) -> None:
        write_log(path)
        connection = sqlite3.connect(path)
        found = connection.execute("SELECT * FROM stored_events ORDER BY position")
        self.rows = [Row(*row) for row in found]
        connection.close()
        self.bytes = path.read_bytes()
        self.sessions: dict[str, list[Row]] = {name: [] for name in IDS}
        for row in self.rows:
            self.sessions[row.session_id].append(row)
        self.heads = [
            Head(session_id=name, version=rows[-1].version, link=links.sealed_link(rows[-1].state))
            for name, rows in self.sessions.items()
        ]

    def state(self, session_id: str) -> Session:
        state = initial_state(session_id)
        for row in self.sessions[session_id]:
            state = evolve(state, _MAPPER.decode(row.state))
        return state

    def after(self, row: Row) -> frozenset[Place]:
        """Return the place of the event after the row's."""
        return frozenset({(row.session_id, row.version + 1)})


def write_log(path: Path) -> None:
    """Write sessions side by side, so that their rows are interleaved."""
    chance = random.Random(7)  # noqa: S311 - the same log every time
    with Engine.open(f"sqlite:///{path}", environment=scripted_environment()) as engine:
        for name in IDS:
            engine.register(name, labels={"name": name}, metadata={"n": 1, "what": "Prüfung"})
        for step in range(12):
            for name in IDS[:-1]:
                _write_step(engine, chance, name, step)
        engine.stage_context(STAGED_ID, "it waits", idempotency_key="waits")
        engine.retire("retired-one", reason="enough")
        engine.archive("archived-one", reason="über")


def _write_step(engine: Engine, chance: random.Random, name: str, step: int) -> None:
    choice = chance.random()
    if choice < 0.15:
        engine.stage_context(name, f"stage {step} — ü", idempotency_key=f"staged-{step}")
    elif choice < 0.3:
        engine.append_context(name, f"note {step}", source="notes", idempotency_key=f"key-{step}")
    elif choice < 0.45:
        engine.checkpoint(name)
    else:
        text = "".join(chance.choices('abc déf\n"\\ 漢字🙂', k=chance.randrange(1, 300)))
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": text},
            {"role": "assistant", "content": text[::-1], "score": chance.random()},
        ]
        usage = Usage(input_tokens=chance.randrange(100), output_tokens=step)
        engine.record_turn(name, messages, run_id=f"run-{step}", usage=usage)


@contextlib.contextmanager
def attacker(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the file past every check of ours."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
        connection.commit()


def loosened(connection: sqlite3.Connection) -> None:
    """Make the table anew without types, keys or constraints, so that it takes anything."""
    connection.execute(
        "CREATE TABLE loose (position, originator_id, originator_version, topic, state)"
    )
    connection.execute("INSERT INTO loose SELECT * FROM stored_events")
    connection.execute("DROP TABLE stored_events")
    connection.execute("ALTER TABLE loose RENAME TO stored_events")


def update(connection: sqlite3.Connection, row: Row, column: str, value: Any) -> None:
    statement = f"UPDATE stored_events SET {column} = ? WHERE position = ?"
    connection.execute(statement, (value, row.position))


def update_text(connection: sqlite3.Connection, row: Row, column: str, value: bytes) -> None:
    """Write bytes into a text column, be they UTF-8 or not."""
    statement = f"UPDATE stored_events SET {column} = CAST(? AS TEXT) WHERE position = ?"
    connection.execute(statement, (value, row.position))


def insert(connection: sqlite3.Connection, *columns: Any) -> None:
    connection.execute("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?)", columns)


def flipped(chance: random.Random, raw: bytes, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes with one of them changed: a bit flipped, or another byte in its place."""
    place = chance.randrange(start, len(raw) if end is None else end)
    changed = raw[place] ^ (1 << chance.randrange(8))
    if chance.random() < 0.5:
        changed = chance.choice([byte for byte in range(256) if byte != raw[place]])
    return raw[:place] + bytes([changed]) + raw[place + 1 :]


Alteration = Callable[[sqlite3.Connection, random.Random, Log], Altered]


def a_byte_of_the_state(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    row = chance.choice(log.rows)
    update(c, row, "state", flipped(chance, row.state))
    return _at(row, log.after(row))


def _a_byte_of(member: bytes, length: int) -> Alteration:
    """Return the alteration of a byte of a member's value, in an event that has the member."""

    def alteration(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
        row = chance.choice([row for row in log.rows if member in row.state])
        start = row.state.index(member) + len(member)
        end = min(start + length, len(row.state) - 76)
        if member.startswith(b',"link'):
            end = start + length
        update(c, row, "state", flipped(chance, row.state, start, end))
        return _at(row, log.after(row))

    return alteration


def a_byte_of_the_session_id(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    loosened(c)
    row = chance.choice(log.rows)
    other = flipped(chance, row.session_id.encode())
    update_text(c, row, "originator_id", other)
    name = printable(other.decode("utf-8", "surrogateescape"))
    return Altered([{(name, row.version)}], frozenset({(row.session_id, row.version)}))


def a_byte_of_the_topic(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    row = chance.choice(log.rows)
    update_text(c, row, "topic", flipped(chance, row.topic.encode()))
    return _at(row)


def another_version(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    loosened(c)
    row = chance.choice(log.rows)
    near = [row.version + step for step in (-2, -1, 1, 2, 100)]
    value = chance.choice([*near, 0, -1, -(2**63), 2**63 - 1, row.version + 0.5, 1e300])
    update(c, row, "originator_version", value)
    return _at(row)


def another_type(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    loosened(c)
    row = chance.choice(log.rows)
    column = chance.choice(["originator_id", "originator_version", "topic", "state"])
    old = {
        "originator_id": row.session_id,
        "originator_version": row.version,
        "topic": row.topic,
        "state": row.state,
    }[column]
    text = old.decode() if isinstance(old, bytes) else str(old)
    values = [None, 7, 2.5, text, text.encode(), "", b""]
    value = chance.choice([v for v in values if type(v) is not type(old)])
    update(c, row, column, value)
    name = printable(value) if column == "originator_id" else row.session_id
    return Altered([{(name, row.version)}], frozenset({(row.session_id, row.version)}))


def another_type_of_position(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    loosened(c)
    row = chance.choice(log.rows)
    update(c, row, "position", chance.choice([None, 2.5, str(row.position), b"\x00"]))
    return _at(row)


def a_position_against_the_versions(
    c: sqlite3.Connection, chance: random.Random, log: Log
) -> Altered:
    rows = log.sessions[chance.choice(IDS[:-1])]
    place = chance.randrange(1, len(rows) - 1)
    row = rows[place]
    too_early, too_late = chance.randrange(-50, rows[place - 1].position), 10_000
    loosened(c)
    update(c, row, "position", chance.choice([too_early, too_late]))
    return Altered([{(row.session_id, row.version), *log.after(row)}])


def a_row_deleted(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    row = chance.choice([row for row in log.rows if row != log.sessions[row.session_id][-1]])
    c.execute("DELETE FROM stored_events WHERE position = ?", (row.position,))
    return _at(row)


def the_newest_row_deleted(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    row = log.sessions[chance.choice(IDS)][-1]
    c.execute("DELETE FROM stored_events WHERE position = ?", (row.position,))
    return _at(row, heads=True)


def the_tail_cut(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    row = chance.choice(log.rows)
    c.execute(
        "DELETE FROM stored_events WHERE originator_id = ? AND originator_version >= ?",
        (row.session_id, row.version),
    )
    return _at(row, heads=True)


def a_session_deleted(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    name = chance.choice([*log.sessions])
    c.execute("DELETE FROM stored_events WHERE originator_id = ?", (name,))
    return Altered([{(name, 1)}], heads=True)


def a_row_duplicated(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    loosened(c)
    row = chance.choice(log.rows)
    position = chance.choice([10_000, -1, row.position])
    insert(c, position, *row[1:])
    return _at(row)


def states_swapped(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    one, other = chance.sample(log.rows, 2)
    update(c, one, "state", other.state)
    update(c, other, "state", one.state)
    return _at_both(one, other, log)


def versions_swapped(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    one, other = chance.sample(log.sessions[chance.choice(IDS[:-1])], 2)
    loosened(c)
    update(c, one, "originator_version", other.version)
    update(c, other, "originator_version", one.version)
    return _at_both(one, other, log)


def rows_swapped_between_sessions(
    c: sqlite3.Connection, chance: random.Random, log: Log
) -> Altered:
    one, other = (chance.choice(log.sessions[name]) for name in chance.sample(IDS, 2))
    loosened(c)
    for row, place in ((one, other), (other, one)):
        update(c, row, "originator_id", place.session_id)
        update(c, row, "originator_version", place.version)
    return _at_both(one, other, log)


def a_row_moved_to_another_session(
    c: sqlite3.Connection, chance: random.Random, log: Log
) -> Altered:
    row = chance.choice(log.rows)
    target = chance.choice([name for name in IDS if name != row.session_id])
    version = len(log.sessions[target]) + 1
    c.execute(
        "UPDATE stored_events SET originator_id = ?, originator_version = ? WHERE position = ?",
        (target, version, row.position),
    )
    return Altered([{(target, version)}], frozenset({(row.session_id, row.version)}))


def a_row_copied_to_another_session(
    c: sqlite3.Connection, chance: random.Random, log: Log
) -> Altered:
    row = chance.choice(log.rows)
    target = chance.choice([name for name in IDS if name != row.session_id])
    version = len(log.sessions[target]) + 1
    insert(c, None, target, version, row.topic, row.state)
    return Altered([{(target, version)}])


def a_forgery_with_a_made_up_link(
    c: sqlite3.Connection, chance: random.Random, log: Log
) -> Altered:
    name = chance.choice(IDS)
    event = lawful_turn(log.state(name))
    made_up = hashlib.sha256(chance.randbytes(8)).hexdigest()
    (row,), _ = _MAPPER.to_stored([event], made_up)
    insert(c, None, name, event.version, row.topic, row.state)
    return Altered([{(name, event.version)}])


def a_forgery_beside_an_event(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    """A second event of a version that is there, before or after it, with or without its link."""
    loosened(c)
    row = chance.choice(log.rows)
    event = msgspec.structs.replace(_MAPPER.decode(row.state), at=_AT)
    before = log.sessions[row.session_id][row.version - 2].state if row.version > 1 else None
    previous = links.sealed_link(before) if before else links.genesis(row.session_id)
    made_up = hashlib.sha256(b"made up").hexdigest()
    (forged,), _ = _MAPPER.to_stored([event], chance.choice([previous, made_up]))
    insert(c, chance.choice([-1, 10_000]), row.session_id, row.version, row.topic, forged.state)
    return _at(row)


def a_well_linked_forgery_against_the_law(
    c: sqlite3.Connection, chance: random.Random, log: Log
) -> Altered:
    event = chance.choice(unlawful_events(log))
    head = links.sealed_link(log.sessions[event.session_id][-1].state)
    (row,), _ = _MAPPER.to_stored([event], head)
    insert(c, None, event.session_id, event.version, row.topic, row.state)
    return Altered([{(event.session_id, event.version)}])


def the_end_rewritten(c: sqlite3.Connection, chance: random.Random, log: Log) -> Altered:
    """History told anew from some event on, lawful in itself: only a head exported before shows."""
    row = chance.choice(log.rows)
    rows = log.sessions[row.session_id]
    before, later = rows[: row.version - 1], rows[row.version - 1 :]
    state = initial_state(row.session_id)
    for old in before:
        state = evolve(state, _MAPPER.decode(old.state))
    events = [_MAPPER.decode(old.state) for old in later]
    events[0] = retold(events[0])
    previous = links.sealed_link(before[-1].state) if before else links.genesis(row.session_id)
    for old, told in zip(later, events, strict=True):
        event = with_true_receipt(state, told)
        state = evolve(state, event)
        (stored,), previous = _MAPPER.to_stored([event], previous)
        update(c, old, "state", stored.state)
    return Altered([{(row.session_id, rows[-1].version)}], heads=True)


ALTERATIONS: Final[dict[str, Alteration]] = {
    "a byte of the state": a_byte_of_the_state,
    "a byte of a message": _a_byte_of(b',"messages":[', 10_000),
    "a byte of the link": _a_byte_of(b',"link":"', links.LINK_LENGTH),
    "a byte of the digest": _a_byte_of(b'"conversation_digest":"', 64),
    "a byte of the id inside": _a_byte_of(b'"session_id":"', 1),
    "a byte of the version inside": _a_byte_of(b'"version":', 1),
    "a byte of the time": _a_byte_of(b'"at":"', 27),
    "a byte of the session id": a_byte_of_the_session_id,
    "a byte of the topic": a_byte_of_the_topic,
    "another version": another_version,
    "another type": another_type,
    "another type of position": another_type_of_position,
    "a position against the versions": a_position_against_the_versions,
    "a row deleted": a_row_deleted,
    "the newest row deleted": the_newest_row_deleted,
    "the tail cut": the_tail_cut,
    "a session deleted": a_session_deleted,
    "a row duplicated": a_row_duplicated,
    "states swapped": states_swapped,
    "versions swapped": versions_swapped,
    "rows swapped between sessions": rows_swapped_between_sessions,
    "a row moved to another session": a_row_moved_to_another_session,
    "a row copied to another session": a_row_copied_to_another_session,
    "a forgery with a made-up link": a_forgery_with_a_made_up_link,
    "a forgery beside an event": a_forgery_beside_an_event,
    "a well-linked forgery against the law": a_well_linked_forgery_against_the_law,
    "the end rewritten": the_end_rewritten,
}


def unlawful_events(log: Log) -> list[SessionEvent]:
    """Return events that could come next in the log, but for one thing that is against the law."""
    live, staged = log.state("alpha"), log.state(STAGED_ID)
    turn = lawful_turn(live)

    def with_receipt(**wrong: Any) -> TurnApplied:
        receipt = msgspec.structs.replace(turn.receipt, **wrong)
        return msgspec.structs.replace(turn, receipt=receipt)

    facts: dict[str, Any] = {"session_id": live.id, "version": live.version + 1, "at": _AT}
    conversation = live.conversation
    return [
        with_receipt(conversation_digest="0" * 64),
        with_receipt(message_count=conversation.count + 2),
        with_receipt(sequence=2),
        with_receipt(run_id=next(iter(live.runs))),
        msgspec.structs.replace(turn, staged_context=-1),
        msgspec.structs.replace(turn, at="2026-02-30 00:00"),
        lawful_turn(log.state("archived-one")),
        lawful_turn(log.state("retired-one")),
        msgspec.structs.replace(lawful_turn(staged, landing=False), staged_context=0),
        msgspec.structs.replace(lawful_turn(staged, landing=False), staged_context=1),
        SessionArchived(**facts),
        SessionRegistered(**facts, labels={"name": "another"}),
        SessionCheckpointed(
            **facts, message_count=conversation.count, conversation_digest="0" * 64
        ),
        SessionCheckpointed(**facts, message_count=0, conversation_digest=conversation.digest()),
        ContextStaged(**facts, messages=msgspec.Raw(b"[]")),
        ContextStaged(**facts, messages=msgspec.Raw(b'[{"a":1},{"b":2}]')),
        ContextStaged(**facts, messages=msgspec.Raw(b'[{"a":1e999}]')),
        ContextStaged(
            session_id=STAGED_ID,
            version=staged.version + 1,
            at=_AT,
            idempotency_key="waits",
            messages=msgspec.Raw(b"[{}]"),
        ),
    ]


def lawful_turn(state: Session, *, landing: bool = True) -> TurnApplied:
    waiting = state.staged_context if landing else ()
    messages = b",".join((*waiting, b'{"role":"user","content":"forged"}'))
    event = TurnApplied(
        session_id=state.id,
        version=state.version + 1,
        at=_AT,
        receipt=Receipt(
            run_id="forged",
            boundary="run_start",
            contributing_input_ids=(),
            conversation_digest="",
            message_count=state.conversation.count + len(waiting) + 1,
            sequence=1,
        ),
        staged_context=len(waiting),
        messages=msgspec.Raw(b"[" + messages + b"]"),
    )
    told: TurnApplied = with_true_receipt(state, event)
    return told


def with_true_receipt(state: Session, event: Any) -> Any:
    """Return the event with the digest that its messages have after the state, if it has one."""
    if isinstance(event, SessionCheckpointed):
        digest = state.conversation.digest()
        return msgspec.structs.replace(event, conversation_digest=digest)
    if not hasattr(event, "receipt"):
        return event
    after = state.conversation.extend(event.messages, 1)
    receipt = msgspec.structs.replace(event.receipt, conversation_digest=after.digest())
    return msgspec.structs.replace(event, receipt=receipt)


def retold(event: SessionEvent) -> SessionEvent:
    """Return the event with another text or, where it has none, another time."""
    if isinstance(event, TurnApplied) and not event.staged_context:
        raw = bytes(event.messages).replace(b'"user"', b'"liar"', 1)
        return msgspec.structs.replace(event, messages=msgspec.Raw(raw))
    return msgspec.structs.replace(event, at=_AT)


def _at(row: Row, also: frozenset[Place] = frozenset(), *, heads: bool = False) -> Altered:
    return Altered([{(row.session_id, row.version)}], also, heads)


def _at_both(one: Row, other: Row, log: Log) -> Altered:
    groups = [{(row.session_id, row.version)} for row in (one, other)]
    return Altered(groups, log.after(one) | log.after(other))
