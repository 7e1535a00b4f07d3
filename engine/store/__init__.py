"""Bytes in and out: rows, links, transactions, and the data derived beside them."""

from perdure.store.derived import CatalogRow, Derived
from perdure.store.leases import Lease, Leases
from perdure.store.mapper import Mapper
from perdure.store.memory import MemoryRecorder
from perdure.store.open import MemoryStore, Recorder, SQLiteStore, Store, open_store
from perdure.store.sqlite.connections import Durability
from perdure.store.sqlite.recorder import SQLiteRecorder

__all__ = [
    "CatalogRow",
    "Derived",
    "Durability",
    "Lease",
    "Leases",
    "Mapper",
    "MemoryRecorder",
    "MemoryStore",
    "Recorder",
    "SQLiteRecorder",
    "SQLiteStore",
    "Store",
    "open_store",
]
