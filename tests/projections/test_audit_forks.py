"""The audit of forks: an origin changed, cut off or lost, and a fork that lies about it."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perdure import (
    Engine,
    LogCorrupt,
)
from perdure.projections import audit_store
from perdure.store import links, open_store
from tests.support.alterations import loosened
from tests.support.forks import origin
from tests.support.processes import message


def written(path: Path) -> None:
    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}") as engine:
            await origin(engine)
            await engine.fork("o", at_message=5, new_session_id="f")
            await engine.record_turn("f", [message("x")])
            await engine.checkpoint("f")
            await engine.fork("f", new_session_id="g")

    asyncio.run(main())


def audited(path: Path, *, jobs: int = 1) -> set[tuple[str, int, str]]:
    store = open_store(f"sqlite:///{path}", readonly=True)
    try:
        report = audit_store(store, jobs=jobs)
    finally:
        store.close()
    return {(one.session_id, one.version, one.kind) for one in report.findings}


def relinked(
    connection: sqlite3.Connection,
    session_id: str,
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Change a session's rows and give them the links that follow: no link shows it."""
    link = links.genesis(session_id)
    found = connection.execute(
        "SELECT position, state FROM stored_events WHERE originator_id = ?"
        " ORDER BY originator_version",
        (session_id,),
    ).fetchall()
    for position, state in found:
        event = json.loads(state)
        del event["link"]
        body = json.dumps(change(event), separators=(",", ":"), ensure_ascii=False).encode()
        sealed, link = links.seal(link, body)
        connection.execute(
            "UPDATE stored_events SET state = ? WHERE position = ?", (sealed, position)
        )
    connection.commit()


@pytest.mark.parametrize("jobs", [1, 2])
def test_g7_a_changed_message_of_the_origin_shows_in_the_fork(tmp_path: Path, jobs: int) -> None:
    path = tmp_path / "a.db"
    written(path)
    assert audited(path, jobs=jobs) == set()
    connection = sqlite3.connect(path)
    connection.execute(
        'UPDATE stored_events SET state = replace(state, \'"content":"1"\', \'"content":"9"\')'
        " WHERE originator_id = 'o' AND originator_version = 2"
    )
    connection.execute(
        "UPDATE stored_events SET state = CAST(state AS BLOB) WHERE originator_id = 'o'"
    )
    connection.commit()
    connection.close()
    found = audited(path, jobs=jobs)
    assert {("o", 2, "link"), ("f", 1, "digest"), ("g", 1, "digest")} <= found

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}") as engine:
            engine._core.store.derived.clear()
            with pytest.raises(LogCorrupt):
                await engine.read("f")
            with pytest.raises(LogCorrupt):
                await engine.fork("o")

    asyncio.run(main())


@pytest.mark.parametrize("place", [0, 1])
def test_g7_a_message_of_the_origin_that_is_none_is_found_kept_or_behind_the_point(
    tmp_path: Path, place: int
) -> None:
    made = [{"id": "c-1", "function": {"name": "look", "arguments": "{}"}}]
    path = tmp_path / "a.db"

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}") as engine:
            await engine.register("o")
            asked = {"role": "assistant", "tool_calls": made}
            await engine.record_turn("o", [message("go"), asked])
            await engine.record_turn(
                "o", [message("no tool_result in it"), message("on")], open_calls="keep"
            )
            await engine.fork("o", at_message=2, new_session_id="f")

    asyncio.run(main())

    version = (2, 4)[place]  # between them lies the decision to keep the call open

    def spoilt(event: dict[str, Any]) -> dict[str, Any]:
        if event["version"] == version:
            event["messages"][place] = ["tool_calls", "tool_call_id"]
        return event

    connection = sqlite3.connect(path)
    relinked(connection, "o", spoilt)
    connection.close()
    assert {("o", version, "transition"), ("f", 1, "undecodable")} <= audited(path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_g7_a_missing_origin_is_a_finding_and_not_a_crash(tmp_path: Path, jobs: int) -> None:
    path = tmp_path / "a.db"
    written(path)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM stored_events WHERE originator_id = 'o'")
    connection.commit()
    connection.close()
    assert {("f", 1, "missing"), ("g", 1, "missing")} <= audited(path, jobs=jobs)

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}") as engine:
            for verb in (engine.read, engine.history, engine.fork):
                with pytest.raises(LogCorrupt):
                    await verb("f")
            assert {view.id for view in await engine.list()} >= {"f", "g"}

    asyncio.run(main())


def test_nothing_is_forked_from_receipts_that_count_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    written(path)

    def more(event: dict[str, Any]) -> dict[str, Any]:
        if "receipt" in event:
            event["receipt"]["message_count"] += 1
        return event

    connection = sqlite3.connect(path)
    relinked(connection, "o", more)
    connection.close()

    async def main() -> None:
        async with Engine.open(f"sqlite:///{path}") as engine:
            engine._core.store.derived.clear()
            with pytest.raises(LogCorrupt, match="says 8 messages and holds 7"):
                await engine.fork("o")

    asyncio.run(main())


def test_g7_a_fork_shows_that_the_tail_of_its_origin_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    written(path)
    connection = sqlite3.connect(path)
    connection.execute(
        "DELETE FROM stored_events WHERE originator_id = 'o' AND originator_version > 3"
    )
    connection.commit()
    connection.close()
    found = {place for place in audited(path) if place[2] != "storage"}
    assert found >= {("f", 1, "missing"), ("g", 1, "missing")}


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        ({"origin_messages": 4}, "digest"),
        ({"origin_messages": 6}, "digest"),
        ({"origin_messages": 99}, "receipt"),
        ({"origin_messages": -5}, "receipt"),
        ({"origin_digest": "0" * 64}, "digest"),
        ({"origin_version": 3}, "receipt"),
        ({"origin_version": 99}, "missing"),
        ({"origin_version": 0}, "missing"),
        ({"origin_version": 10**20}, "missing"),
        ({"origin_session_id": "f"}, "identity"),
        ({"origin_session_id": "g", "origin_version": 1}, "identity"),
        ({"origin_session_id": "x"}, "missing"),
    ],
    ids=str,
)
def test_g7_a_fork_that_lies_about_its_origin_is_found(
    tmp_path: Path, lie: dict[str, Any], kind: str
) -> None:
    path = tmp_path / "a.db"
    written(path)
    connection = sqlite3.connect(path)
    loosened(connection)
    relinked(connection, "f", lambda event: event | lie if "origin_version" in event else event)
    connection.close()
    found = {(version, what) for name, version, what in audited(path) if name == "f"}
    assert (1, kind) in found
