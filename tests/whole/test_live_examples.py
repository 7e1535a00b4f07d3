"""The runnable examples, run as whoever reads them would: as processes, interrupted and killed."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("examples", reason="no examples beside these tests")

from perdure import OpenCall
from perdure.sync import Engine
from tests.support.thorough import few_of

ROOT = Path(__file__).resolve().parents[2]
SLOW = ("--pause", "0.05")
FAST = ("--pause", "0")


class Program:
    """An example that runs, in a folder of its own, with pipes for a terminal."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples" / name), *arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        self.said = ""
        self._more = threading.Condition()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while piece := self.process.stdout.read(4096):
            with self._more:
                self.said += piece.decode()
                self._more.notify_all()

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    def wait_for(self, text: str, times: int = 1) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self.said.count(text) >= times, 30), self.said

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Let it end, with nothing more to type, and return its exit code."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        code = self.process.wait(30)
        self._reading.join(30)
        return code


class Programs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Program] = []

    def start(self, name: str, *arguments: str) -> Program:
        self._started.append(Program(self.folder, name, *arguments))
        return self._started[-1]

    def run(self, name: str, *arguments: str) -> str:
        """Run one to its end, which must be a good one, and return what it said."""
        program = self.start(name, *arguments)
        code = program.ended()
        assert code == 0, program.said
        return program.said

    def stop(self) -> None:
        for program in self._started:
            program.process.kill()
            program.process.wait(30)
            for pipe in (program.process.stdin, program.process.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    started = Programs(tmp_path)
    try:
        yield started
    finally:
        started.stop()


def log(folder: Path, db: str, session_id: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the session's messages and its events' tags, once the log is found to be sound."""
    with Engine.open(f"sqlite:///{folder / db}", readonly=True) as engine:
        report = engine.audit()
        assert report.ok, report.findings
        messages = engine.history(session_id).messages
        text = json.dumps(messages, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        assert engine.read(session_id).conversation_digest == digest
        rows = engine._engine._core.store.recorder.select_rows(session_id)
        return messages, [row.topic for row in rows]


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages]


def answer(text: str, number: int, first: str) -> str:
    return f"You said {text!r}, message {number} of yours; the first was {first!r}."


# The chat


def test_the_chat_streams_and_goes_on_where_it_was_left(programs: Programs) -> None:
    chat = programs.start("chat.py", *SLOW)
    chat.wait_for("you: ")
    chat.type("hello")
    chat.wait_for("You said ")
    assert "the first was" not in chat.said  # it comes word by word
    chat.wait_for("you: ", times=2)
    assert chat.ended() == 0
    chat = programs.start("chat.py", *FAST)
    chat.wait_for("Going on after 2 messages.")
    chat.type("again")
    chat.wait_for(answer("again", 2, "hello"))
    assert chat.ended() == 0
    messages, tags = log(programs.folder, "chat.db", "chat")
    assert said(messages) == [
        ("user", "hello"),
        ("assistant", answer("hello", 1, "hello")),
        ("user", "again"),
        ("assistant", answer("again", 2, "hello")),
    ]
    assert tags.count("run-completed") == 2


def test_ctrl_c_interrupts_the_answer_and_at_the_prompt_the_chat(programs: Programs) -> None:
    chat = programs.start("chat.py", "--pause", "0.2")
    chat.wait_for("you: ")
    chat.type("hello")
    chat.wait_for("You said ")
    chat.signal(signal.SIGINT)
    chat.wait_for("(interrupted)")
    chat.wait_for("you: ", times=2)
    chat.type("go on")
    chat.wait_for("you: ", times=3)
    time.sleep(0.5)  # from the prompt to the read behind it, where Python notices no signal
    chat.signal(signal.SIGINT)
    assert chat.process.wait(30) == 0  # of the signal: there is more to type
    assert "Traceback" not in chat.said
    messages, tags = log(programs.folder, "chat.db", "chat")
    (_, asked), (role, partial), *rest = said(messages)
    assert (asked, role) == ("hello", "assistant")
    assert partial.startswith("You said ")
    assert partial.endswith("…")
    assert rest == [("user", "go on"), ("assistant", answer("go on", 2, "hello"))]
    assert (tags.count("run-cancelled"), tags.count("run-completed")) == (1, 1)


def test_killed_in_the_middle_of_an_answer_the_chat_says_what_was_in_flight_and_answers_it(
    programs: Programs,
) -> None:
    chat = programs.start("chat.py", "--pause", "0.2")
    chat.wait_for("you: ")
    chat.type("hello")
    chat.wait_for("You said ")
    chat.signal(signal.SIGKILL)
    chat.ended()
    messages, tags = log(programs.folder, "chat.db", "chat")
    assert said(messages) == [("user", "hello")]
    assert tags[-1] == "boundary-applied"
    chat = programs.start("chat.py", *FAST)
    chat.wait_for("This was in flight when the program ended: hello")
    chat.wait_for(answer("hello", 1, "hello"))
    chat.wait_for("you: ")
    chat.type("thanks")
    chat.wait_for("you: ", times=2)
    assert chat.ended() == 0
    messages, tags = log(programs.folder, "chat.db", "chat")
    assert said(messages) == [
        ("user", "hello"),
        ("assistant", answer("hello", 1, "hello")),
        ("user", "thanks"),
        ("assistant", answer("thanks", 2, "hello")),
    ]
    assert (tags.count("run-interrupted"), tags.count("run-completed")) == (1, 2)


def test_a_chat_that_is_open_elsewhere_is_busy_only_while_it_answers(programs: Programs) -> None:
    chat = programs.start("chat.py", "--pause", "0.5")
    chat.wait_for("you: ")
    chat.type("hello")
    chat.wait_for("You said ")
    other = programs.start("chat.py", *FAST)
    assert other.ended() == 1
    other.wait_for("session 'chat' is busy: run ")
    assert "Traceback" not in other.said


# The session that is kept alive


def running(folder: Path) -> bool:
    with Engine.open(f"sqlite:///{folder / 'keep_alive.db'}", readonly=True) as engine:
        return engine.read("inbox").phase == "running"


def until_running(folder: Path) -> None:
    for _ in range(600):
        if running(folder):
            return
        time.sleep(0.05)
    raise AssertionError("no turn began")


def sent(programs: Programs, *texts: str) -> None:
    for text in texts:
        assert programs.run("keep_alive.py", "send", text).startswith("accepted ")


def test_a_worker_answers_what_other_processes_send_and_stops_once_its_turn_has_ended(
    programs: Programs,
) -> None:
    sent(programs, "before")
    worker = programs.start("keep_alive.py", "serve", "--seconds", "0")
    worker.wait_for("Answered 1; that makes 2 messages.")
    sent(programs, "during")
    worker.wait_for("Answered 1; that makes 4 messages.")
    worker.signal(signal.SIGINT)
    assert worker.ended() == 0
    sent(programs, "meanwhile")
    worker = programs.start("keep_alive.py", "serve", "--seconds", "1")
    until_running(programs.folder)
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0
    assert worker.said.splitlines() == [
        "Working; Ctrl-C stops.",
        "Stopping.",
        "Answered 1; that makes 6 messages.",
        "Stopped.",
    ]
    messages, tags = log(programs.folder, "keep_alive.db", "inbox")
    asked, answered = said(messages)[::2], said(messages)[1::2]
    assert [text for _, text in asked] == ["before", "during", "meanwhile"]
    assert answered == [("assistant", f"You sent {text}.") for _, text in asked]
    assert tags.count("run-completed") == 3
    shown = programs.run("keep_alive.py", "show").splitlines()
    assert shown == ["consumed  before", "consumed  during", "consumed  meanwhile"]


@pytest.mark.parametrize("number", few_of([signal.SIGKILL, signal.SIGTERM], [signal.SIGKILL]))
def test_what_a_worker_had_taken_when_it_was_stopped_by_force_is_answered_by_the_next(
    programs: Programs, number: signal.Signals
) -> None:
    worker = programs.start("keep_alive.py", "serve", "--seconds", "60", "--grace", "0.1")
    worker.wait_for("Working")
    sent(programs, "one")
    until_running(programs.folder)
    sent(programs, "two")
    worker.signal(number)
    assert worker.ended() == (-9 if number == signal.SIGKILL else 0)
    if number == signal.SIGTERM:
        shown = programs.run("keep_alive.py", "show").splitlines()
        assert shown == ["queued    one", "queued    two"]
    worker = programs.start("keep_alive.py", "serve", "--seconds", "0")
    worker.wait_for("Answered 2; that makes 3 messages.")
    worker.signal(signal.SIGTERM)
    assert worker.ended() == 0
    messages, tags = log(programs.folder, "keep_alive.db", "inbox")
    assert said(messages) == [
        ("user", "one"),
        ("user", "two"),
        ("assistant", "You sent one, two."),
    ]
    ended = "run-interrupted" if number == signal.SIGKILL else "run-cancelled"
    assert (tags.count(ended), tags.count("run-completed")) == (1, 1)


def test_what_is_sent_twice_under_one_key_is_answered_once(programs: Programs) -> None:
    for status in ("accepted", "duplicate"):
        ran = programs.run("keep_alive.py", "send", "hello", "--key", "k")
        assert ran.startswith(status)
    assert programs.run("keep_alive.py", "show") == "queued    hello\n"


# The call that needs a human


def approval(programs: Programs, *arguments: str) -> list[str]:
    return programs.run("human_approval.py", *arguments).splitlines()


def calls(folder: Path) -> list[OpenCall]:
    with Engine.open(f"sqlite:///{folder / 'human_approval.db'}", readonly=True) as engine:
        return engine.open_calls("refunds")


def refunds(folder: Path) -> list[str]:
    path = folder / "refunds.txt"
    return path.read_text("utf-8").splitlines() if path.exists() else []


ASKED = 'waits: ask_human {"question": "Refund order 7: may I?"}; --approve or --deny'


def test_a_call_that_waits_for_a_human_is_answered_after_a_restart(programs: Programs) -> None:
    assert approval(programs) == ["Nothing waits."]
    assert approval(programs, "--ask", "Refund order 7") == [ASKED]
    (waiting,) = calls(programs.folder)
    assert (waiting.name, waiting.status) == ("ask_human", "intended")
    assert approval(programs) == [ASKED]
    assert approval(programs, "--ask", "Refund order 8") == ["First things first.", ASKED]
    assert refunds(programs.folder) == []
    assert approval(programs, "--approve") == ["agent: The money is on its way.", "Nothing waits."]
    messages, tags = log(programs.folder, "human_approval.db", "refunds")
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool"),
        *("assistant", "tool", "assistant"),
    ]
    assert messages[2] == {"role": "tool", "tool_call_id": waiting.id, "content": "approved"}
    assert refunds(programs.folder) == [messages[3]["tool_calls"][0]["id"]]
    assert (tags.count("tool-results-staged"), tags.count("run-completed")) == (1, 2)


def test_a_call_that_is_denied_does_nothing(programs: Programs) -> None:
    approval(programs, "--ask", "Refund order 7")
    assert approval(programs, "--deny") == ["agent: I was told: denied.", "Nothing waits."]
    assert refunds(programs.folder) == []
    log(programs.folder, "human_approval.db", "refunds")


TOLD = {
    "--happened": "agent: I was told: refunded.",
    "--did-not-happen": "agent: I was told: not refunded: the program ended before.",
    "--give-up": None,
}


@pytest.mark.parametrize("resolution", few_of(TOLD, ["--happened"]))
def test_killed_between_the_intent_and_the_result_the_call_is_unknown_until_somebody_decides(
    programs: Programs, resolution: str
) -> None:
    told = TOLD[resolution]
    approval(programs, "--ask", "Refund order 7")
    going = programs.start("human_approval.py", "--approve", "--seconds", "60")
    for _ in range(600):
        if any(call.name == "refund" for call in calls(programs.folder)):
            break
        time.sleep(0.05)
    going.signal(signal.SIGKILL)
    going.ended()
    messages, _ = log(programs.folder, "human_approval.db", "refunds")
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    (call,) = calls(programs.folder)
    assert call.id == messages[3]["tool_calls"][0]["id"]

    unknown = "unknown: refund {}; look, then --happened, --did-not-happen or --give-up"
    assert approval(programs) == [unknown]
    refused = programs.start("human_approval.py", "--ask", "Go on")
    assert refused.ended() == 1
    assert f"without a result: {call.id} (unknown);" in refused.said
    assert refunds(programs.folder) == []

    expected = ["Nothing waits."] if told is None else [told, "Nothing waits."]
    assert approval(programs, resolution) == expected
    messages, tags = log(programs.folder, "human_approval.db", "refunds")
    results = [one["content"] for one in messages if one.get("tool_call_id") == call.id]
    assert len(results) == (told is not None)
    assert tags.count("call-abandoned") == (told is None)
    assert tags.count("run-interrupted") == 1
    assert approval(programs, "--ask", "Refund order 9")[-1].startswith("waits: ask_human")
