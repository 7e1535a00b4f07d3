"""Bytes in and out: rows, links, transactions, and the data derived beside them."""

from engine.store.connections import Durability
from engine.store.derived import CatalogRow, Derived
from engine.store.leases import Lease, Leases
from engine.store.mapper import Mapper
from engine.store.memory import MemoryRecorder
from engine.store.opening import MemoryStore, Recorder, SQLiteStore, Store, open_store
from engine.store.sqlite import SQLiteRecorder

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
