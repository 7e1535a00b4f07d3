"""A copy of a store's file, whole and of one moment, while engines go on writing to it.

Invariants: the copy holds the log as one read transaction sees it; there is no file at its path
until it is complete and synced; it holds no lease, since no engine uses it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from perdure.errors import StoreError
from perdure.store.sqlite.statements import translated

Progress = Callable[[int, int], None]
"""Called with the number of pages copied so far, and the number of all pages."""

_PAGES_A_STEP: Final = 4096


def copy_file(
    source: sqlite3.Connection, path: Path, target: Path, progress: Progress | None = None
) -> Path:
    """Copy the database of a connection to a partial file beside ``target``; return its path.

    ``path`` names the source in messages. The caller gives the partial file its name with
    `complete`, or removes it with `remove`. Raises StoreError where the target exists, its folder
    does not, either file fails, or the disk is full.
    """
    check_free(target)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        with _created(partial) as destination, translated(path):
            source.execute("BEGIN")
            try:
                source.execute("SELECT count(*) FROM sqlite_master").fetchone()
                source.backup(destination, pages=_PAGES_A_STEP, progress=_told(progress))
            finally:
                source.execute("ROLLBACK")
            destination.execute("DELETE FROM leases")
    except BaseException:
        remove(partial)
        raise
    return partial


def complete(partial: Path, target: Path) -> None:
    """Sync a partial file and give it its name. Raises StoreError where the name is taken."""
    try:
        _sync(partial)
        os.link(partial, target)  # which overwrites nothing, as a rename would
        remove(partial)
        _sync(target.parent)
    except FileExistsError as error:
        remove(partial)
        raise _taken(target) from error
    except OSError as error:
        remove(partial)
        raise StoreError(f"cannot write {target}: {error.strerror}", path=str(target)) from error


def remove(partial: Path) -> None:
    """Remove a partial file and the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            Path(f"{partial}{suffix}").unlink()


def check_free(target: Path) -> None:
    """Raise StoreError where a copy cannot be made at this path."""
    if not target.parent.is_dir():
        raise StoreError(f"the folder {target.parent} does not exist", path=str(target))
    for suffix in ("", "-wal", "-journal"):
        if os.path.lexists(f"{target}{suffix}"):
            raise _taken(Path(f"{target}{suffix}"))


@contextlib.contextmanager
def _created(partial: Path) -> Iterator[sqlite3.Connection]:
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(f"cannot write {partial}: {error.strerror}", path=str(partial)) from error
    with (
        translated(partial),
        contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def _told(progress: Progress | None) -> Callable[[int, int, int], None] | None:
    if progress is None:
        return None
    tell = progress
    return lambda _status, remaining, total: tell(total - remaining, total)


def _taken(target: Path) -> StoreError:
    return StoreError(
        f"there is a file at {target} already: a copy overwrites nothing, so move it away, or name"
        " another",
        path=str(target),
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
