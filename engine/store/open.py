"""From a URL to a store: the recorder, its committer and its derived data, opened together.

Invariants: a store that was opened is closed as a whole; what was submitted before is settled.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from perdure.errors import EngineClosed, InvalidArgument, Unsupported
from perdure.store.committer import Committer, Submission
from perdure.store.derived import Derived, MemoryDerived, ReadonlyDerived, SQLiteDerived
from perdure.store.leases import Leases, MemoryLeases, SQLiteLeases
from perdure.store.memory import MemoryRecorder
from perdure.store.recorder import Outcome
from perdure.store.sqlite.connections import Durability
from perdure.store.sqlite.recorder import SQLiteRecorder

Recorder = MemoryRecorder | SQLiteRecorder

MEMORY_URL: Final = "memory:"
SQLITE_PREFIX: Final = "sqlite:///"

_FOREVER_SECONDS: Final = 1_000_000


class Store(Protocol):
    """Where an engine keeps its log, and beside it what was derived from it."""

    recorder: Recorder
    derived: Derived
    leases: Leases
    persistent: bool

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit each submission on this thread, where that takes next to no time.

        Returns their outcomes, or None where nothing was done and they are to be submitted.
        """

    def submit(
        self, submissions: Sequence[Submission], settle: Callable[[Sequence[Outcome]], None]
    ) -> None:
        """Commit each submission; ``settle`` learns all outcomes, perhaps on another thread.

        Raises EngineClosed after `close`.
        """

    def close(self) -> None:
        """Settle what was submitted, then release everything. Safe to call again."""


class MemoryStore:
    """A store that lives as long as the process."""

    persistent = False

    def __init__(self) -> None:
        self.recorder: Recorder = MemoryRecorder()
        self.derived: Derived = MemoryDerived()
        self.leases: Leases = MemoryLeases()
        self._closed = False

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit each submission, unless the store is closed."""
        return None if self._closed else self.recorder.insert_many(submissions)

    def submit(
        self, submissions: Sequence[Submission], settle: Callable[[Sequence[Outcome]], None]
    ) -> None:
        """Commit each submission at once."""
        if self._closed:
            raise EngineClosed("the engine is closed")
        settle(self.recorder.insert_many(submissions))

    def close(self) -> None:
        """Accept nothing more."""
        self._closed = True
        self.recorder.close()


class SQLiteStore:
    """A store in one SQLite file, written by one committer."""

    persistent = True

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self.recorder: Recorder = recorder
        self.derived: Derived = (
            ReadonlyDerived(recorder) if recorder.readonly else SQLiteDerived(recorder)
        )
        self.leases: Leases = SQLiteLeases(recorder)
        self._committer: Final = Committer(recorder)

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit each submission, if nobody else writes and the disk has been fast."""
        return self._committer.commit_now(submissions)

    def submit(
        self, submissions: Sequence[Submission], settle: Callable[[Sequence[Outcome]], None]
    ) -> None:
        """Queue the submissions for the next transaction."""
        self._committer.submit(submissions, settle)

    def close(self) -> None:
        """Commit what is queued, then close the file."""
        self._committer.close()
        self.recorder.close()


def open_store(
    url: str,
    *,
    durability: Durability = "full",
    busy_timeout_seconds: float = 5.0,
    readonly: bool = False,
) -> Store:
    """Return the store at ``memory:`` or ``sqlite:///path`` (four slashes for an absolute path).

    ``readonly`` needs an existing SQLite file and never writes to it. Raises InvalidArgument for a
    malformed URL, Unsupported for PostgreSQL, StoreError where it cannot be opened.
    """
    if durability not in ("full", "normal"):
        raise InvalidArgument(
            f"durability is 'full' or 'normal', not {durability!r}", parameter="durability"
        )
    if (
        not isinstance(busy_timeout_seconds, int | float)
        or isinstance(busy_timeout_seconds, bool)
        or not 0 <= busy_timeout_seconds < _FOREVER_SECONDS
    ):
        raise InvalidArgument(
            f"busy_timeout_seconds is from 0 to {_FOREVER_SECONDS}, not {busy_timeout_seconds!r}",
            parameter="busy_timeout_seconds",
        )
    if url == MEMORY_URL:
        return MemoryStore()
    path = sqlite_path(url)
    return SQLiteStore(
        SQLiteRecorder(
            path,
            durability=durability,
            busy_timeout_seconds=busy_timeout_seconds,
            readonly=readonly,
        )
    )


def sqlite_path(url: str) -> Path:
    """Return the file that a ``sqlite:///`` URL names: what follows is its path, as it is.

    Nothing in it is decoded or expanded. Raises as `open_store`.
    """
    if not isinstance(url, str) or not url.startswith(SQLITE_PREFIX):
        scheme = str(url).split(":", 1)[0]
        if scheme in ("postgresql", "postgres"):
            raise Unsupported("PostgreSQL is not supported by this version", url_scheme=scheme)
        raise InvalidArgument(
            f"a database URL is memory: or sqlite:///path, not {url!r}", parameter="url"
        )
    name = url.removeprefix(SQLITE_PREFIX)
    if not name or name == ":memory:":
        raise InvalidArgument(
            f"{url!r} names no file; for a database in memory say memory:", parameter="url"
        )
    if "?" in name or "#" in name:
        raise InvalidArgument(
            f"a database URL has neither a query nor a fragment, and no ? or # in it: {url!r}",
            parameter="url",
        )
    if name.endswith("/"):
        raise InvalidArgument(f"{url!r} names a folder, not a file", parameter="url")
    try:
        unusable = b"\0" in os.fsencode(name)
    except UnicodeEncodeError:
        unusable = True
    if unusable:
        raise InvalidArgument(f"{url!a} names a path that no file can have", parameter="url")
    return Path(re.sub(r"\A/+", "/", name))  # SQLite takes what follows two slashes for a host
