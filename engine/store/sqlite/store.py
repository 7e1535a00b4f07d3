"""A store in one SQLite file, and the URLs that name one.

Invariants: one committer writes the log; a URL's path is taken as it is, with nothing in it decoded
or expanded.
"""

import functools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from perdure.errors import InvalidArgument
from perdure.store.committer import Committer
from perdure.store.derived import Derived
from perdure.store.recorder import Outcome, Submission
from perdure.store.sqlite.derived import ReadonlyDerived, SQLiteDerived
from perdure.store.sqlite.leases import SQLiteLeases
from perdure.store.sqlite.recorder import SQLiteRecorder
from perdure.store.store import Durability, Settle, Store

SQLITE_PREFIX: Final = "sqlite:///"


class SQLiteStore:
    """A store in the file of a recorder, which it closes."""

    persistent = True

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self.recorder: Final = recorder
        self.derived: Final[Derived] = (
            ReadonlyDerived(recorder) if recorder.readonly else SQLiteDerived(recorder)
        )
        self.leases: Final = SQLiteLeases(recorder)
        self._committer: Final = Committer(recorder)

    def commit_now(self, submissions: Sequence[Submission]) -> Sequence[Outcome] | None:
        """Commit on this thread, if there is no other writer and the disk is fast."""
        return self._committer.commit_now(submissions)

    def submit(self, submissions: Sequence[Submission], settle: Settle) -> None:
        """Queue the submissions for the next transaction."""
        self._committer.submit(submissions, settle)

    def reopening(self) -> Callable[[], Store]:
        """Return a function that opens the file once more, to be read only."""
        return functools.partial(_reopened, self.recorder.path, self.recorder.location)

    def close(self) -> None:
        """Commit all queued submissions, then close the file."""
        self._committer.close()
        self.recorder.close()


def open_sqlite(
    url: str, *, durability: Durability, busy_timeout_seconds: float, readonly: bool
) -> Store:
    """Return the store in the file that a ``sqlite:///`` URL names; see `open_store`."""
    return SQLiteStore(
        SQLiteRecorder(
            sqlite_path(url),
            durability=durability,
            busy_timeout_seconds=busy_timeout_seconds,
            readonly=readonly,
        )
    )


def is_writable_sqlite(url: str) -> bool:
    """Whether the URL names a database that this process may write to, and the files beside it.

    An empty file is no database yet. Raises InvalidArgument for a malformed URL.
    """
    path = sqlite_path(url)
    if path.is_file() and not path.stat().st_size:
        return False
    return os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK)


def sqlite_path(url: str) -> Path:
    """Return the file that a ``sqlite:///`` URL names: the text after the prefix is its path.

    Raises InvalidArgument for a malformed URL.
    """
    if not url.startswith(SQLITE_PREFIX):
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
    return Path(re.sub(r"\A/+", "/", name))  # SQLite takes the text after two slashes for a host


def _reopened(path: Path, location: Path) -> Store:
    return SQLiteStore(SQLiteRecorder(path, location=location, readonly=True))
