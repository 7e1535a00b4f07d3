"""The commands over work in hand: inputs, calls, fork.

Invariants: none of them makes a database; fork writes the new session's events and nothing else.
"""

from typing import Annotated, Final

import typer

from perdure.cli.commands.read import open_to_read, print_list
from perdure.cli.options import DEFAULT_URL, AsJson, Database, SessionId
from perdure.cli.outcome import answer_command
from perdure.cli.render import session_document
from perdure.sync import Engine

_INPUT: Final = ("id", "state", "lane", "attempts", "last_run_id", "reason")
_CALL: Final = ("id", "name", "status", "version")


def inputs(session_id: SessionId, *, db: Database = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List every input a session accepted, and what became of each."""
    print_list(
        lambda engine: engine.inputs(session_id),
        _INPUT,
        empty="no inputs",
        db=db,
        as_json=as_json,
    )


def calls(session_id: SessionId, *, db: Database = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List a session's tool calls that have no result yet."""
    print_list(
        lambda engine: engine.open_calls(session_id),
        _CALL,
        empty=lambda found: f"no open calls: {found.summary}",
        db=db,
        as_json=as_json,
    )


def fork(
    session_id: SessionId,
    *,
    at_version: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the messages of this version.")
    ] = None,
    at_message: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Keep the first so many messages.")
    ] = None,
    new_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The new session's id.")
    ] = None,
    db: Database = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make a session that goes on from another's conversation, and print it."""
    if at_version is not None and at_message is not None:
        raise typer.BadParameter(
            "a fork is at a version or at a message, not both", param_hint="--at-message"
        )
    with answer_command(as_json=as_json) as answer:
        with open_to_read(db) as engine:
            engine.read(session_id)  # so that neither a database nor a session is made up
        with Engine.open(db) as engine:
            view = engine.fork(
                session_id, at_version=at_version, at_message=at_message, new_session_id=new_id
            )
        if as_json:
            answer.document(session_document(view))
        else:
            answer.line(view.id)
