"""Taking in many transcripts at once: bounded in number and bytes, reported in their order.

Invariants: the lines of one session are recorded in the order they came; a line that is refused
stops no other; when this is left early, lines that were submitted are settled before the database
closes.

The engine lives on an event loop in a thread of its own. The main thread reads, parses and waits,
so that Ctrl-C reaches it at once, even in the middle of reading a pipe.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine, Generator, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

import msgspec

from perdure.cli.importer.record import RecordedTranscript, record
from perdure.cli.importer.sources import Line, Refused
from perdure.cli.importer.transcripts import Transcript, read_line
from perdure.errors import PerdureError, StoreError
from perdure.runtime import Engine

MAX_AHEAD: Final = 64
"""Lines read but not recorded yet, at most."""

MAX_AHEAD_BYTES: Final = 64 * 1024 * 1024
"""The same in bytes; a single longer line is still taken."""

_T = TypeVar("_T")


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was taken, and how it was recorded."""

    file: str
    line: int
    recorded: RecordedTranscript


class _Waiting(NamedTuple):
    line: Line
    future: Future[RecordedTranscript]


class Intake:
    """Records transcripts on an engine of its own, many at once."""

    def __init__(self, url: str, *, archive: bool) -> None:
        self._archive: Final = archive
        self._loop: Final = asyncio.new_event_loop()
        self._newest: Final[dict[str, asyncio.Task[Any] | None]] = {}
        self._waiting: Final[deque[_Waiting]] = deque()
        self._bytes = 0
        self._thread: Final = threading.Thread(
            target=self._loop.run_forever, name="perdure-intake", daemon=True
        )
        self._thread.start()
        try:
            self._engine: Final = self._wait(_open_engine(url))
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for waiting in self._waiting:
            waiting.future.cancel()
        self._wait(self._close())
        self._stop()

    def take(self, lines: Iterable[Line | Refused]) -> Generator[Taken | Refused, None, None]:
        """Record the lines and yield the outcome of each, in order.

        Raises StoreError where the database fails: then no other line would fare better.
        """
        for line in lines:
            if isinstance(line, Refused):
                yield from self._settle(0)
                yield line
                continue
            try:
                transcript = read_line(line.data)
            except PerdureError as refusal:
                future: Future[RecordedTranscript] = Future()
                future.set_exception(refusal)
            else:
                if transcript is None:
                    continue
                yield from self._settle(MAX_AHEAD - 1, MAX_AHEAD_BYTES - len(line.data))
                future = asyncio.run_coroutine_threadsafe(self._record(transcript), self._loop)
            self._bytes += len(line.data)
            self._waiting.append(_Waiting(line, future))
        yield from self._settle(0)

    def _settle(self, lines: int, size: int = MAX_AHEAD_BYTES) -> Iterator[Taken | Refused]:
        """Yield outcomes of the oldest lines until so few are waiting."""
        while self._waiting and (len(self._waiting) > lines or self._bytes > size):
            line, future = self._waiting[0]
            try:
                outcome: Taken | Refused = Taken(
                    file=line.file, line=line.line, recorded=future.result()
                )
            except StoreError:
                raise
            except PerdureError as refusal:
                outcome = Refused(
                    file=line.file, line=line.line, code=refusal.code, message=str(refusal)
                )
            self._waiting.popleft()
            self._bytes -= len(line.data)
            yield outcome

    async def _record(self, transcript: Transcript) -> RecordedTranscript:
        """Record one transcript behind the one of the same session that was submitted before."""
        name, ours = transcript.session_id, asyncio.current_task()
        before = self._newest.get(name)
        self._newest[name] = ours
        try:
            if before is not None:
                await asyncio.wait([before])
            return await record(self._engine, transcript, archive=self._archive)
        finally:
            if self._newest[name] is ours:
                del self._newest[name]

    async def _close(self) -> None:
        ours = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not ours]
        await asyncio.gather(*others, return_exceptions=True)
        await self._engine.close()

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _open_engine(url: str) -> Engine:
    engine: Engine = await Engine.open(url)
    return engine
