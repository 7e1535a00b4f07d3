"""Connections to an SQLite file: how it is opened, and with which settings.

Invariants: a file that is not ours is refused and left as it is; a connection for reading never
writes; a connection that cannot be set up is closed.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from perdure.errors import StoreError
from perdure.store.sqlite import schema
from perdure.store.sqlite.file import OpenFile, check_not_inherited, located
from perdure.store.sqlite.statements import LOCKED, MAX_ROWS, error_code, lenient_text
from perdure.store.store import Durability

CHECKPOINT_BYTES: Final = 32 * 1024 * 1024
"""The size at which the write-ahead log is copied into the file. The larger it is, the
fewer pages are copied twice; SQLite's own 1,000 pages cost many sessions a fifth of their
throughput."""

LOG_BYTES: Final = 40 * 1024 * 1024
"""The size to which SQLite cuts the write-ahead log, where a long reader made it grow, once it
starts the log anew."""

_NO_INDEX: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class Connections:
    """Opens connections to the file at ``path``, which is checked first.

    ``location`` is where it is, links resolved; messages go on naming it by ``path``.
    ``busy_timeout_seconds`` is how long each waits for another writer. Raises StoreError where the
    file cannot be opened or is not ours, or was open when this process was forked.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_seconds: float,
        readonly: bool,
        location: Path | None = None,
    ) -> None:
        self.path: Final = path
        self.location: Final = located(location or path)
        schema.identify(self.location, named=path, readonly=readonly)
        check_not_inherited(path, self.location)
        self.busy_timeout_seconds: Final = busy_timeout_seconds
        self._readonly: Final = readonly
        self._mode: Final = self._reading_mode() if readonly else "rw"
        self._file: OpenFile | None = None

    def reader(self) -> sqlite3.Connection:
        """Return a connection for reading, which the caller closes."""
        connection = self._connected(self._mode)
        try:
            connection.execute("PRAGMA query_only = ON")
            self.file.check_database()  # a file that has taken its place is another log
        except BaseException:
            connection.close()
            raise
        return connection

    def writer(self, durability: Durability) -> sqlite3.Connection:
        """Return the connection that writes, after creating the file and its tables if missing.

        Where the file is opened to be read, it is only checked, and writing to it fails.
        """
        connection = self._connected(self._mode if self._readonly else "rwc")
        try:
            self._file = OpenFile(self.path, self.location)
            if self._readonly:
                schema.check(connection, self.path)
                return connection
            schema.create(connection, self.path)
            self._use_write_ahead_log(connection)
            level = {"full": "FULL", "normal": "NORMAL"}[durability]
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # see `checkpoint`
            connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            connection.execute("PRAGMA fullfsync = ON")  # on macOS a plain fsync stops at the drive
        except BaseException:
            connection.close()
            self.release()
            raise
        return connection

    def checkpoint(self, writer: sqlite3.Connection) -> bool:
        """Copy the write-ahead log into the file while no connection can commit.

        SQLite before 3.51.3 may lose a commit that starts the log anew while a checkpoint runs (its
        WAL-reset bug), which takes two connections that write. Here a second connection holds the
        write lock during the checkpoint, so there is no such commit, with any version. Returns
        False where another process holds the write lock; then nothing was done.
        """
        with contextlib.closing(self._connected("rw")) as holder:
            holder.execute("PRAGMA busy_timeout = 0")
            try:
                holder.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error_code(error) in LOCKED:
                    return False
                raise
            try:
                writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                holder.execute("ROLLBACK")
        return True

    @property
    def file(self) -> OpenFile:
        """The file that `writer` opened."""
        if self._file is None:
            raise StoreError(f"{self.path} is not open", path=str(self.path))
        return self._file

    def release(self) -> None:
        """Note that every connection is closed."""
        if self._file is not None:
            self._file.release()

    def _connected(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.location))}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=self.busy_timeout_seconds,
            cached_statements=2 * MAX_ROWS,
        )
        connection.text_factory = lenient_text
        return connection

    def _reading_mode(self) -> str:
        """Return how to open the file for reading only.

        Readers of a write-ahead log share an index in a file beside it. Where that file cannot be
        created (a read-only folder or medium) and there is no log to read, no process can be
        writing, and the database file can be read as it is.
        """
        connection = self._connected("ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error_code(error) not in _NO_INDEX:
                raise
            for suffix, called in (("-wal", "a write-ahead log"), ("-journal", "a journal")):
                if schema.companion_bytes(self.location, suffix):
                    raise StoreError(
                        f"{self.path} has {called} beside it ({self.location}{suffix}) that must be"
                        " read too, which needs a folder that can be written: copy both to such a"
                        " folder, and open the copy",
                        path=str(self.path),
                    ) from error
            return "ro&immutable=1"
        finally:
            connection.close()
        return "ro"

    def _use_write_ahead_log(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL; SQLite does not wait for this lock by itself."""
        deadline = time.monotonic() + self.busy_timeout_seconds
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                if error_code(error) not in LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                if mode != "wal":
                    raise StoreError(
                        f"{self.path} cannot use a write-ahead log (it stays in {mode!r} mode)",
                        path=str(self.path),
                    )
                return
