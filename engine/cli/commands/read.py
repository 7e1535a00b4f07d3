"""The commands that read: ls, show, history, log, receipts, head.

Invariants: none of them makes a database; only ls may write, and only to the derived catalog, so
that its cost follows the sessions it shows, not those in the log.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

from perdure.cli.options import (
    DEFAULT_URL,
    TERMINAL_LIMIT,
    AsJson,
    Database,
    Limit,
    SessionId,
    SessionIds,
    checked_url,
)
from perdure.cli.outcome import FAILED, answer_command
from perdure.cli.output import CommandAnswer
from perdure.cli.render import message_lines, session_document
from perdure.errors import InvalidArgument, LogCorrupt, SessionNotFound
from perdure.machines import SESSION
from perdure.projections.rows import rows_of
from perdure.projections.snapshots import load
from perdure.store import Mapper, Store, StoredRow, open_store
from perdure.store.open import is_writable
from perdure.sync import Engine
from perdure.values import Head, checked_id

_LISTED: Final = (
    "session_id",
    "phase",
    "version",
    "message_count",
    "conversation_digest",
    "labels",
)
_RECEIPT: Final = ("sequence", "message_count", "conversation_digest", "boundary", "run_id")
_KEPT_BYTES: Final = 16 * 1024 * 1024
_PART_BYTES: Final = 1024 * 1024


def ls(
    *,
    db: Database = DEFAULT_URL,
    phase: Annotated[
        str | None, typer.Option(metavar="PHASE", help="Only sessions in this phase.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only sessions with this label.")
    ] = None,
    limit: Limit = None,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Begin behind this session.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List sessions in the order they were registered."""
    labels = _labels(label or [])
    if phase not in (None, *SESSION.phases):
        raise typer.BadParameter(
            f"{phase!r} is none of {', '.join(SESSION.phases)}", param_hint="--phase"
        )
    with answer_command(as_json=as_json) as answer:
        shown = _shown(answer, limit)
        with Engine.open(checked_url(db), readonly=not is_writable(db)) as engine:
            views = engine.list(phase=phase, labels=labels, after=after, limit=shown)
        documents = [session_document(view) for view in views]
        if not as_json:
            for one in documents:
                one["phase"] = _phase(one)
        answer.listing(documents, _LISTED, empty="no sessions")
        if limit is None and len(views) == shown:
            answer.line(f"There may be more: --after {views[-1].id}")


def show(session_id: SessionId, *, db: Database = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one session as it is now."""
    with answer_command(as_json=as_json) as answer:
        with open_to_read(db) as engine:
            document = session_document(engine.read(session_id))
            document["link"] = engine.head(session_id).link
        if as_json:
            answer.document(document)
            return
        document["phase"] = _phase(document)
        for name, value in document.items():
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            answer.line(f"{name:<20} {text}")


def history(
    session_id: SessionId,
    *,
    offset: Annotated[
        int, typer.Option(min=0, metavar="N", help="Leave out the first so many messages.")
    ] = 0,
    limit: Limit = None,
    db: Database = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Print a session's messages, oldest first."""
    with answer_command(as_json=as_json) as answer:
        shown = _shown(answer, limit)
        with open_to_read(db) as engine:
            page = engine.history(session_id, offset=offset, limit=shown)
        if as_json:
            answer.document(page)
            return
        for place, message in enumerate(page.messages, offset + 1):
            for line in message_lines(place, message):
                answer.line(line)
        end = offset + len(page.messages)
        if end < page.message_count:
            answer.line(f"{page.message_count - end} more: --offset {end}")


def log(session_id: SessionId, *, db: Database = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Print a session's raw events, exactly as recorded, a line each."""
    with answer_command(as_json=as_json) as answer, _store(db) as store:
        recorder = store.recorder
        if recorder.last_version(checked_id(session_id, "session_id")) is None:
            raise SessionNotFound(session_id)
        if as_json:
            _print_array(answer, session_id, rows_of(recorder, session_id))
            return
        for row in rows_of(recorder, session_id):
            answer.raw(_state(row) + b"\n")


def receipts(session_id: SessionId, *, db: Database = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List a session's receipts, oldest first."""
    print_list(
        lambda engine: engine.receipts(session_id),
        _RECEIPT,
        empty="no receipts",
        db=db,
        as_json=as_json,
    )


def head(
    session_ids: SessionIds = None, *, db: Database = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Print sessions' newest links, to be kept elsewhere and given to audit --head later."""
    with answer_command(as_json=as_json) as answer:
        heads = []
        with _store(db) as store:
            for name in session_ids or store.recorder.session_ids():
                try:
                    heads.append(_head(store, name))
                except (LogCorrupt, InvalidArgument) as error:
                    if session_ids:
                        raise
                    answer.problem(f"{error} [{error.code}]")  # the others still have theirs
                    answer.exit_code = FAILED
        answer.listing(heads, Head.__struct_fields__, empty="no sessions")


def print_list(
    read: Callable[[Engine], Sequence[Any]],
    columns: Sequence[str],
    *,
    empty: str | Callable[[Any], str],
    db: str,
    as_json: bool,
) -> None:
    """Answer with the items that ``read`` finds, as `CommandAnswer.listing` prints them."""
    with answer_command(as_json=as_json) as answer:
        with open_to_read(db) as engine:
            found = read(engine)
        answer.listing(found, columns, empty=empty if isinstance(empty, str) else empty(found))


def open_to_read(url: str) -> Engine:
    """Return an engine that reads the database, which must be there already."""
    return Engine.open(checked_url(url), readonly=True)


def _shown(answer: CommandAnswer, limit: int | None) -> int | None:
    """Return how many rows to show: a terminal gets a few where no limit is given."""
    return TERMINAL_LIMIT if limit is None and answer.on_terminal else limit


def _phase(document: dict[str, Any]) -> str:
    """Return the session's phase, with a note on a lost owner or on damage."""
    phase: str = document["phase"]
    if document["ownerless"]:
        phase += " (its owner is gone)"
    if document["damaged_at"] is not None:
        phase += f" (damaged at {document['damaged_at']})"
    return phase


def _labels(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter(f"a label is NAME=VALUE, not {pair!r}", param_hint="--label")
        labels[name] = value
    return labels


def _store(url: str) -> contextlib.closing[Store]:
    return contextlib.closing(open_store(checked_url(url), readonly=True))


def _head(store: Store, session_id: str) -> Head:
    """Return what `Engine.head` returns, without its way through another thread."""
    folded, _ = load(store, Mapper(), checked_id(session_id, "session_id"))
    if folded is None:
        raise SessionNotFound(session_id)
    return Head(session_id=session_id, version=folded.state.version, link=folded.head)


def _print_array(answer: CommandAnswer, session_id: str, rows: Iterator[StoredRow]) -> None:
    """Print the rows as one array, once all of them are known to be JSON.

    A failure is the only document, so nothing is printed before the last row is read; until then a
    long log is kept in a file.
    """
    with tempfile.SpooledTemporaryFile(_KEPT_BYTES) as kept:
        before = b"["
        for row in rows:
            try:
                event = msgspec.json.decode(_state(row), type=msgspec.Raw)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise LogCorrupt(
                    session_id,
                    row.version,
                    "undecodable",
                    f"the row holds no JSON: {error}",
                ) from error
            kept.write(before)
            kept.write(bytes(event))
            before = b","
        kept.write(b"]\n")
        kept.seek(0)
        while part := kept.read(_PART_BYTES):
            answer.raw(part)


def _state(row: StoredRow) -> bytes:
    """Return a row's bytes, also where someone made the column something else."""
    state: Any = row.state
    return state if isinstance(state, bytes) else str(state).encode("utf-8", "surrogateescape")
