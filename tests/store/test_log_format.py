"""The program in docs/log-format.md verifies every honest log, and refuses those tampered with."""

import json
import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from perdure import Completed, NoPendingBoundary, Turn, TurnResult
from perdure.aggregates.session.events import RunCompleted, SessionForked
from perdure.store import Mapper, links
from perdure.sync import Engine
from tests.support.alterations import ALTERATIONS, Log, attacker

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "log-format.md"
EACH: Final = 12
"""Alterations of each kind."""

BEYOND_IT: Final = {
    "another type of position": "a position is no evidence",
    "the newest row deleted": "shows against a head alone",
    "the tail cut": "shows against a head alone",
    "a session deleted": "shows against a head alone",
    "a well-linked forgery against the law": "the audit knows the law",
    "the end rewritten": "shows against a head alone",
}

MESSAGE: Final = {"role": "user", "content": 'a decoy: ,"messages":[1,2]}', "messages": [[], {}]}

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="no documentation beside these tests")


def program() -> str:
    """Return the one program on the page, which verifies a log."""
    found = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (verifier,) = (one for one in found if "every receipt holds" in one)
    assert not re.search(r"^(import|from) (engine|projections)", verifier, re.MULTILINE)
    return str(verifier)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the page's program where ``sessions.db`` is the log."""
    monkeypatch.chdir(folder)
    exec(compile(program(), PAGE.name, "exec"), {"__name__": "__main__"})  # noqa: S102


async def agent(turn: Turn) -> TurnResult:
    """Answer with a result, with nothing where nothing was asked, or fail."""
    match [message["content"] for message in turn.request]:
        case []:
            return TurnResult(messages=[], terminal=NoPendingBoundary())
        case ["fail"]:
            raise RuntimeError("as it was asked to")
        case ["empty"]:
            return TurnResult(messages=[], terminal=Completed())
        case _:
            return TurnResult(messages=[MESSAGE], terminal=Completed(result=MESSAGE))


def many_sessions(url: str) -> None:
    """Write turns, results, floats and large integers, runs that landed nothing, and forks."""
    with Engine.open(url) as engine:
        for name in ("one", "two", "ünï 🙂"):
            engine.register(name, metadata={"messages": [MESSAGE]})
            engine.record_turn(name, [MESSAGE, {"n": 10**30, "x": [1e16, 5e-324, -0.0]}])
            engine.stage_context(name, "staged")
            engine.attach(name, agent)
            for request in ("go", "empty", None, "fail"):
                engine.apply_turn(name, request)
            engine.append_context(name, "appended")
            engine.publish(name, "said", {"messages": [MESSAGE], "receipt": 1})
            engine.checkpoint(name)
        engine.fork("one", at_message=1, new_session_id="a fork", replace=MESSAGE)
        engine.record_turn("one", [MESSAGE])
        engine.fork("a fork", at_message=2, new_session_id="Another")  # sorts before its origin
        engine.record_turn("Another", [MESSAGE])
        engine.fork("Another", at_message=0, new_session_id="0")
        engine.archive("one")


def test_the_program_verifies_many_sessions_forks_and_runs_that_landed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many_sessions(f"sqlite:///{tmp_path / 'sessions.db'}")
    with closing(sqlite3.connect(tmp_path / "sessions.db")) as log:
        states = [state for (state,) in log.execute("SELECT state FROM stored_events")]
    events = [Mapper().decode(state) for state in states]
    completed = [event for event in events if isinstance(event, RunCompleted)]
    assert sum(event.receipt is None for event in completed) == 3
    assert sum(b'"messages":[' in bytes(event.result) for event in completed) == 3
    assert sum(isinstance(event, SessionForked) for event in events) == 3
    run(tmp_path, monkeypatch)
    assert capsys.readouterr().out == "every link and every receipt holds\n"


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (rb'"content":"a decoy', rb'"content":"another', "turn-applied"),
        (rb'"conversation_digest":"\w{8}', rb'"conversation_digest":"00000000', "turn-applied"),
        (rb'"message_count":3', rb'"message_count":2', "turn-applied"),
        (rb'"origin_messages":2', rb'"origin_messages":1', "session-forked"),
        (rb'"origin_digest":"\w{8}', rb'"origin_digest":"00000000', "session-forked"),
        (rb'"version":2', rb'"version":3', "turn-applied"),
    ],
)
def test_the_program_refuses_a_lie_in_an_event_that_was_linked_anew(
    old: bytes, new: bytes, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_sessions(f"sqlite:///{tmp_path / 'sessions.db'}")
    told = 0
    with attacker(tmp_path / "sessions.db") as log:
        previous = links.genesis("Another")
        for position, state in log.execute(
            "SELECT position, state FROM stored_events"
            " WHERE originator_id = 'Another' ORDER BY originator_version"
        ).fetchall():
            body, changed = re.subn(old, new, state[:-75] + b"}", count=1)
            told += changed
            sealed, previous = links.seal(previous, body)

            log.execute(
                "UPDATE stored_events SET originator_version = ?, state = ? WHERE position = ?",
                (json.loads(body)["version"], sealed, position),
            )
    assert told == 1
    with pytest.raises(SystemExit, match=where):
        run(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("log") / "written.db")


@pytest.mark.parametrize("kind", [kind for kind in ALTERATIONS if kind not in BEYOND_IT])
def test_the_program_refuses_a_log_that_was_tampered_with(
    kind: str, honest: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sessions.db"
    path.write_bytes(honest.bytes)
    run(tmp_path, monkeypatch)
    for number in range(EACH):
        path.write_bytes(honest.bytes)
        with attacker(path) as connection:
            altered = ALTERATIONS[kind](connection, random.Random(f"{kind} {number}"), honest)  # noqa: S311
        try:
            run(tmp_path, monkeypatch)
        except (Exception, SystemExit):  # noqa: BLE001, S112 - at any failure, it does not say that all holds
            continue
        pytest.fail(f"{kind} {number}: {altered} was not noticed")


LATER: Final = """CAST(replace(CAST(state AS TEXT), '"at":"2', '"at":"3') AS BLOB)"""
"""A state that says that its event was recorded a thousand years later."""


@pytest.mark.parametrize(
    ("statement", "code", "printed"),
    [
        ("SELECT 1", 0, "every link and every receipt holds\n"),
        ("UPDATE stored_events SET topic = 'session-retired' WHERE originator_version = 2", 1, ""),
        (f"UPDATE stored_events SET state = {LATER}", 1, ""),
        ("DELETE FROM stored_events WHERE originator_version = 2", 1, ""),
    ],
)
def test_the_program_refuses_a_tampered_log_where_python_leaves_assertions_out(
    statement: str, code: int, printed: str, honest: Log, tmp_path: Path
) -> None:
    (tmp_path / "sessions.db").write_bytes(honest.bytes)
    with attacker(tmp_path / "sessions.db") as log:
        log.execute(statement)
    ran = subprocess.run(
        [sys.executable, "-O", "-c", program()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (code, printed)


def test_what_is_beyond_the_program_is_an_alteration_that_there_is() -> None:
    assert set(BEYOND_IT) < set(ALTERATIONS)
