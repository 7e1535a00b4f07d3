"""Arguments that mean nothing: each is refused by name, whatever it is, and nothing is written."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from engines import on_an_engine

from engine import EchoAgent, Engine, InvalidArgument

Call = Callable[[Engine, Any], Awaitable[Any]]


class Named(EchoAgent):
    def __init__(self, name: Any) -> None:
        self.name = name


class Nameless(EchoAgent):
    @property
    def name(self) -> str:  # type: ignore[override]
        raise ValueError("\ud800")


AGENTS: Final = (EchoAgent, dict, Named("\ud800"), Nameless(), None, 5, "echo", object())

WRONG: Final[dict[tuple[str, str], tuple[Call, tuple[Any, ...]]]] = {
    ("attach", "agent"): (lambda e, v: e.attach("s", v), AGENTS),
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
    before = list(engine._store.recorder.scan())
    with pytest.raises(InvalidArgument) as refusal:
        await call(engine, values[which])
    assert refusal.value.data["parameter"] == parameter
    json.dumps(refusal.value.describe(), ensure_ascii=False).encode()
    assert list(engine._store.recorder.scan()) == before
