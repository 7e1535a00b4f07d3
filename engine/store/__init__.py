"""Stores: logs of rows, the links between rows, transactions, and data derived from the log.

`Store`, `Recorder`, `Derived` and `Leases` are the protocols; `docs/stores.md` says how to write a
store of one's own.
"""

from perdure.store.committer import Committer
from perdure.store.derived import CatalogRow, Derived
from perdure.store.leases import Lease, Leases
from perdure.store.mapper import Mapper
from perdure.store.memory import MemoryDerived, MemoryLeases, MemoryRecorder, MemoryStore
from perdure.store.open import open_store
from perdure.store.recorder import (
    EventPlace,
    Listener,
    Outcome,
    PositionedRow,
    Recorder,
    StoredRow,
    Submission,
    check_dense,
)
from perdure.store.sqlite.recorder import SQLiteRecorder
from perdure.store.sqlite.store import SQLiteStore
from perdure.store.store import Durability, Settle, Store

__all__ = [
    "CatalogRow",
    "Committer",
    "Derived",
    "Durability",
    "EventPlace",
    "Lease",
    "Leases",
    "Listener",
    "Mapper",
    "MemoryDerived",
    "MemoryLeases",
    "MemoryRecorder",
    "MemoryStore",
    "Outcome",
    "PositionedRow",
    "Recorder",
    "SQLiteRecorder",
    "SQLiteStore",
    "Settle",
    "Store",
    "StoredRow",
    "Submission",
    "check_dense",
    "open_store",
]
