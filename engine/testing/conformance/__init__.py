"""One suite of tests that every store passes, for stores of one's own.

Subclass `StoreConformance` in a module that pytest collects, under a name that begins with
``Test``, and give it `open_store`. pytest runs the tests and gives each a folder; nothing here
imports it.
"""

from perdure.testing.conformance.appends import AppendConformance
from perdure.testing.conformance.closing import ClosingConformance
from perdure.testing.conformance.delivery import DeliveryConformance
from perdure.testing.conformance.derived import DerivedConformance
from perdure.testing.conformance.engines import EngineConformance
from perdure.testing.conformance.leases import LeaseConformance
from perdure.testing.conformance.persistence import PersistenceConformance
from perdure.testing.conformance.positions import PositionConformance
from perdure.testing.conformance.reads import ReadConformance

__all__ = [
    "AppendConformance",
    "ClosingConformance",
    "DeliveryConformance",
    "DerivedConformance",
    "EngineConformance",
    "LeaseConformance",
    "PersistenceConformance",
    "PositionConformance",
    "ReadConformance",
    "StoreConformance",
]


class StoreConformance(
    AppendConformance,
    ReadConformance,
    PositionConformance,
    DeliveryConformance,
    LeaseConformance,
    DerivedConformance,
    ClosingConformance,
    PersistenceConformance,
    EngineConformance,
):
    """Every part of the suite. A subclass gives `open_store`, and where needed the other hooks.

    - `open_store`: opens the store in a folder.
    - `alter_state`, `damage_storage`: damage a log behind the store's back; needed where the store
      is persistent.
    - ``shared``: False where a log can be open only once at a time.
    - ``patience_seconds``: how long a test waits for a thread before it fails.
    """
