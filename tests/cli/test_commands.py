"""The commands that ask, their exit codes and documents."""

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from perdure import __version__, sync
from perdure.cli.application import application
from perdure.cli.render import message_lines
from perdure.sync import Engine
from tests.support.command import Ran, finish, perdure, start

COMMANDS = (
    "demo",
    "import",
    "ls",
    "show",
    "history",
    "log",
    "receipts",
    "inputs",
    "calls",
    "fork",
    "audit",
    "head",
    "backup",
    "restore",
    "check",
    "spec",
)
WITHOUT_DATABASE = ("check", "spec")
ASKING = {
    "ls": (),
    "show": ("trip",),
    "history": ("trip",),
    "log": ("trip",),
    "receipts": ("trip",),
    "inputs": ("trip",),
    "calls": ("trip",),
    "fork": ("trip",),
    "audit": (),
    "head": (),
}


@pytest.fixture
def trips(sqlite_url: str) -> str:
    """A database with two sessions, the first archived after three turns."""
    with sync.Engine.open(sqlite_url) as engine:
        engine.register("trip", labels={"team": "旅行"}, metadata={"score": 1.5})
        for turn in range(3):
            messages = [
                {"role": "user", "content": f"pergunta {turn} ✈️"},
                {"role": "assistant", "content": f"resposta {turn}"},
            ]
            engine.record_turn("trip", messages, run_id=f"run-{turn}")
        engine.archive("trip")
        engine.register("empty")
    return sqlite_url


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example_of_it(command: str) -> None:
    ran = perdure(command, "--help")
    assert ran.code == 0
    examples = ran.out.split("Examples:\n")[1]
    assert f"perdure {command}" in examples
    assert ("--db URL" in ran.out) == (command not in WITHOUT_DATABASE)
    assert "--json" in ran.out


def test_help_names_every_command() -> None:
    ran = perdure("--help")
    assert ran.code == 0
    assert [line.split()[0] for line in _section(ran.out, "Commands")] == list(COMMANDS)


def _section(text: str, name: str) -> list[str]:
    return text.partition(f"{name}:\n")[2].partition("\n\n")[0].splitlines()


def test_the_version_is_that_of_the_distribution() -> None:
    assert perdure("--version") == Ran(0, f"perdure {__version__}\n", "")


def test_completion_is_offered_for_a_shell() -> None:
    bash = ["bash", "-c", '"$@"; exit $?', "bash"]  # the shell is told by the parent process
    ran = finish(start("--show-completion", under=bash))
    assert ran.code == 0
    assert "_PERDURE_COMPLETE" in ran.out


def test_sessions_are_listed_in_the_order_they_were_registered(trips: str) -> None:
    ran = perdure("ls", "--json", db=trips)
    assert ran.code == 0
    first, second = ran.document
    assert (first["session_id"], first["phase"], first["version"]) == ("trip", "archived", 6)
    assert (first["message_count"], first["labels"]) == (6, {"team": "旅行"})
    assert len(first["conversation_digest"]) == 64
    assert (second["session_id"], second["phase"]) == ("empty", "idle")


def test_a_piped_listing_shortens_nothing(trips: str) -> None:
    [header, first, _] = perdure("ls", db=trips).out.splitlines()
    digest = perdure("ls", "--json", db=trips).document[0]["conversation_digest"]
    assert header.split()[:2] == ["session_id", "phase"]
    assert first.split() == ["trip", "archived", "6", "6", digest, "team=旅行"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (("--phase", "archived"), ["trip"]),
        (("--phase", "running"), []),
        (("--label", "team=旅行"), ["trip"]),
        (("--label", "team=旅行", "--label", "team=other"), []),
        (("--limit", "1"), ["trip"]),
        (("--limit", "0"), []),
        (("--after", "trip"), ["empty"]),
    ],
)
def test_a_listing_is_filtered(trips: str, filters: tuple[str, ...], found: list[str]) -> None:
    ran = perdure("ls", "--json", *filters, db=trips)
    assert [one["session_id"] for one in ran.document] == found


def test_one_session_is_shown(trips: str) -> None:
    shown = perdure("show", "trip", "--json", db=trips).document
    assert shown["metadata"] == {"score": 1.5}
    assert shown["link"] == perdure("head", "trip", "--json", db=trips).document[0]["link"]
    text = perdure("show", "trip", db=trips)
    assert text.code == 0
    assert f"conversation_digest  {shown['conversation_digest']}\n" in text.out


def test_history_is_a_page_of_messages(trips: str) -> None:
    page = perdure("history", "trip", "--offset", "1", "--limit", "2", "--json", db=trips).document
    assert page == {
        "session_id": "trip",
        "offset": 1,
        "limit": 2,
        "message_count": 6,
        "messages": [
            {"role": "assistant", "content": "resposta 0"},
            {"role": "user", "content": "pergunta 1 ✈️"},
        ],
    }
    text = perdure("history", "trip", "--offset", "1", "--limit", "2", db=trips).out
    assert text == "#2 assistant\n  resposta 0\n#3 user\n  pergunta 1 ✈️\n3 more: --offset 3\n"


def test_history_leaves_nothing_of_a_message_out_and_obeys_no_control_character(
    sqlite_url: str,
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a":1}'}}
    with sync.Engine.open(sqlite_url) as engine:
        engine.register("s")
        engine.record_turn(
            "s",
            [
                {"role": "user", "content": [{"type": "text", "text": "\x1b[2Jhi\u202e"}]},
                {"role": "assistant", "content": None, "tool_calls": [call, "odd"]},
                {"role": "tool", "name": "find", "tool_call_id": "c1", "content": "\x1b[31mred"},
            ],
        )
    text = perdure("history", "s", db=sqlite_url).out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert '  → find({"a":1}) c1\n  → odd\n' in text
    assert "#3 tool find\n  \\x1b[31mred\n  tool_call_id: c1\n" in text


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
            ["  → f({}) c"],
        ),
        (
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f"}}]},
            ['  → {"id": "c", "type": "custom", "custom": {"name": "f"}}'],
        ),
        (
            {"tool_calls": [{"id": "c", "type": "x", "function": {"name": "f", "arguments": ""}}]},
            ['  → {"id": "c", "type": "x", "function": {"name": "f", "arguments": ""}}'],
        ),
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "", "strict": 1}}]},
            ['  → {"id": "c", "function": {"name": "f", "arguments": "", "strict": 1}}'],
        ),
        (
            {"tool_calls": [{"id": "c", "at": 1, "function": {"name": "f", "arguments": ""}}]},
            ['  → {"id": "c", "at": 1, "function": {"name": "f", "arguments": ""}}'],
        ),
        ({"tool_calls": []}, ["  tool_calls: []"]),
        ({"name": ""}, ["  name: "]),
        ({"name": {"a": "b"}}, ['  name: {"a": "b"}']),
    ],
)
def test_what_is_unusual_in_a_message_is_printed_as_it_is(
    message: dict[str, Any], lines: list[str]
) -> None:
    assert list(message_lines(1, {"role": "assistant", **message})) == ["#1 assistant", *lines]


def test_the_log_is_printed_exactly_as_recorded(trips: str) -> None:
    lines = perdure("log", "trip", db=trips).out.splitlines()
    assert [json.loads(line)["tag"] for line in lines] == [
        "session-registered",
        *["turn-applied"] * 3,
        "session-retired",
        "session-archived",
    ]
    assert perdure("log", "trip", "--json", db=trips).out == f"[{','.join(lines)}]\n"


def test_receipts_are_listed(trips: str) -> None:
    receipts = perdure("receipts", "trip", "--json", db=trips).document
    assert [one["run_id"] for one in receipts] == ["run-0", "run-1", "run-2"]
    assert [one["message_count"] for one in receipts] == [2, 4, 6]
    text = perdure("receipts", "trip", db=trips).out.splitlines()
    assert len(text) == 4
    assert all(one["conversation_digest"] in text[n] for n, one in enumerate(receipts, 1))
    assert perdure("receipts", "empty", db=trips).out == "no receipts\n"
    assert perdure("receipts", "empty", "--json", db=trips).document == []


def test_heads_are_printed_for_some_or_all(trips: str) -> None:
    heads = perdure("head", "--json", db=trips).document
    assert [(one["session_id"], one["version"]) for one in heads] == [("empty", 1), ("trip", 6)]
    text = perdure("head", "trip", db=trips).out.splitlines()
    assert text[1].split() == ["trip", "6", heads[1]["link"]]


def test_an_audit_says_what_was_read(trips: str) -> None:
    ran = perdure("audit", "--json", db=trips)
    assert ran.code == 0
    report = ran.document
    assert (report["ok"], report["sessions"], report["events"]) == (True, 2, 7)
    assert report["findings"] == []
    assert perdure("audit", db=trips).out.endswith(": everything holds\n")


def test_an_empty_file_was_never_written_to_and_asking_makes_no_database_of_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sessions.db"
    path.touch()
    for command in (("ls",), ("head",), ("audit",)):
        ran = perdure(*command, db=f"sqlite:///{path}")
        assert (ran.code, "holds no sessions: it was never written to" in ran.err) == (1, True)
        assert path.stat().st_size == 0


def test_an_empty_database_has_nothing_to_say(sqlite_url: str) -> None:
    sync.Engine.open(sqlite_url).close()
    assert perdure("ls", db=sqlite_url) == Ran(0, "no sessions\n", "")
    assert perdure("ls", "--json", db=sqlite_url).document == []
    assert perdure("head", db=sqlite_url).out == "no sessions\n"
    assert perdure("audit", "--json", db=sqlite_url).document["ok"]


def test_inputs_and_open_calls_are_listed(trips: str) -> None:
    made = [{"id": "c-1", "function": {"name": "look", "arguments": "{}"}}]
    with Engine.open(trips) as engine:
        engine.register("busy")
        engine.ingest("busy", "hello", input_id="in-1")
        engine.record_turn("busy", [{"role": "assistant", "tool_calls": made}])
    (found,) = perdure("inputs", "busy", "--json", db=trips).document
    assert (found["id"], found["state"]) == ("in-1", "queued")
    assert "in-1  queued  queue" in perdure("inputs", "busy", db=trips).out
    (call,) = perdure("calls", "busy", "--json", db=trips).document
    assert (call["id"], call["name"], call["status"]) == ("c-1", "look", "intended")
    assert "c-1  look  intended" in perdure("calls", "busy", db=trips).out
    assert perdure("inputs", "empty", db=trips).out == "no inputs\n"
    assert perdure("calls", "empty", "--json", db=trips).document == []


def test_a_fork_is_made_and_every_command_knows_it(trips: str) -> None:
    whole = perdure("history", "trip", "--json", db=trips).document["messages"]
    made = perdure("fork", "trip", "--at-message", "3", "--id", "trip-b", "--json", db=trips)
    assert made.document["message_count"] == 3
    assert perdure("fork", "trip", "--at-message", "3", "--id", "trip-b", db=trips).out == (
        "trip-b\n"
    )
    page = perdure("history", "trip-b", "--offset", "1", "--json", db=trips).document
    assert page["messages"] == whole[1:3]
    shown = perdure("show", "trip-b", "--json", db=trips).document
    assert shown["origin"]["session_id"] == "trip"
    assert '"tag":"session-forked"' in perdure("log", "trip-b", db=trips).out
    assert perdure("audit", db=trips).code == 0
    assert perdure("fork", "trip", "--at-message", "99", db=trips).code == 1
    both = perdure("fork", "trip", "--at-message", "1", "--at-version", "1", db=trips)
    assert both.code == 2
    assert "not both" in both.err


@pytest.mark.parametrize(
    "command", ["show", "history", "log", "receipts", "inputs", "calls", "fork", "head"]
)
def test_an_unknown_session_is_an_error(trips: str, command: str) -> None:
    text = perdure(command, "nobody", db=trips)
    assert text == Ran(1, "", "perdure: no session 'nobody' [SESSION_NOT_FOUND]\n")
    ran = perdure(command, "nobody", "--json", db=trips)
    assert (ran.code, ran.err) == (1, "")
    assert ran.document == {
        "error": {
            "code": "SESSION_NOT_FOUND",
            "message": "no session 'nobody'",
            "data": {"session_id": "nobody"},
        }
    }


@pytest.mark.parametrize("command", ASKING)
def test_asking_never_makes_a_database(tmp_path: Path, command: str) -> None:
    path = tmp_path / "nothing.db"
    ran = perdure(command, *ASKING[command], db=f"sqlite:///{path}")
    assert ran == Ran(1, "", f"perdure: there is no database at {path} [STORE_ERROR]\n")
    assert not path.exists()
    assert perdure(command, *ASKING[command], db="memory:").code == 2


@pytest.mark.parametrize("command", [one for one in ASKING if one not in ("ls", "fork")])
def test_looking_at_evidence_changes_no_byte_of_it(trips: str, command: str) -> None:
    path = Path(trips.removeprefix("sqlite:///"))
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE catalog_labels")  # opened for writing, it would be made anew
    connection.close()
    before = path.read_bytes()
    assert perdure(command, *ASKING[command], db=trips).code == 0
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_is_listed_without_writing(
    trips: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(trips.removeprefix("sqlite:///"))
    before = path.read_bytes()
    monkeypatch.setattr("perdure.store.sqlite.store.os.access", lambda *_: False)
    listed = perdure("ls", db=trips)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert perdure("ls", db=trips) == listed
    assert path.read_bytes() != before  # the catalog was kept, as it is where it can be


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("ls", "--nonsense"),
        ("ls", "--limit", "-1"),
        ("ls", "--limit", "many"),
        ("ls", "--label", "no-equals-sign"),
        ("history", "trip", "--offset", "-1"),
        ("show",),
        ("import",),
        ("audit", "--jobs", "0"),
        ("audit", "--head", "no-such-file"),
        ("audit", "--head", "."),
        ("audit", "--head", "no-such-file" * 1000),
    ],
)
def test_a_wrong_use_exits_with_2(trips: str, arguments: tuple[str, ...]) -> None:
    ran = perdure(*arguments, db=trips)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: ")


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("audit", "--head", "-"), "these are no heads"),
        (("audit", "--head", "-"), "[1]"),
        (("show", ""), ""),
        (("fork", "trip", "--id", "a\nb"), ""),
        (("history", "trip", "--offset", str(2**63)), ""),
        (("history", "trip", "--limit", str(2**63)), ""),
        (("ls", "--limit", str(2**63)), ""),
        (("ls", "--after", ""), ""),
    ],
)
def test_a_wrong_use_that_is_only_seen_inside_exits_with_2_too(
    trips: str, arguments: tuple[str, ...], stdin: str
) -> None:
    ran = perdure(*arguments, db=trips, stdin=stdin)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    ran = perdure(*arguments, "--json", db=trips, stdin=stdin)
    assert (ran.code, ran.document["error"]["code"]) == (2, "INVALID_ARGUMENT")


def test_heads_may_come_out_of_a_pipe(trips: str) -> None:
    heads = perdure("head", "--json", db=trips).out.encode()
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "wb") as pipe:
        pipe.write(heads)
        pipe.close()
        ran = perdure("audit", "--head", f"/dev/fd/{reading}", db=trips)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(
    ("url", "code"),
    [("perdure.db", 2), ("sqlite:///", 2), ("nonsense:", 2), ("postgresql://host/db", 1)],
)
def test_an_unusable_url_is_an_error_in_a_sentence(url: str, code: int) -> None:
    ran = perdure("ls", db=url)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("perdure: ")
    assert ran.err.count("\n") == 1


def test_an_unknown_phase_is_a_usage_error(trips: str) -> None:
    ran = perdure("ls", "--phase", "bogus", db=trips)
    assert ran.code == 2
    assert "archived" in ran.err


def test_a_damaged_session_is_marked_and_the_heads_of_the_others_are_there(
    sqlite_url: str,
) -> None:
    """The head also where the damage is in the middle."""
    with Engine.open(sqlite_url) as engine:
        for name in ("a", "b", "c"):
            engine.register(name)
            engine.record_turn(name, [{"role": "user", "content": "x"}])
            engine.record_turn(name, [{"role": "user", "content": "y"}])
    with contextlib.closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.execute(
            "UPDATE stored_events SET state = x'00' WHERE originator_id = 'b'"
            " AND originator_version = 2"
        )
        connection.commit()
    assert "idle (damaged at 2)" in perdure("ls", db=sqlite_url).out
    listed = perdure("ls", "--json", db=sqlite_url).document
    assert [(one["damaged_at"], one["version"]) for one in listed] == [(None, 3), (2, 1), (None, 3)]
    ran = perdure("head", "--json", db=sqlite_url)
    assert (ran.code, [one["session_id"] for one in ran.document]) == (1, ["a", "c"])
    assert "LOG_CORRUPT" in ran.err
    ran = perdure("head", "b", db=sqlite_url)
    assert (ran.code, ran.out, "LOG_CORRUPT" in ran.err) == (1, "", True)
    for command in (("head", "a", "b"), ("log", "b")):
        ran = perdure(*command, "--json", db=sqlite_url)
        assert (ran.code, ran.document["error"]["code"]) == (1, "LOG_CORRUPT")  # and no half of it


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello, I am a text file and nothing else" * 9)
    for command, arguments in [*ASKING.items(), ("demo", ())]:
        ran = perdure(command, *arguments, "--json", db=f"sqlite:///{tmp_path / 'text.db'}")
        assert (ran.code, ran.document["error"]["code"]) == (1, "STORE_ERROR")


def test_the_database_may_come_from_the_environment(trips: str) -> None:
    ran = CliRunner().invoke(application(), ["ls", "--json"], env={"PERDURE_DB": trips})
    assert len(json.loads(ran.stdout)) == 2


def test_the_unexpected_is_one_line_that_asks_to_report_it(
    trips: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("perdure.cli.commands.read.session_document", broken)
    ran = perdure("ls", db=trips)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "please report it" in ran.err
    assert perdure("ls", "--json", db=trips).document["error"]["code"] == "INTERNAL_ERROR"
    monkeypatch.setenv("PERDURE_DEBUG", "1")
    assert "Traceback" in perdure("ls", db=trips).err
