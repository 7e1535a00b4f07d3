"""Arguments that mean nothing: each is refused by name, whatever it is, and nothing is written."""

import asyncio
import enum
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from perdure import (
    CheckpointPolicy,
    EchoAgent,
    Engine,
    Environment,
    Head,
    InvalidArgument,
    MobMember,
    sync,
)
from tests.support.engines import on_an_engine
from tests.support.messages import user

Call = Callable[[Engine, Any], Awaitable[Any]]


class Named(EchoAgent):
    def __init__(self, name: Any) -> None:
        self.name = name


class Nameless(EchoAgent):
    @property
    def name(self) -> str:  # type: ignore[override]
        raise ValueError("\ud800")


AGENTS: Final = (EchoAgent, dict, Named("\ud800"), Nameless(), None, 5, "echo", object())

NO_TEXTS: Final[tuple[object, ...]] = ("", "\ud800", 2**70, [], {})
NO_HEADS: Final[tuple[object, ...]] = (
    *(None, 5, True, "head", b"head", [None], [[]], ["head"]),
    *([Head(session_id=[], version=1, link="")], [Head(session_id="s", version=-1, link="")]),  # type: ignore[arg-type]
    [Head(session_id="s", version=1, link=5)],  # type: ignore[arg-type]
)

WRONG: Final[dict[tuple[str, str], tuple[Call, tuple[Any, ...]]]] = {
    ("attach", "agent"): (lambda e, v: e.attach("s", v), AGENTS),
    ("list", "phase"): (lambda e, v: e.list(phase=v), (*NO_TEXTS, "no phase")),
    ("list", "after"): (lambda e, v: e.list(after=v), NO_TEXTS),
    ("audit", "session_ids"): (
        lambda e, v: e.audit(v),
        (None, 5, True, 1.5, object(), "s", b"s", [[]], [None], ["\ud800"]),
    ),
    ("audit", "heads"): (lambda e, v: e.audit(heads=v), NO_HEADS),
    ("audit", "jobs"): (lambda e, v: e.audit(jobs=v), (None, 0, -1, True, 1.5, "2", [], 2**70)),
    ("archive_mob", "pending"): (lambda e, v: e.archive_mob("m", pending=v), ("later", None, [])),
    ("archive_mob", "reason"): (lambda e, v: e.archive_mob("m", reason=v), ("", 5, "a\nb")),
    ("archive", "pending"): (lambda e, v: e.archive("s", pending=v), ("later", None, [])),
}


@pytest.mark.parametrize(
    ("verb", "parameter", "which"),
    [(*names, which) for names, (_, values) in WRONG.items() for which in range(len(values))],
)
@on_an_engine()
async def test_an_argument_that_means_nothing_is_refused_by_name(
    engine: Engine, verb: str, parameter: str, which: int
) -> None:
    call, values = WRONG[verb, parameter]
    await engine.register("s")
    before = list(engine._core.store.recorder.scan())
    with pytest.raises(InvalidArgument) as refusal:
        await call(engine, values[which])
    assert refusal.value.data["parameter"].split(".")[0] == parameter
    json.dumps(refusal.value.describe(), ensure_ascii=False).encode()
    assert list(engine._core.store.recorder.scan()) == before


WRONG_OPTIONS: Final[dict[str, tuple[object, ...]]] = {
    "environment": (5, 0, "now", Environment),
    "busy_timeout_seconds": (None, "x", True, -1, float("nan"), []),
    "checkpoints": (5, 0, "often", {"turns": 1}, CheckpointPolicy),
    "agents": (5, "echo", EchoAgent()),
}


@pytest.mark.parametrize(
    ("option", "wrong"),
    [(option, wrong) for option, values in WRONG_OPTIONS.items() for wrong in values],
)
def test_an_engine_is_not_opened_with_what_it_could_not_use(
    url: str, option: str, wrong: Any
) -> None:
    async def main() -> None:
        async with Engine.open(url, **{option: wrong}):
            raise AssertionError("it was opened")

    with pytest.raises(InvalidArgument, match=option) as refusal:
        asyncio.run(main())
    assert refusal.value.data["parameter"] == option
    with pytest.raises(InvalidArgument, match=option):
        sync.Engine.open(url, **{option: wrong})


class Name(enum.StrEnum):
    """Ids and the like, as programs that name theirs pass them; as text it is another's."""

    MAIN = "main"
    RUN = "run"
    MOB = "mob"
    IDLE = "idle"

    def __str__(self) -> str:
        return "Name"


@on_an_engine()
async def test_an_id_that_is_an_enum_s_means_its_text(engine: Engine) -> None:
    source = engine.subscribe(Name.MAIN)
    assert type((await engine.register(Name.MAIN)).id) is str
    out = await engine.record_turn(Name.MAIN, [user("a")], run_id=Name.RUN)
    await engine.join_mob(Name.MAIN, Name.MOB)
    assert [(await anext(source)).session_id for _ in range(3)] == ["main"] * 3
    await engine.register("next")
    assert (await engine.history(Name.MAIN)).messages == [user("a")]
    assert (await engine.history(Name.MAIN)).session_id == "main"
    assert await engine.receipts(Name.MAIN) == [out.receipt]
    assert await engine.load_receipt(Name.MAIN, Name.RUN) == out.receipt
    assert (await engine.as_of(Name.MAIN, 2)).message_count == 1
    head = await engine.head(Name.MAIN)
    assert head == await engine.head("main")
    assert type(head.session_id) is str
    assert [view.id for view in await engine.list(after=Name.MAIN, phase=Name.IDLE)] == ["next"]
    assert [view.id for view in await engine.list(mob=Name.MOB)] == ["main"]
    assert await engine.belongs_to_mob(Name.MAIN, Name.MOB)
    assert (await engine.audit([Name.MAIN], heads=[head])).sessions == 1
    fork = await engine.fork(Name.MAIN, new_session_id="fork")
    assert fork.origin is not None
    assert (fork.message_count, fork.origin.session_id) == (1, "main")
    await engine.attach(Name.MAIN, EchoAgent())
    assert await engine.execution_snapshot(Name.MAIN) == await engine.execution_snapshot("main")
    assert await engine.archive_mob(Name.MOB) == [MobMember(session_id="main", outcome="archived")]
