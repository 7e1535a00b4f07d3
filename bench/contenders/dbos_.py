"""DBOS on SQLite: a turn is a workflow, whose one step is the model's answer.

The workflow's input is the user's message and its step returns the assistant's, so that both are
recorded by DBOS itself, as in its documentation's agents. Workflow ids are the session's name and
the turn's number.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from dbos import DBOS, SetWorkflowID
from dbos._dbos import _get_dbos_instance

from bench.contenders.base import Contender, Settings, settings_of
from bench.workload import Message


@DBOS.step()
def answer(message: Message) -> Message:
    """Return the model's answer, which was there before."""
    return message


@DBOS.workflow()
def turn(user: Message, assistant: Message) -> Message:
    """Run one turn durably."""
    del user
    answered: Message = answer(assistant)
    return answered


@DBOS.workflow()
def longer_turn(messages: list[Message]) -> list[Message]:
    """Run one turn of any other shape durably."""
    return [answer(message) for message in messages[1:]]


class Workflows(Contender):
    """One workflow for each turn. ``wal`` puts the file into WAL beforehand, by hand."""

    def __init__(self, path: Path, *, wal: bool) -> None:
        super().__init__(path)
        self._wal: Final = wal
        self._turns: dict[str, int] = {}

    async def open(self) -> None:
        """Launch DBOS on the file."""
        if self._wal:
            connection = sqlite3.connect(self.path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.close()
        DBOS(
            config={
                "name": "bench",
                "system_database_url": f"sqlite:///{self.path}",
                "log_level": "ERROR",
                "run_admin_server": False,
            }
        )
        DBOS.launch()

    async def close(self) -> None:
        """Stop it."""
        DBOS.destroy()

    async def settings(self) -> Settings:
        """Ask a connection of the engine that writes."""
        engine: sqlalchemy.Engine = _get_dbos_instance()._sys_db.engine  # noqa: SLF001
        with engine.connect() as connection:
            return settings_of(connection.connection.driver_connection)

    async def record(self, session: str, messages: Sequence[Message]) -> None:
        """Run the turn's workflow."""
        number = self._turns.get(session, 0)
        with SetWorkflowID(f"{session}.{number:06}"):
            turn(*messages) if len(messages) == 2 else longer_turn(list(messages))
        self._turns[session] = number + 1

    async def conversation(self, session: str) -> list[Any]:
        """List the session's workflows, with their inputs and outputs."""
        return _messages(await DBOS.list_workflows_async(workflow_id_prefix=f"{session}."))

    async def newest(self, session: str, count: int) -> list[Any]:
        """List the newest workflows of the session only."""
        found = await DBOS.list_workflows_async(
            workflow_id_prefix=f"{session}.", limit=count // 2, sort_desc=True
        )
        return _messages(reversed(found))


def _messages(workflows: Any) -> list[Any]:
    return [
        message
        for workflow in workflows
        for message in (workflow.input["args"][0], workflow.output)
    ]
