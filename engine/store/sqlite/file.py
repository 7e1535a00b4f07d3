"""The file under a store: its location, and whether it still is the one that was opened.

Invariants: a file is named by device and inode, so a link or a second path to it is the same file;
a process that was forked while the file was open here is refused that file until it runs another
program; a commit is acknowledged only while the path still leads to the file that holds it.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

from perdure.errors import StoreError


class Unacknowledged(StoreError):
    """The file does not hold the rows that were committed to it, so they are not acknowledged."""


class _Identity(NamedTuple):
    device: int
    inode: int


class _Held(NamedTuple):
    """A file that a process has open, through the `OpenFile` with this ``id``."""

    identity: _Identity
    process: int
    holder: int


_HELD: Final[set[_Held]] = set()
"""Every file that is open here. A fork inherits the set, and so knows its parent's files."""


def located(path: Path) -> Path:
    """Return the absolute path of the file, links resolved. Raises StoreError where there is none.

    Call it once for a store: a process may change its folder, and a link may be pointed elsewhere.
    SQLite keeps its log beside the file itself, not beside a link to it.
    """
    try:
        return Path(os.path.realpath(path))
    except OSError as error:  # the folder that this process is in is gone
        raise StoreError(f"cannot find {path}: {error.strerror}", path=str(path)) from error


def check_not_inherited(path: Path, location: Path) -> None:
    """Refuse a file that was open in another process when this one was forked from it.

    SQLite keeps its POSIX locks in a table of the process. A fork inherits the table and not the
    locks, so it would write without any lock: its commits are lost without an error. Raises
    StoreError.
    """
    identity = _identity_of(location)
    process = os.getpid()
    if any(held.identity == identity and held.process != process for held in tuple(_HELD)):
        raise StoreError(
            f"{path} was open when this process was forked, so SQLite's locks on it do not hold "
            "here: open it after the fork, or start the process with 'spawn' or 'forkserver'",
            path=str(path),
        )


class OpenFile:
    """A file that is open in this process, until `release`.

    Messages name it by ``path``; ``location`` is its absolute path. ``log_bytes`` is the size of
    its write-ahead log at the last `check`.
    """

    def __init__(self, path: Path, location: Path) -> None:
        self._path: Final = path
        self._location: Final = os.fspath(location)
        self._log: Final = f"{location}-wal"
        self._identity: Final = _identity_of(location)
        self._log_identity: _Identity | None = None
        self.log_bytes = 0
        if self._identity is None:
            raise self._refusal("the database file was removed while it was opened")
        self._held: Final = _Held(self._identity, os.getpid(), id(self))
        _HELD.add(self._held)

    def release(self) -> None:
        """Forget that the file is open. Safe to call again; a fork forgets nothing by it."""
        if self._held.process == os.getpid():
            _HELD.discard(self._held)

    def check(self) -> None:
        """Raise Unacknowledged where the file, or its write-ahead log, is not the one opened."""
        try:
            found = os.stat(self._location)  # noqa: PTH116 - on the commit path: a Path costs twice
            log = os.stat(self._log)  # noqa: PTH116
        except FileNotFoundError as error:
            gone = "the write-ahead log" if error.filename == self._log else "the database file"
            raise self._refusal(f"{gone} was removed") from error
        except OSError as error:
            raise self._refusal(f"the database file cannot be found: {error.strerror}") from error
        if (found.st_dev, found.st_ino) != self._identity:
            raise self._refusal("the database file was replaced by another")
        self.log_bytes = log.st_size
        if (log.st_dev, log.st_ino) != self._log_identity:
            if self._log_identity is not None:
                raise self._refusal("the write-ahead log was replaced by another")
            self._log_identity = _Identity(log.st_dev, log.st_ino)

    def check_database(self) -> None:
        """Raise Unacknowledged where the database file is not the one opened."""
        if _identity_of(self._location) != self._identity:
            raise self._refusal("the database file was removed or replaced")

    def _refusal(self, because: str) -> Unacknowledged:
        return Unacknowledged(
            f"{self._path}: {because} while it was open, so no commit is acknowledged any more: "
            "close the engine, bring the file back, and open it again",
            path=str(self._path),
        )


def _identity_of(location: str | Path) -> _Identity | None:
    try:
        found = os.stat(location)  # noqa: PTH116 - see above
    except OSError:
        return None
    return _Identity(found.st_dev, found.st_ino)
