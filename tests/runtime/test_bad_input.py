"""Bad input: each refusal names what is wrong, has a stable code, and has written nothing."""

import asyncio
import datetime as dt
import hashlib
import json
import operator
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from perdure import (
    CallNotOpen,
    CheckpointPolicy,
    Conflict,
    EchoAgent,
    Engine,
    EngineClosed,
    IllegalTransition,
    InputNotQueued,
    InvalidArgument,
    InvalidMessage,
    PerdureError,
    ReceiptNotFound,
    SessionNotFound,
    SessionNotRunning,
    Usage,
    sync,
)
from perdure.runtime.control import Control
from tests.support.processes import message
from tests.support.sessions import receipt_of
from tests.support.thorough import few_of

Call = Callable[[Engine], Awaitable[Any]]
RESULT = {"role": "tool", "tool_call_id": "c", "content": "x"}


def rows(engine: Engine) -> list[tuple[Any, ...]]:
    return list(engine._core.store.recorder.scan())


async def _following(engine: Engine, session_id: Any = None, after: Any = 0) -> Any:
    return await anext(engine.subscribe(session_id, after=after))


def refused(url: str, kind: type[PerdureError], call: Call) -> PerdureError:
    """Make the call on a session with a past; return its refusal, which wrote nothing."""

    async def main() -> PerdureError:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.record_turn("s", [message("a")], run_id="r")
            before = rows(engine)
            with pytest.raises(kind) as refusal:
                await asyncio.wait_for(call(engine), 30)
            assert rows(engine) == before
            assert str(refusal.value)
            json.dumps(refusal.value.describe())
            out = await engine.record_turn("s", [message("on it goes")], expected_version=2)
            assert receipt_of(out).message_count == 2
            assert (await engine.audit()).ok
            return refusal.value

    return asyncio.run(main())


VERBS: dict[str, Callable[[Engine, Any], Awaitable[Any]]] = {
    "record_turn": lambda engine, s: engine.record_turn(s, [message("a")]),
    "append_context": lambda engine, s: engine.append_context(s, "text"),
    "stage_context": lambda engine, s: engine.stage_context(s, "text"),
    "checkpoint": lambda engine, s: engine.checkpoint(s),
    "retire": lambda engine, s: engine.retire(s),
    "archive": lambda engine, s: engine.archive(s),
    "read": lambda engine, s: engine.read(s),
    "history": lambda engine, s: engine.history(s),
    "receipts": lambda engine, s: engine.receipts(s),
    "load_receipt": lambda engine, s: engine.load_receipt(s, "r"),
    "as_of": lambda engine, s: engine.as_of(s, 1),
    "head": lambda engine, s: engine.head(s),
    "apply_turn": lambda engine, s: engine.apply_turn(s),
    "attach": lambda engine, s: engine.attach(s, EchoAgent()),
    "detach": lambda engine, s: engine.detach(s),
    "ingest": lambda engine, s: engine.ingest(s, "text"),
    "inputs": lambda engine, s: engine.inputs(s),
    "abandon_input": lambda engine, s: engine.abandon_input(s, "i"),
    "supersede_input": lambda engine, s: engine.supersede_input(s, "i", "text"),
    "coalesce_inputs": lambda engine, s: engine.coalesce_inputs(s, ["i", "j"]),
    "open_calls": lambda engine, s: engine.open_calls(s),
    "stage_tool_results": lambda engine, s: engine.stage_tool_results(s, [RESULT]),
    "abandon_call": lambda engine, s: engine.abandon_call(s, "c"),
    "stage_tool_filter": lambda engine, s: engine.stage_tool_filter(s, None),
    "publish": lambda engine, s: engine.publish(s, "name"),
    "interrupt": lambda engine, s: engine.interrupt(s),
    "cancel_after_boundary": lambda engine, s: engine.cancel_after_boundary(s),
    "keep_alive": lambda engine, s: engine.keep_alive(s),
    "fork": lambda engine, s: engine.fork(s),
    "join_mob": lambda engine, s: engine.join_mob(s, "mob"),
    "leave_mob": lambda engine, s: engine.leave_mob(s, "mob"),
    "belongs_to_mob": lambda engine, s: engine.belongs_to_mob(s, "mob"),
    "load_persisted": lambda engine, s: engine.load_persisted(s),
    "checkpoint_committed": lambda engine, s: engine.checkpoint_committed(s, b""),
    "execution_snapshot": lambda engine, s: engine.execution_snapshot(s),
    "tool_scope_snapshot": lambda engine, s: engine.tool_scope_snapshot(s),
    "external_tool_surface_snapshot": lambda engine, s: engine.external_tool_surface_snapshot(s),
    "peer_ingress_snapshot": lambda engine, s: engine.peer_ingress_snapshot(s),
    "control.ingest": lambda engine, s: engine.control.ingest(s, "text"),
    "control.load_boundary_receipt": lambda engine, s: engine.control.load_boundary_receipt(s, "r"),
    "control.publish_event": lambda engine, s: engine.control.publish_event(s, "name"),
    "control.runtime_state": lambda engine, s: engine.control.runtime_state(s),
    "control.recover": lambda engine, s: engine.control.recover(s),
    "control.recycle": lambda engine, s: engine.control.recycle(s),
    "control.reset": lambda engine, s: engine.control.reset(s),
    "control.stop": lambda engine, s: engine.control.stop(s),
    "control.destroy": lambda engine, s: engine.control.destroy(s),
}
ALSO = {
    "stop_loop": lambda engine, s: engine.stop_loop(s),
    "control.retire": lambda engine, s: engine.control.retire(s),
    "reserve": lambda engine, s: engine.reserve(s),
    "register": lambda engine, s: engine.register(s),
    "discard_live": lambda engine, s: engine.discard_live(s),
    "subscribe": _following,
}
OF_THE_ENGINE: dict[str, Callable[[Engine, Any], Awaitable[Any]]] = {
    "list": lambda engine, _: engine.list(),
    "audit": lambda engine, _: engine.audit(),
    "archive_mob": lambda engine, _: engine.archive_mob("mob"),
    "runtime_adapter": lambda engine, _: engine.runtime_adapter(),
    "cancel_all_checkpointers": lambda engine, _: engine.cancel_all_checkpointers(),
    "rearm_all_checkpointers": lambda engine, _: engine.rearm_all_checkpointers(),
    "end_subscriptions": lambda engine, _: engine.end_subscriptions(),
}
NO_VERBS = {"open", "close", "release"}
"""What opens, closes, and gives back what it was given, closed or not."""


def test_every_verb_there_is_is_asked_here() -> None:
    verbs = {name for name in dir(Engine) if callable(getattr(Engine, name))}
    verbs |= {f"control.{name}" for name in dir(Control)}
    public = {name for name in verbs if "_" not in (name[0], name.rpartition(".")[2][0])}
    assert public == {*VERBS, *ALSO, *OF_THE_ENGINE, *NO_VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_session_is_not_found(url: str, verb: str) -> None:
    refusal = refused(url, SessionNotFound, lambda engine: VERBS[verb](engine, "unknown"))
    assert refusal.data == {"session_id": "unknown"}
    assert refusal.code == "SESSION_NOT_FOUND"


BAD_IDS: dict[str, Any] = {
    "empty": "",
    "too long": "x" * 256,
    "control character": "a\nb",
    "null": "a\0b",
    "delete": "\x7f",
    "surrogate": "\ud800",
    "escape": "\x1b[31m",
    "line separator": "\u2028",
    "number": 5,
    "bytes": b"s",
    "list": ["s"],
}


@pytest.mark.parametrize("verb", [*VERBS, *ALSO])
def test_a_malformed_session_id_is_refused(url: str, verb: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            before = rows(engine)
            for bad in BAD_IDS.values():
                with pytest.raises(InvalidArgument) as refusal:
                    await asyncio.wait_for((VERBS | ALSO)[verb](engine, bad), 30)
                assert refusal.value.data["parameter"] == "session_id"
                json.dumps(refusal.value.describe())
            assert rows(engine) == before

    asyncio.run(main())


@pytest.mark.parametrize("good", ["x", "x" * 255, "日本語", "a b", "%2e/../'\"; --", "🙂"])
def test_an_unusual_session_id_is_taken_as_it_is(url: str, good: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register(good)
            await engine.record_turn(good, [message("a")], run_id=good)
            assert (await engine.load_receipt(good, good)).run_id == good
            assert [view.id for view in await engine.list()] == [good]
            assert (await engine.audit([good])).ok

    asyncio.run(main())


class Text(str):
    """A text that is not encoded as one."""

    __slots__ = ()


def test_a_choice_is_recorded_as_the_text_that_it_equals(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.ingest("s", "a", input_id="i", lane=Text("steer"))  # type: ignore[arg-type]
            await engine.attach("s", EchoAgent())
            boundary: Any = Text("run_checkpoint")
            for out in (
                await engine.record_turn("s", [message("a")], boundary=boundary),
                await engine.apply_turn("s", "a", boundary=boundary),
            ):
                assert out.receipt is not None
                assert type(out.receipt.boundary) is str
            assert [one.lane for one in await engine.inputs("s")] == ["steer"]
            assert (await engine.audit()).ok

    asyncio.run(main())


@pytest.mark.parametrize("plane", ["ingest", "control.ingest"])
@pytest.mark.parametrize(
    ("nothing", "kind"),
    [(None, InvalidArgument), ("", InvalidArgument), (" ", InvalidArgument), ([], InvalidMessage)],
)
def test_an_input_brings_something(
    url: str, nothing: Any, kind: type[PerdureError], plane: str
) -> None:
    refused(url, kind, lambda engine: operator.attrgetter(plane)(engine)("s", nothing))


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize(
    ("parameter", "call"),
    [
        ("run_id", lambda engine, bad: engine.record_turn("s", [message("a")], run_id=bad)),
        ("run_id", lambda engine, bad: engine.append_context("s", "text", run_id=bad)),
        ("run_id", lambda engine, bad: engine.load_receipt("s", bad)),
        ("source", lambda engine, bad: engine.append_context("s", "text", source=bad)),
        ("source", lambda engine, bad: engine.stage_context("s", "text", source=bad)),
        (
            "idempotency_key",
            lambda engine, bad: engine.append_context("s", "text", idempotency_key=bad),
        ),
        (
            "idempotency_key",
            lambda engine, bad: engine.stage_context("s", "text", idempotency_key=bad),
        ),
        ("label 'team'", lambda engine, bad: engine.register("new", labels={"team": bad})),
        ("label 'team'", lambda engine, bad: engine.list(labels={"team": bad})),
        ("reason", lambda engine, bad: engine.retire("s", reason=bad)),
        ("reason", lambda engine, bad: engine.archive("s", reason=bad)),
    ],
)
def test_a_malformed_id_key_label_or_reason_is_refused(
    url: str, parameter: str, call: Callable[[Engine, Any], Awaitable[Any]], bad: str
) -> None:
    refusal = refused(url, InvalidArgument, lambda engine: call(engine, BAD_IDS[bad]))
    assert refusal.data["parameter"] == parameter


WRONG: dict[str, tuple[str, Call]] = {
    "label name empty": ("label name", lambda e: e.register("new", labels={"": "x"})),
    "label name no text": (
        "label name",
        lambda e: e.register("new", labels={1: "x"}),  # type: ignore[dict-item]
    ),
    "labels a list": ("labels", lambda e: e.register("new", labels=["x"])),  # type: ignore[arg-type]
    "labels text": ("labels", lambda e: e.list(labels="x")),  # type: ignore[arg-type]
    "boundary": ("boundary", lambda e: e.record_turn("s", [message("a")], boundary="late")),  # type: ignore[arg-type]
    "boundary a list": ("boundary", lambda e: e.record_turn("s", [message("a")], boundary=[])),  # type: ignore[arg-type]
    "boundary of context": ("boundary", lambda e: e.append_context("s", "a", boundary="late")),  # type: ignore[arg-type]
    "boundary of a turn": ("boundary", lambda e: e.apply_turn("s", boundary="late")),  # type: ignore[arg-type]
    "boundary of a turn a list": ("boundary", lambda e: e.apply_turn("s", boundary=[])),  # type: ignore[arg-type]
    "inputs of a turn a text": ("input_ids", lambda e: e.apply_turn("s", input_ids="ab")),
    "inputs of a turn a number": ("input_ids", lambda e: e.apply_turn("s", input_ids=5)),  # type: ignore[arg-type]
    "inputs of a recorded turn a text": (
        "input_ids",
        lambda e: e.record_turn("s", [message("a")], input_ids="ab"),
    ),
    "inputs of a recorded turn a number": (
        "input_ids",
        lambda e: e.record_turn("s", [message("a")], input_ids=5),  # type: ignore[arg-type]
    ),
    "inputs to join a text": ("input_ids", lambda e: e.coalesce_inputs("s", "ab")),
    "inputs to join a number": ("input_ids", lambda e: e.coalesce_inputs("s", 5)),  # type: ignore[arg-type]
    "reservation text": ("reservation", lambda e: e.apply_turn("s", reservation="s")),  # type: ignore[arg-type]
    "reservation to release text": ("reservation", lambda e: e.release("s")),  # type: ignore[arg-type]
    "usage a dict": (
        "usage",
        lambda e: e.record_turn("s", [message("a")], usage={"input_tokens": 1}),  # type: ignore[arg-type]
    ),
    "usage negative": (
        "usage.input_tokens",
        lambda e: e.record_turn("s", [message("a")], usage=Usage(input_tokens=-1)),
    ),
    "usage text": (
        "usage.output_tokens",
        lambda e: e.record_turn("s", [message("a")], usage=Usage(output_tokens="x")),  # type: ignore[arg-type]
    ),
    "usage too large": (
        "usage.output_tokens",
        lambda e: e.record_turn("s", [message("a")], usage=Usage(output_tokens=2**70)),
    ),
    "usage a truth": (
        "usage.output_tokens",
        lambda e: e.record_turn("s", [message("a")], usage=Usage(output_tokens=True)),
    ),
    "expected version a truth": (
        "expected_version",
        lambda e: e.record_turn("s", [message("a")], expected_version=True),
    ),
    "expected version negative": (
        "expected_version",
        lambda e: e.record_turn("s", [message("a")], expected_version=-1),
    ),
    "expected version text": (
        "expected_version",
        lambda e: e.record_turn("s", [message("a")], expected_version="2"),  # type: ignore[arg-type]
    ),
    "limit negative": ("limit", lambda e: e.history("s", limit=-1)),
    "limit text": ("limit", lambda e: e.history("s", limit="1")),  # type: ignore[arg-type]
    "limit huge": ("limit", lambda e: e.list(limit=2**70)),
    "list limit negative": ("limit", lambda e: e.list(limit=-1)),
    "limit a truth": ("limit", lambda e: e.history("s", limit=True)),
    "offset negative": ("offset", lambda e: e.history("s", offset=-1)),
    "offset fraction": ("offset", lambda e: e.history("s", offset=1.5)),  # type: ignore[arg-type]
    "version negative": ("version", lambda e: e.as_of("s", -1)),
    "version text": ("version", lambda e: e.as_of("s", "1")),  # type: ignore[arg-type]
    "version huge": ("version", lambda e: e.as_of("s", 2**70)),
    "sequence negative": ("sequence", lambda e: e.load_receipt("s", "r", -1)),
    "after negative": ("after", lambda e: _following(e, after=-1)),
    "after huge": ("after", lambda e: _following(e, after=2**70)),
    "text a number": ("text", lambda e: e.append_context("s", 5)),  # type: ignore[arg-type]
    "text empty": ("text", lambda e: e.append_context("s", "")),
    "text blank": ("text", lambda e: e.stage_context("s", " \n ")),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_argument_is_refused_by_name(url: str, what: str) -> None:
    parameter, call = WRONG[what]
    refusal = refused(url, InvalidArgument, call)
    assert refusal.data["parameter"] == parameter
    assert refusal.code == "INVALID_ARGUMENT"


def _nested(depth: int) -> dict[str, Any]:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return {"role": "user", "content": value}


BAD_MESSAGES: dict[str, tuple[Any, str]] = {
    "empty": ([], "messages"),
    "a dict": (message("a"), "messages"),
    "text": ("hello", "messages"),
    "bytes": (b"hello", "messages"),
    "null": (None, "messages"),
    "a number": (3, "messages"),
    "a message text": ([message("a"), "b"], "messages[1]"),
    "a message null": ([None], "messages[0]"),
    "a message list": ([[message("a")]], "messages[0]"),
    "not a number": ([message("a"), {"c": [{"score": float("nan")}]}], "messages[1].c[0].score"),
    "infinity": ([{"c": {"d": float("-inf")}}], "messages[0].c.d"),
    "surrogate": ([{"c": ["ok", "\ud800"]}], "messages[0].c[1]"),
    "surrogate key": ([{"c": {"\udfff": 1}}], "messages[0].c.\\udfff"),
    "bytes inside": ([{"c": b"x"}], "messages[0].c"),
    "a set": ([{"c": {"x"}}], "messages[0].c"),
    "a date": ([{"at": dt.datetime.now(dt.UTC)}], "messages[0].at"),
    "number key": ([{"c": {1: "x"}}], "messages[0].c"),
    "null key": ([{None: "x"}], "messages[0]"),
    "an object": ([{"c": object()}], "messages[0].c"),
}


@pytest.mark.parametrize("what", BAD_MESSAGES)
def test_a_message_that_json_cannot_carry_is_refused_with_its_path(url: str, what: str) -> None:
    messages, path = BAD_MESSAGES[what]
    refusal = refused(url, InvalidMessage, lambda engine: engine.record_turn("s", messages))
    assert refusal.data["path"] == path
    assert refusal.code == "INVALID_MESSAGE"


@pytest.mark.parametrize("depth", [250, 5_000, 100_000])
def test_a_message_nested_too_deep_is_refused(url: str, depth: int) -> None:
    messages = [_nested(depth)]
    refusal = refused(url, InvalidMessage, lambda engine: engine.record_turn("s", messages))
    assert str(refusal.data["path"]).startswith("messages[0].content[0][0]")


@pytest.mark.parametrize("metadata", ["text", [1], 5, {"x": float("nan")}, {1: 2}], ids=repr)
def test_metadata_that_is_no_json_object_is_refused(url: str, metadata: Any) -> None:
    refusal = refused(url, InvalidMessage, lambda engine: engine.register("n", metadata=metadata))
    assert str(refusal.data["path"]).startswith("metadata")


def test_a_context_text_with_a_surrogate_is_refused(url: str) -> None:
    refused(url, InvalidMessage, lambda engine: engine.append_context("s", "a\ud800"))


def test_an_iterable_of_messages_that_fails_leaves_the_session_free(url: str) -> None:
    def failing() -> Any:
        yield message("a")
        raise LookupError("the caller's own")

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            with pytest.raises(LookupError, match="the caller's own"):
                await engine.record_turn("s", failing())
            await engine.record_turn("s", (message(text) for text in "ab"))
            assert (await engine.read("s")).message_count == 2

    asyncio.run(main())


@pytest.mark.parametrize("megabytes", few_of([10, 50], [10]))
def test_a_message_of_many_megabytes_is_recorded_with_the_right_digest(
    url: str, megabytes: int
) -> None:
    async def main() -> None:
        async with Engine.open(url, durability="normal") as engine:
            await engine.register("s")
            large = message("ü" * (megabytes * 500_000))
            out = await engine.record_turn("s", [large], run_id="r")
            recorded = json.dumps([large], ensure_ascii=False, separators=(",", ":")).encode()
            assert len(recorded) > megabytes * 1_000_000
            assert receipt_of(out).conversation_digest == hashlib.sha256(recorded).hexdigest()
            await engine.discard_live("s")
            assert (await engine.record_turn("s", [large], run_id="r")).duplicate
            page = await engine.history("s")
            assert page.messages == [large]
            assert (await engine.audit()).ok

    asyncio.run(main())


def test_a_turn_of_a_hundred_thousand_messages_is_recorded(url: str) -> None:
    async def main() -> None:
        async with Engine.open(url, durability="normal") as engine:
            await engine.register("s")
            out = await engine.record_turn("s", (message(str(n)) for n in range(100_000)))
            assert receipt_of(out).message_count == 100_000
            page = await engine.history("s", offset=99_999)
            assert page.messages == [message("99999")]
            assert (await engine.audit()).ok

    asyncio.run(main())


READING = {
    *("read", "history", "receipts", "head", "as_of", "inputs", "open_calls", "belongs_to_mob"),
    *("load_persisted", "execution_snapshot", "tool_scope_snapshot"),
    *("external_tool_surface_snapshot", "peer_ingress_snapshot", "control.runtime_state"),
}
OF_WHAT_IS_NOT_THERE: dict[str, type[PerdureError]] = {
    "abandon_call": CallNotOpen,
    "abandon_input": InputNotQueued,
    "cancel_after_boundary": SessionNotRunning,
    "checkpoint_committed": Conflict,
    "coalesce_inputs": InputNotQueued,
    "control.load_boundary_receipt": ReceiptNotFound,
    "interrupt": SessionNotRunning,
    "load_receipt": ReceiptNotFound,
    "stage_tool_results": CallNotOpen,
    "supersede_input": InputNotQueued,
}


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - READING - {"fork"}))
def test_whatever_comes_after_the_archive_is_refused(url: str, verb: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.archive("s")
            before = rows(engine)
            with pytest.raises(OF_WHAT_IS_NOT_THERE.get(verb, IllegalTransition)):
                await VERBS[verb](engine, "s")
            assert rows(engine) == before
            for reading in READING:
                await VERBS[reading](engine, "s")

    asyncio.run(main())


@pytest.mark.parametrize(
    "verb", ["record_turn", "append_context", "stage_context", "checkpoint", "retire", "archive"]
)
def test_nothing_more_is_written_after_the_archive(url: str, verb: str) -> None:
    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.archive("s")
            before = rows(engine)
            with pytest.raises(IllegalTransition, match="it is archived; allowed: nothing"):
                await VERBS[verb](engine, "s")
            assert rows(engine) == before

    asyncio.run(main())


@pytest.mark.parametrize("verb", [*VERBS, *ALSO, *OF_THE_ENGINE])
def test_every_verb_of_a_closed_engine_says_so(url: str, verb: str) -> None:
    calls = VERBS | ALSO | OF_THE_ENGINE

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
        await engine.close()
        with pytest.raises(EngineClosed) as refusal:
            await calls[verb](engine, "s")
        assert refusal.value.code == "ENGINE_CLOSED"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("max_active", wrong) for wrong in (0, -1, 1.5, "2", True)),
        *(("lease_seconds", wrong) for wrong in (0, -1, "15", None, float("nan"), 1e12, True)),
        *(("grace_seconds", wrong) for wrong in (-0.1, "5", None, float("nan"), float("inf"))),
        *(("retry_seconds", wrong) for wrong in (-0.1, "5", None, float("nan"), float("inf"))),
    ],
)
def test_an_engine_is_not_opened_with_settings_that_mean_nothing(name: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=name) as refusal:
        Engine.open("memory:", **{name: wrong})
    assert refusal.value.data["parameter"] == name
    with pytest.raises(InvalidArgument, match=name):
        sync.Engine.open("memory:", **{name: wrong})


@pytest.mark.parametrize("name", ["turns", "message_bytes", "seconds"])
@pytest.mark.parametrize("wrong", [0, -1, "1", float("nan")])
def test_a_policy_that_means_nothing_cannot_be_made(name: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match=name):
        CheckpointPolicy(**{name: wrong})


def test_what_the_settings_may_just_be_is_taken() -> None:
    async def main() -> None:
        policy = CheckpointPolicy(turns=1, message_bytes=1, seconds=0.001)
        async with Engine.open(
            "memory:", max_active=1, lease_seconds=0.001, grace_seconds=0, checkpoints=policy
        ) as engine:
            await engine.register("s")

    asyncio.run(main())
