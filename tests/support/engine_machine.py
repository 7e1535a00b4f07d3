"""The real engine as a system under a generated test: rules, and a model in plain Python.

The model knows the conversation as a list of dicts and computes digests with json and hashlib. The
log is read row by row with the json module and its phases with an authority of its own, so that
the model shares as little code as possible with the engine.
"""

import asyncio
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from perdure import (
    ApplyOutput,
    Conflict,
    Engine,
    ReceiptNotFound,
    SessionNotFound,
)
from perdure.aggregates.session.lifecycle import steps
from perdure.machines import SESSION, Authority, Configuration
from perdure.runtime.turn.agent import AgentFailure, TurnResult
from perdure.store import Mapper
from perdure.testing import (
    Alternatives,
    DeclaredOperation,
    MachineTest,
    machine_test,
    validate_trace,
)

SESSION_ID: Final = "the-session"
BOUNDARIES: Final = ("immediate", "run_start", "run_checkpoint")

DISTURBANCES: Final = (
    "crash",
    "close and reopen",
    "drop the live copy",
)
ENDINGS: Final = ("complete", "fail", "cancel", "stop")
READS: Final = ("now", "history", "receipts", "past")

LAW: Final = Authority(SESSION)

# Verbs that happen within turns, which the rules below ask for.
WITHIN_TURNS: Final = (
    "begin_run",
    "apply_boundary",
    "complete_run",
    "fail_run",
    "cancel_run",
    "cancel_after_boundary",
)

# Verbs that the engine has no method for, and why not.
NO_METHOD: Final = {
    "executor_exited": "no engine watches an executor of its own; a run left behind is recovered",
    "roll_back_run": "the engine does it by itself, where a turn had begun in vain",
}

# Verbs that the rules below never come to, and why not.
NOT_DRIVEN: Final = NO_METHOD | {
    "interrupt": "an engine records it of another engine's turn only, which takes two at once",
    "stage_tool_results": "no rule here makes a tool call yet",
}

# Verbs after which a session takes no turn until it is revived.
RARELY: Final = ("retire", "stop")

OPERATIONS: Final = {
    "archive": DeclaredOperation(
        asks=lambda: ((("archive", ()),), (("retire", ()), ("archive", ())))
    ),
    "drop_input": DeclaredOperation(asks=lambda: ((("drop_input", (1,)),),)),
}


def whole_turn(run_id: str, inputs: int) -> Alternatives:
    run = (run_id,)
    return ((("begin_run", (*run, inputs)), ("apply_boundary", (*run, 0)), ("complete_run", run)),)


def driven_turn(run_id: str, landed: int, ending: str) -> Alternatives:
    """Return the verbs of a turn that the engine drives: its boundaries, and then its end."""
    run = (run_id,)
    boundary = ("apply_boundary", (*run, 0))
    begun = ("begin_run", (*run, 0))
    match ending:
        case "complete":
            return ((begun, *[boundary] * (landed + 1), ("complete_run", run)),)
        case "fail":
            return ((begun, *[boundary] * landed, ("fail_run", run)),)
        case "stop":
            return ((begun, *[boundary] * landed, ("stop", ())),)
        case _:
            asked = ("cancel_after_boundary", ())
            return ((begun, *[boundary] * landed, asked, boundary, ("cancel_run", run)),)


async def no_agent_of_its_own(_turn: Any) -> None:
    """The agent that is attached; the rules put another in its place."""


def digest_of(messages: list[dict[str, Any]]) -> str:
    text = json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class System:
    """Engines on one database: one at work and, on a file, another beside it."""

    def __init__(self, *, durable: bool) -> None:
        self.durable: Final = durable
        self._directory: Final = TemporaryDirectory()
        self._path = Path(self._directory.name) / "0" / "sessions.db"
        self._path.parent.mkdir()
        self._engines: dict[int, Engine] = {}
        self.at = 0
        self.spoiled = False
        self.agent: Any = no_agent_of_its_own
        self.said: dict[str, str] = {}
        self.waiting: list[str] = []

    async def run_turn(self, turn: Any) -> Any:
        """Be the agent of every session, as the rule of the moment has it."""
        return await self.agent(turn)

    async def engine(self) -> Engine:
        if self.at not in self._engines:
            url = f"sqlite:///{self._path}" if self.durable else "memory:"
            self._engines[self.at] = await Engine.open(
                url, durability="normal", agents=lambda _: self
            )
        return self._engines[self.at]

    async def reopen(self) -> None:
        if self.at in self._engines:
            await self._engines.pop(self.at).close()

    async def crash(self) -> None:
        """Go on with copies of the files as they are, as after a kill: no engine was closed."""
        old = self._path.parent
        new = old.with_name(str(int(old.name) + 1))
        new.mkdir()
        for name in ("sessions.db", "sessions.db-wal"):
            if (old / name).exists():
                shutil.copyfile(old / name, new / name)
        self._path = new / "sessions.db"
        dead, self._engines = self._engines, {}
        for engine in dead.values():
            await engine.close()

    async def register(self) -> None:
        await (await self.engine()).register(SESSION_ID)

    async def attach(self) -> None:
        await (await self.engine()).attach(SESSION_ID, self)

    async def note(self) -> None:
        await (await self.engine()).publish(SESSION_ID, "news")

    async def detach(self) -> None:
        await (await self.engine()).detach(SESSION_ID)

    async def checkpoint(self) -> None:
        out = await (await self.engine()).checkpoint(SESSION_ID)
        rows = await self.rows()
        assert out.version == len(rows)
        assert (rows[-1]["tag"] == "session-checkpointed") or not out.changed

    async def retire(self) -> None:
        await (await self.engine()).retire(SESSION_ID)

    async def archive(self) -> None:
        await (await self.engine()).archive(SESSION_ID)

    async def accept_input(self) -> None:
        name = f"input-{len(self.said)}"
        out = await (await self.engine()).ingest(SESSION_ID, f"do {name}", input_id=name)
        assert (out.status, out.input_id) == ("accepted", name)
        self.said[name] = f"do {name}"
        self.waiting.append(name)

    async def drop_input(self) -> None:
        name = self.waiting[0] if self.waiting else "no input"
        await (await self.engine()).abandon_input(SESSION_ID, name)
        self.waiting.remove(name)

    async def stop(self) -> None:
        out = await (await self.engine()).control.stop(SESSION_ID)
        assert (out.requeued, out.abandoned) == ((), ())

    async def recover(self) -> None:
        out = await (await self.engine()).control.recover(SESSION_ID)
        assert (out.run_id, out.details) == (None, ())

    async def recycle(self) -> None:
        out = await (await self.engine()).control.recycle(SESSION_ID)
        assert list(out.transferred) == self.waiting

    async def reset(self) -> None:
        out = await (await self.engine()).control.reset(SESSION_ID)
        assert list(out.abandoned) == self.waiting
        self.waiting = []

    async def destroy(self) -> None:
        out = await (await self.engine()).control.destroy(SESSION_ID)
        assert list(out.abandoned) == self.waiting
        self.waiting = []

    async def states(self) -> list[bytes]:
        recorder = (await self.engine())._core.store.recorder
        return [bytes(row.state) for row in recorder.select_rows(SESSION_ID)]

    async def rows(self) -> list[dict[str, Any]]:
        return [json.loads(state) for state in await self.states()]

    async def observe(self) -> Configuration:
        """Where the log says that the session is, by the law and not by the engine's own fold."""
        events = [Mapper().decode(state) for state in await self.states()]
        trace = validate_trace(LAW, events, steps=steps)
        assert trace.ok, str(trace)
        return trace.configuration

    async def spoil_snapshot(self) -> None:
        """Change the snapshot, so that an engine that believes it goes wrong."""
        engine = await self.engine()
        await engine._core.writer.close()  # which waits for snapshots that are being kept
        derived = engine._core.store.derived
        kept = derived.snapshot(SESSION_ID)
        if kept is not None:
            changes = {"phase": "retired", "runs": {}, "keys": {}, "staged": []}
            snapshot = json.loads(kept[1]) | changes
            derived.put_snapshot(SESSION_ID, kept[0], json.dumps(snapshot).encode())
            self.spoiled = True
            for engine in self._engines.values():
                await engine.discard_live(SESSION_ID)  # so that the snapshot is looked at again

    async def close(self) -> None:
        try:
            report = await (await self.engine()).audit()
            found = [one for one in report.findings if one.kind != "snapshot" or not self.spoiled]
            assert found == [], found
        finally:
            for engine in self._engines.values():
                await engine.close()
            self._directory.cleanup()


texts = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=9
)
# Very large and very small numbers are left out: Python's json writes them in its own way.
numbers = st.integers(-9, 9) | st.integers(-99, 99).map(lambda n: n / 8)
values = texts | numbers | st.none() | st.booleans()
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": texts},
    optional={"zeta": values, "alpha": st.dictionaries(texts, values, max_size=2)},
)
turns = st.lists(messages, min_size=1, max_size=3)
run_ids = st.sampled_from([f"run-{n}" for n in range(5)])
keys = st.sampled_from(["key-1", "key-2"])
notes = st.sampled_from(["Ünïcödé ✓", "be brief", "today is Monday"])

WORK: Final[dict[str, dict[str, Any]]] = {
    "record_turn": {
        "run_id": run_ids,
        "said": turns,
        "boundary": st.sampled_from(BOUNDARIES),
        "take": st.booleans(),
    },
    "apply_turn": {
        "run_id": run_ids,
        "request": texts,
        "landed": st.lists(turns, max_size=2),
        "said": turns,
        "ending": st.sampled_from(ENDINGS),
    },
    "ask_append_context": {
        "text": notes,
        "key": st.none() | keys,
        "run_id": st.none() | run_ids,
    },
    "ask_stage_context": {"text": notes, "key": st.none() | keys},
}


class SessionRules(MachineTest):
    """The rules beyond the lifecycle: content, retries, receipts, reads, crashes, other writers."""

    def __init__(self) -> None:
        super().__init__()
        self.conversation: list[dict[str, Any]] = []
        self.staged: list[dict[str, Any]] = []
        self.receipts: list[dict[str, Any]] = []
        self.runs: dict[str, tuple[Any, dict[str, Any] | None]] = {}
        self.keys: dict[str, tuple[Any, dict[str, Any] | None]] = {}
        self.log: list[bytes] = []

    @initialize(at_once=st.integers(0, 9))
    def begin(self, at_once: int) -> None:
        """Begin with a session that exists, nearly always."""
        super().begin()
        if at_once:
            self.attempt("register", ((("register", ()),),), self.system.register)

    def on(self, verb: Callable[[Engine], Awaitable[Any]]) -> Any:
        """Return the answer of the engine at work."""

        async def asking() -> Any:
            return await verb(await self.system.engine())

        return self.settle(asking())

    # Turns and context

    @rule(what=st.lists(st.sampled_from(sorted(WORK)), min_size=1, max_size=3), data=st.data())
    def work(self, what: list[str], data: st.DataObject) -> None:
        """Several turns and contexts in a row, which single rules would bring too rarely."""
        for name in what:
            given = {argument: data.draw(drawn) for argument, drawn in WORK[name].items()}
            getattr(self, name)(**given)

    @rule(**WORK["record_turn"])
    def record_turn(
        self, run_id: str, said: list[dict[str, Any]], boundary: str, *, take: bool
    ) -> None:
        self.record(run_id, said, boundary, self.system.waiting[: int(take)])

    def record(
        self, run_id: str, said: list[dict[str, Any]], boundary: str, taken: list[str]
    ) -> None:
        def turn(engine: Engine) -> Any:
            return engine.record_turn(
                SESSION_ID,
                said,
                run_id=run_id,
                boundary=boundary,  # type: ignore[arg-type]
                input_ids=taken,
            )

        content = ("turn", said, boundary, taken)
        if run_id in self.runs:
            return self.retry(turn, *self.runs[run_id], content=content)
        out = self.attempt("record_turn", whole_turn(run_id, len(taken)), self.on, turn)
        if isinstance(out, ApplyOutput):
            assert not out.duplicate
            self.land([*self.staged, *said], out.receipt, run_id, boundary, taken=taken)
            self.runs[run_id] = content, self.receipts[-1]
            self.staged = []
            self.system.waiting = [one for one in self.system.waiting if one not in taken]
        return None

    @rule(**WORK["apply_turn"])
    def apply_turn(
        self, run_id: str, request: str, landed: list[Any], said: list[Any], ending: str
    ) -> None:
        """A turn that the engine drives: boundaries, then an end of one kind or another."""

        async def agent(turn: Any) -> Any:
            for part in landed:
                await turn.boundary(part)
            if ending == "fail":
                raise AgentFailure("as asked")
            if ending == "cancel":
                await (await self.system.engine()).cancel_after_boundary(SESSION_ID)
                await turn.boundary(said)
                raise AssertionError("the turn went on beyond a boundary that was to be its last")
            if ending == "stop":
                await self.system.stop()
                await asyncio.sleep(0)  # where the cancellation is delivered
                raise AssertionError("the turn went on though its session was stopped")
            return TurnResult(messages=said)

        def drive(engine: Engine) -> Any:
            return engine.apply_turn(SESSION_ID, request, run_id=run_id)

        self.system.agent = agent
        content = ("driven", request)
        if run_id in self.runs:
            return self.retry(drive, *self.runs[run_id], content=content)
        asks = driven_turn(run_id, len(landed), ending)
        out = self.attempt(f"apply_turn to {ending}", asks, self.on, drive)
        if isinstance(out, ApplyOutput):
            rest = [said] if ending in ("complete", "cancel") else []
            first = [*self.staged, {"role": "user", "content": request}]
            for sequence, part in enumerate([*landed, *rest], 1):
                last = ending == "complete" and sequence == len(landed) + 1
                boundary = "run_start" if last else "run_checkpoint"
                self.land([*first, *part], None, run_id, boundary, sequence=sequence)
                first = []
                self.staged = []
            receipt = self.receipts[-1] if landed or rest else None
            assert (None if out.receipt is None else as_dict(out.receipt)) == receipt
            self.runs[run_id] = content, receipt
        return None

    @rule(data=st.data())
    @precondition(lambda self: self.runs)
    def retry_a_turn(self, data: st.DataObject) -> None:
        """The same run again, word for word: the recorded output comes back."""
        run_id = data.draw(st.sampled_from(sorted(self.runs)))
        kind, *content = self.runs[run_id][0]
        if kind == "turn":
            self.record(run_id, *content)
        elif kind == "driven":
            self.apply_turn(run_id, content[0], [], [], "complete")
        else:
            self.ask_append_context(content[0], None, run_id)

    @rule(data=st.data(), same=st.booleans())
    @precondition(lambda self: self.system.said)
    def retry_an_input(self, data: st.DataObject, *, same: bool) -> None:
        """The same input again, in any phase, or another under its id."""
        name = data.draw(st.sampled_from(sorted(self.system.said)))
        text = self.system.said[name] if same else "something else"
        try:
            out = self.on(lambda engine: engine.ingest(SESSION_ID, text, input_id=name))
        except Conflict:
            assert not same
        else:
            assert same
            assert (out.status, out.input_id) == ("duplicate", name)

    @rule(**WORK["ask_append_context"])
    def ask_append_context(self, text: str, key: str | None, run_id: str | None) -> None:
        def append(engine: Engine) -> Any:
            return engine.append_context(SESSION_ID, text, idempotency_key=key, run_id=run_id)

        content = ("context", text)
        if key in self.keys:
            return self.retry(append, *self.keys[key], content=content)
        if run_id in self.runs:
            return self.retry(append, *self.runs[run_id], content=content)
        out = self.attempt("append_context", ((("append_context", ()),),), self.on, append)
        if not isinstance(out, Exception):
            assert out.status == "applied"
            receipt = out.receipt
            assert run_id in (None, receipt.run_id)
            self.land([{"role": "system", "content": text}], receipt, receipt.run_id, "immediate")
            self.runs[receipt.run_id] = content, self.receipts[-1]
            if key is not None:
                self.keys[key] = content, self.receipts[-1]
        return None

    @rule(**WORK["ask_stage_context"])
    def ask_stage_context(self, text: str, key: str | None) -> None:
        def stage(engine: Engine) -> Any:
            return engine.stage_context(SESSION_ID, text, idempotency_key=key)

        content = ("context", text)
        if key in self.keys:
            return self.retry(stage, *self.keys[key], content=content)
        out = self.attempt("stage_context", ((("stage_context", ()),),), self.on, stage)
        if not isinstance(out, Exception):
            assert (out.status, out.receipt) == ("staged", None)
            self.staged.append({"role": "system", "content": text})
            if key is not None:
                self.keys[key] = content, None
        return None

    def retry(
        self,
        verb: Callable[[Engine], Awaitable[Any]],
        recorded: Any,
        receipt: dict[str, Any] | None,
        content: Any,
    ) -> None:
        """Ask again under a recorded id: the same content is free, any other is a conflict."""
        try:
            out = self.on(verb)
        except Conflict:
            assert recorded != content
        else:
            assert recorded == content
            assert out.duplicate if isinstance(out, ApplyOutput) else out.status == "duplicate"
            assert (None if out.receipt is None else as_dict(out.receipt)) == receipt

    def land(
        self,
        said: list[dict[str, Any]],
        receipt: Any,
        run_id: str,
        boundary: str,
        *,
        sequence: int = 1,
        taken: Sequence[str] = (),
    ) -> None:
        """Extend the conversation, and compare the receipt, if there is one, with the model's."""
        self.conversation += said
        expected = {
            "run_id": run_id,
            "boundary": boundary,
            "contributing_input_ids": list(taken),
            "conversation_digest": digest_of(self.conversation),
            "message_count": len(self.conversation),
            "sequence": sequence,
        }
        assert receipt is None or as_dict(receipt) == expected
        self.receipts.append(expected)

    # Other engines, crashes

    @rule(and_back=st.booleans())
    @precondition(lambda self: self.system.durable)
    def go_to_the_other_engine(self, *, and_back: bool) -> None:
        """Another process has its turn; this one keeps its live copy, which grows stale."""
        self.system.at = 1 - self.system.at
        if and_back:
            self.attempt("note", ((("note", ()),),), self.system.note)
            self.system.at = 1 - self.system.at

    @rule()
    def spoil_the_snapshot(self) -> None:
        """A snapshot is taken, and then changed behind the engine's back."""
        self.attempt("checkpoint", ((("checkpoint", ()),),), self.system.checkpoint)
        self.settle(self.system.spoil_snapshot())

    @rule(what=st.sampled_from(DISTURBANCES))
    def disturb(self, what: str) -> None:
        """Something happens around the session that must make no difference to it."""
        match what:
            case "drop the live copy":
                self.on(lambda engine: engine.discard_live(SESSION_ID))
            case "close and reopen" if self.system.durable:
                self.settle(self.system.reopen())
            case "crash" if self.system.durable:
                self.settle(self.system.crash())

    # Reads

    @rule(what=st.sampled_from(READS), data=st.data())
    def look(self, what: str, data: st.DataObject) -> None:
        """Read something, and compare it with the model."""
        if self.log:
            getattr(self, f"read_{what}")(data)
            return
        try:
            self.on(lambda engine: engine.read(SESSION_ID))
        except SessionNotFound:
            return
        raise AssertionError("a session that was never registered was read")

    def read_now(self, _data: st.DataObject) -> None:
        view = self.on(lambda engine: engine.read(SESSION_ID))
        assert (view.phase, view.version) == (self.configuration.phase, len(self.log))
        assert view.message_count == len(self.conversation)
        assert view.conversation_digest == digest_of(self.conversation)
        (listed,) = self.on(lambda engine: engine.list())
        assert listed == view
        state = self.on(lambda engine: engine.control.runtime_state(SESSION_ID))
        assert list(state.queued) == self.system.waiting
        head = self.on(lambda engine: engine.head(SESSION_ID))
        assert (head.version, head.link) == (len(self.log), json.loads(self.log[-1])["link"])

    def read_history(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(0, 6))
        limit = data.draw(st.none() | st.integers(0, 6))
        page = self.on(lambda engine: engine.history(SESSION_ID, offset=offset, limit=limit))
        end = None if limit is None else offset + limit
        assert page.messages == self.conversation[offset:end]
        assert page.message_count == len(self.conversation)

    def read_receipts(self, data: st.DataObject) -> None:
        receipts = self.on(lambda engine: engine.receipts(SESSION_ID))
        assert [as_dict(receipt) for receipt in receipts] == self.receipts
        run_id = data.draw(run_ids)
        of_the_run = [receipt for receipt in self.receipts if receipt["run_id"] == run_id]
        expected = of_the_run[0] if of_the_run else None
        try:
            found = self.on(lambda engine: engine.load_receipt(SESSION_ID, run_id))
        except ReceiptNotFound:
            assert expected is None
        else:
            assert as_dict(found) == expected

    def read_past(self, data: st.DataObject) -> None:
        version = data.draw(st.integers(1, len(self.log)))
        view = self.on(lambda engine: engine.as_of(SESSION_ID, version))
        before = [json.loads(state) for state in self.log[:version]]
        counts = [row["receipt"]["message_count"] for row in before if row.get("receipt")]
        assert view.version == version
        assert view.message_count == (counts[-1] if counts else 0)

    # The log itself, after every step

    @invariant()
    def the_log_only_grows_and_holds_what_was_said(self) -> None:
        log = self.settle(self.system.states())
        assert log[: len(self.log)] == self.log
        self.log = log
        rows = [json.loads(state) for state in log]
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
        landed = [row for row in rows if row.get("receipt")]
        assert [row["receipt"] for row in landed] == self.receipts
        assert [one for row in landed for one in row["messages"]] == self.conversation

    def attempt(self, name: str, asks: Alternatives, function: Any, *arguments: Any) -> Any:
        """Ask, and see that a refusal has written nothing."""
        before = self.settle(self.system.states())
        answer = super().attempt(name, asks, function, *arguments)
        if isinstance(answer, Exception):
            assert self.settle(self.system.states()) == before
        return answer


def as_dict(receipt: Any) -> Mapping[str, Any]:
    names = ("run_id", "boundary", "conversation_digest", "message_count", "sequence")
    facts = {name: getattr(receipt, name) for name in names}
    return facts | {"contributing_input_ids": list(receipt.contributing_input_ids)}


def engine_test(*, durable: bool) -> type[SessionRules]:
    """Return the generated test of the real engine, on a file or in memory."""
    return machine_test(
        SESSION,
        lambda: System(durable=durable),
        operations=OPERATIONS,
        not_bound={
            **dict.fromkeys(WITHIN_TURNS, "it happens within a turn"),
            **NOT_DRIVEN,
        },
        rarely=RARELY,
        base=SessionRules,
    )  # type: ignore[return-value]
