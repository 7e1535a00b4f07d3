"""The stores of this package pass the suite that every store passes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from perdure.store import Store, open_store
from perdure.testing import StoreConformance

FILE = "log.db"


class TestMemory(StoreConformance):
    def open_store(self, folder: Path) -> Store:
        return open_store("memory:")


class TestSQLite(StoreConformance):
    def open_store(self, folder: Path) -> Store:
        url = f"sqlite:///{folder / FILE}"
        return open_store(url, durability="normal", busy_timeout_seconds=300)

    def alter_state(self, folder: Path, session_id: str, version: int, state: bytes) -> None:
        with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
            found = connection.execute(
                "UPDATE stored_events SET state = ?"
                " WHERE originator_id = ? AND originator_version = ?",
                (state, session_id, version),
            )
            assert found.rowcount == 1

    def damage_storage(self, folder: Path) -> None:
        path = folder / FILE
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + b"\xa5" * 16384 + content[middle + 16384 :])
