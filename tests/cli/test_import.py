"""Importing transcripts: lines taken, lines refused, and none taken twice."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure import Engine, StoreError, sync
from perdure.cli.importer import sources
from perdure.cli.importer.record import RecordedTranscript, record
from perdure.cli.importer.transcripts import Transcript, read_line
from tests.support.command import Ran, import_, line, perdure
from tests.support.messages import says, user


def logs(db: str) -> dict[str, str]:
    """Every session's raw events."""
    names = [one["session_id"] for one in perdure("ls", "--json", db=db).document]
    return {name: perdure("log", name, db=db).out for name in names}


def refusals(ran: Ran) -> list[tuple[int, str, str]]:
    return [(one["line"], one["code"], one["message"]) for one in ran.document["refused"]]


def test_a_turn_starts_at_each_user_message(sqlite_url: str) -> None:
    system = {"role": "system", "content": "be brief"}
    messages = [system, says("hello"), user("a"), says("b"), user("c"), user("d")]
    ran = import_(sqlite_url, line("s", *messages))
    assert (ran.code, ran.err) == (0, "")
    counts = {name: ran.document[name] for name in ("imported", "turns", "messages", "events")}
    assert counts == {"imported": 1, "turns": 3, "messages": 6, "events": 4}
    receipts = perdure("receipts", "s", "--json", db=sqlite_url).document
    assert [one["message_count"] for one in receipts] == [4, 5, 6]
    assert perdure("history", "s", "--json", db=sqlite_url).document["messages"] == messages


def test_a_conversation_without_a_user_message_is_one_turn(sqlite_url: str) -> None:
    assert import_(sqlite_url, line("s", says("a"), says("b"))).document["turns"] == 1


def test_run_ids_are_a_function_of_session_turn_and_conversation(sqlite_url: str) -> None:
    import_(sqlite_url, line("s", user("a"), user("é")), line("t", user("a")))
    found = {}
    for name in ("s", "t"):
        for one in perdure("receipts", name, "--json", db=sqlite_url).document:
            found[name, one["message_count"]] = (one["run_id"], one["conversation_digest"])
    for (name, count), (run_id, digest) in found.items():
        parts = json.dumps([name, count - 1, digest], separators=(",", ":"))
        assert run_id == hashlib.sha256(parts.encode()).hexdigest()
    assert found["s", 1][1] == found["t", 1][1]
    assert len({run_id for run_id, _ in found.values()}) == 3


@pytest.mark.parametrize("archive", [False, True])
def test_a_second_import_appends_nothing(sqlite_url: str, archive: bool) -> None:
    lines = [
        line("s", user("olá 🌍"), says("b"), user("c"), topic=["x", 1.5]),
        line(None, user("a")),
    ]
    assert import_(sqlite_url, *lines, archive=archive).document["imported"] == 2
    before = logs(sqlite_url)
    again = import_(sqlite_url, *lines, archive=archive)
    assert (again.code, again.document["unchanged"], again.document["events"]) == (0, 2, 0)
    assert logs(sqlite_url) == before
    text = perdure("import", "-", db=sqlite_url, stdin="".join(lines))
    assert text.out == (
        "sessions: 0 imported, 0 extended, 2 unchanged; appended: 0 turns, 0 messages, 0 events\n"
    )


def test_an_archive_of_what_was_imported_live_only_archives(sqlite_url: str) -> None:
    import_(sqlite_url, line("s", user("a")))
    ran = import_(sqlite_url, line("s", user("a")), archive=True).document
    assert (ran["extended"], ran["turns"], ran["events"]) == (1, 0, 2)
    assert perdure("show", "s", "--json", db=sqlite_url).document["phase"] == "archived"


def test_a_line_without_an_id_gets_one_from_its_content(sqlite_url: str) -> None:
    ran = import_(
        sqlite_url,
        line(None, user("a")),
        line(None, user("a")),
        line(None, user("b")),
        line(None, user("a"), topic="other"),
        '{"id": null, "messages": [{"content": "a", "role": "user"}]}\n',
    )
    assert (ran.document["imported"], ran.document["unchanged"]) == (4, 1)
    ids = [one["session_id"] for one in ran.document["lines"]]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert all(len(one) == 64 for one in ids)


def test_other_keys_become_metadata(sqlite_url: str) -> None:
    import_(
        sqlite_url, line("s", user("a"), title="京都", labels={"a": "b"}, scores=[1, 2.5, None])
    )
    shown = perdure("show", "s", "--json", db=sqlite_url).document
    assert shown["metadata"] == {"title": "京都", "labels": {"a": "b"}, "scores": [1, 2.5, None]}
    other = import_(sqlite_url, line("s", user("a"), title="奈良"))
    assert [code for _, code, _ in refusals(other)] == ["CONFLICT"]


def test_only_the_rest_of_a_known_conversation_is_appended(sqlite_url: str) -> None:
    whole = [user("a"), says("b"), user("c"), says("d"), user("e")]
    import_(sqlite_url, line("s", *whole[:2]))
    ran = import_(sqlite_url, line("s", *whole))
    assert (ran.document["extended"], ran.document["turns"], ran.document["messages"]) == (1, 2, 3)
    import_(sqlite_url, line("t", *whole))
    digests = {
        one["conversation_digest"] for one in perdure("ls", "--json", db=sqlite_url).document
    }
    assert len(digests) == 1


def test_lines_of_one_session_are_taken_in_their_order(sqlite_url: str) -> None:
    whole = [user(str(n)) for n in range(40)]
    ran = import_(sqlite_url, *(line("s", *whole[: n + 1]) for n in range(40)))
    assert ran.code == 0
    assert (ran.document["imported"], ran.document["extended"]) == (1, 39)
    assert perdure("history", "s", "--json", db=sqlite_url).document["messages"] == whole


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([user("other"), says("b"), user("c")], id="other content"),
        pytest.param([user("a")], id="less than recorded"),
        pytest.param([user("a"), says("b"), says("more"), user("c")], id="inside a turn"),
    ],
)
def test_another_conversation_of_the_same_session_is_refused(
    sqlite_url: str, messages: list[dict[str, Any]]
) -> None:
    import_(sqlite_url, line("s", user("a"), says("b")))
    before = logs(sqlite_url)
    ran = import_(sqlite_url, line("s", *messages), line("t", user("x")))
    assert ran.code == 1
    assert ran.document["imported"] == 1
    [(number, code, reason)] = refusals(ran)
    assert (number, code) == (1, "CONFLICT")
    assert "not the beginning" in reason
    assert logs(sqlite_url)["s"] == before["s"]


def test_context_that_waits_for_the_next_turn_is_in_the_way(sqlite_url: str) -> None:
    with sync.Engine.open(sqlite_url) as engine:
        engine.register("s")
        engine.stage_context("s", "the shop is closed")
    assert [code for _, code, _ in refusals(import_(sqlite_url, line("s", user("a"))))] == [
        "CONFLICT"
    ]


def test_an_archived_session_takes_no_more_turns(sqlite_url: str) -> None:
    import_(sqlite_url, line("s", user("a")), archive=True)
    before = logs(sqlite_url)
    ran = import_(sqlite_url, line("s", user("a"), user("b")), archive=True)
    assert ran.code == 1
    [(_, code, reason)] = refusals(ran)
    assert code == "ILLEGAL_TRANSITION"
    assert "archived" in reason
    assert logs(sqlite_url) == before


BAD_LINES = [
    (b'{"id":"s","messages":[', "INVALID_MESSAGE", "line is not JSON: Expecting value"),
    (b'{"id":"s","messages":[{"role":"user","content":"\xff"}]}', "INVALID_MESSAGE", "not UTF-8"),
    (b'{"messages":[{"role":"user","x":[1,NaN]}]}', "INVALID_MESSAGE", "messages[0].x[1] is nan"),
    (b'{"messages":[{"role":"user"},{"y":-Infinity}]}', "INVALID_MESSAGE", "messages[1].y is -inf"),
    (b'{"messages":[{"role":"user","y":1e999}]}', "INVALID_MESSAGE", "messages[0].y is inf"),
    (b'{"messages":[{"content":"\\ud800"}]}', "INVALID_MESSAGE", "messages[0].content has a lone"),
    (b'{"messages":[{"a":1}],"score":NaN}', "INVALID_MESSAGE", "line.score is nan"),
    (b"[1,2]", "INVALID_MESSAGE", "line must be a JSON object"),
    (b"null", "INVALID_MESSAGE", "line must be a JSON object"),
    (b'{"id":"s"}', "INVALID_MESSAGE", "messages is missing"),
    (b'{"messages":{"role":"user"}}', "INVALID_MESSAGE", "messages must be a list"),
    (b'{"messages":[]}', "INVALID_MESSAGE", "messages is empty"),
    (b'{"messages":["hello"]}', "INVALID_MESSAGE", "messages[0] must be an object"),
    (b'{"messages":[{"role":"user","role":"tool"}]}', "INVALID_MESSAGE", "the key 'role' twice"),
    (b'{"id":7,"messages":[{"a":1}]}', "INVALID_ARGUMENT", "id must be text"),
    (b'{"id":"","messages":[{"a":1}]}', "INVALID_ARGUMENT", "id is empty"),
    (b'{"id":"a\\nb","messages":[{"a":1}]}', "INVALID_ARGUMENT", "id has an unprintable"),
    (b"[" * 100_000, "INVALID_MESSAGE", "nested too deeply"),
    (b'{"messages":[{"a":' + b"[" * 300 + b"]" * 300 + b"}]}", "INVALID_MESSAGE", "200 levels"),
    (b'{"messages":[{"a":' + b"1" * 5000 + b"}]}", "INVALID_MESSAGE", "limit (4300 digits)"),
]


def test_every_bad_line_is_refused_by_number_and_reason_and_stops_no_other(sqlite_url: str) -> None:
    good = line("good", user("a")).encode()
    ran = import_(sqlite_url, *(bad + b"\n" for bad, _, _ in BAD_LINES), good)
    assert ran.code == 1
    found = refusals(ran)
    assert [number for number, _, _ in found] == list(range(1, len(BAD_LINES) + 1))
    for (_, code, reason), (_, expected, words) in zip(found, BAD_LINES, strict=True):
        assert code == expected
        assert words in reason
    assert list(logs(sqlite_url)) == ["good"]


def test_a_refusal_in_text_names_the_file_and_the_line(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "some lines.jsonl"
    path.write_text(f"{line('s', user('a'))}\nnot json\n")
    ran = perdure("import", str(path), db=sqlite_url)
    assert ran.code == 1
    assert ran.err == (
        f"perdure: {path}:3: line is not JSON: Expecting value at character 1 [INVALID_MESSAGE]\n"
    )
    assert ran.out.startswith("sessions: 1 imported, 0 extended, 0 unchanged, 1 refused;")


def test_marks_empty_lines_and_foreign_line_ends_mean_nothing(sqlite_url: str) -> None:
    data = ("\ufeff" + line("s", user("a")) + "\n  \n" + line("t", user("b")).strip()).encode()
    ran = import_(sqlite_url, data.replace(b"\n", b"\r\n"))
    assert (ran.code, ran.document["imported"]) == (0, 2)
    before = logs(sqlite_url)
    assert import_(sqlite_url, line("s", user("a"))).document["unchanged"] == 1
    assert logs(sqlite_url) == before
    assert import_(sqlite_url, b"").document["lines"] == []


def test_a_line_of_twenty_megabytes_is_taken(sqlite_url: str) -> None:
    text = "á" * 10_000_000
    assert import_(sqlite_url, line("big", user(text), says("ok"))).code == 0
    assert import_(sqlite_url, line("big", user(text), says("ok"))).document["unchanged"] == 1


def test_a_line_too_long_for_memory_is_read_past_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(sources, "_CHUNK", 7)
    path = tmp_path / "lines"
    read: list[int] = []
    for length in (99, 100, 105, 106, 107, 113, 1000):
        for end in (b"", b"\n", b"\nnext\n"):
            path.write_bytes(b"first\n" + b"x" * length + end)
            read.clear()
            first, second, *others = sources.lines_of([str(path)], read.append)
            assert isinstance(first, sources.Line)
            if length + len(end[:1]) > 100:
                assert second == sources.Refused(
                    file=str(path),
                    line=2,
                    code="INVALID_ARGUMENT",
                    message="is longer than 100 bytes",
                )
            else:
                assert isinstance(second, sources.Line)
            following = [sources.Line(file=str(path), line=3, data=end[1:])]
            assert others == following[: len(end[1:])]
            assert sum(read) == path.stat().st_size


def test_a_file_that_cannot_be_read_is_refused_and_stops_no_other(
    sqlite_url: str, tmp_path: Path
) -> None:
    good = tmp_path / "good.jsonl"
    good.write_text(line("s", user("a")))
    missing, folder = str(tmp_path / "missing.jsonl"), str(tmp_path)
    ran = perdure("import", missing, folder, str(good), "--json", db=sqlite_url)
    assert ran.code == 1
    assert ran.document["imported"] == 1
    assert [(one["file"], one["message"]) for one in ran.document["refused"]] == [
        (missing, "cannot be read: No such file or directory"),
        (folder, "cannot be read: Is a directory"),
    ]
    text = perdure("import", missing, db=sqlite_url)
    assert text.err.startswith(f"perdure: {missing}: cannot be read")


def test_a_database_that_fails_ends_the_import(tmp_path: Path) -> None:
    ran = import_(f"sqlite:///{tmp_path / 'no-such-folder' / 'x.db'}", line("s", user("a")))
    assert (ran.code, ran.document["error"]["code"]) == (1, "STORE_ERROR")


def test_a_database_that_fails_meanwhile_ends_the_import(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(engine: Engine, transcript: Transcript, **options: Any) -> RecordedTranscript:
        if transcript.session_id == "second":
            raise StoreError("the disk is full; nothing was written")
        return await record(engine, transcript, **options)

    monkeypatch.setattr("perdure.cli.importer.intake.record", failing)
    ran = import_(sqlite_url, *(line(name, user("a")) for name in ("first", "second", "third")))
    assert (ran.code, ran.document["error"]["code"]) == (1, "STORE_ERROR")
    assert "first" in logs(sqlite_url)


def test_memory_takes_an_import() -> None:
    assert import_("memory:", line("s", user("a"))).document["imported"] == 1


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
roles = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"])})
any_message = st.builds(
    lambda role, rest: {**rest, **role},
    roles,
    st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=3),
)


@given(st.lists(any_message, min_size=1, max_size=12))
def test_the_turns_of_a_line_are_its_messages_and_digests(messages: list[dict[str, Any]]) -> None:
    transcript = read_line(json.dumps({"messages": messages}).encode())
    assert transcript is not None
    assert [one for turn in transcript.turns for one in turn.messages] == messages
    assert all(one["role"] == "user" for one in (t.messages[0] for t in transcript.turns[1:]))
    users = sum(message["role"] == "user" for message in messages)
    assert len(transcript.turns) == max(1, users)
    for turn in transcript.turns:
        raw = msgspec.json.encode(messages[: turn.message_count])
        assert turn.conversation_digest == hashlib.sha256(raw).hexdigest()
    assert read_line(json.dumps({"messages": messages}).encode()) == transcript


def test_a_transcript_with_a_call_left_open_is_imported_whole(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path}/log.db"
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "user", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    path = tmp_path / "open.jsonl"
    path.write_text(json.dumps({"id": "s", "messages": messages}), "utf-8")
    assert perdure("import", str(path), db=db).code == 0
    assert [one["id"] for one in perdure("calls", "s", "--json", db=db).document] == ["c"]
    assert perdure("audit", db=db).code == 0
