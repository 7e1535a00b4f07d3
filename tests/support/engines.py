"""Tests written as coroutines over an open engine, on every store; and one that disturbs it."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final

from perdure import Engine
from perdure.projections.snapshots import Folded
from perdure.runtime.session.cache import CachedSession

FAST: Final[dict[str, Any]] = {"grace_seconds": 0.2, "retry_seconds": 0.05}
"""Options of an engine whose turns are interrupted, or fail and are tried again, in a test."""


def on_an_engine(
    *, on_file: bool = False, **options: Any
) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., None]]:
    """Turn a test ``async def test(engine, …)`` into one that pytest runs for each store.

    The engine is open while the test runs; its log must audit clean at the end. With ``on_file``
    the store is a file alone, so that the test can open another engine on it.
    """

    def decorate(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
        signature = inspect.signature(test)
        others = [p for p in signature.parameters.values() if p.name not in ("engine", "url")]
        fixture = "sqlite_url" if on_file else "url"
        store = inspect.Parameter(fixture, inspect.Parameter.KEYWORD_ONLY)

        @functools.wraps(test)
        def run(**given: Any) -> None:
            url = given.pop(fixture)

            async def main() -> None:
                async with Engine.open(url, **options) as engine:
                    if "url" in signature.parameters:
                        given["url"] = url
                    await asyncio.wait_for(test(engine, **given), 60)
                    report = await engine.audit()
                    assert report.ok, report.findings

            asyncio.run(main())

        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in others]
        run.__signature__ = inspect.Signature([store, *keyword])  # type: ignore[attr-defined]
        return run

    return decorate


class Meddler:
    """Another engine, that writes to the session each time when the first has caught up."""

    def __init__(self, engine: Engine, other: Engine) -> None:
        self.writes_left = 0
        self._other = other
        self._catch_up, engine._core.sessions.refresh = engine._core.sessions.refresh, self._refresh  # type: ignore[method-assign]

    async def meddle(self, times: int) -> None:
        """Write now, and so often again."""
        await self._other.publish("s", "noise")
        self.writes_left = times

    async def _refresh(self, cached: CachedSession) -> Folded:
        folded = await self._catch_up(cached)
        if self.writes_left:
            self.writes_left -= 1
            await self._other.publish("s", "noise")
        return folded
