"""Bringing derived data up to the end of the log, and making it anew from nothing.

Invariants: rebuilding reads only the log; it makes every byte as it was before.
"""

from perdure.errors import LogCorrupt
from perdure.projections.catalog import catch_up_catalog
from perdure.projections.rows import is_text
from perdure.projections.snapshots import load
from perdure.store import Mapper, Store


def catch_up(store: Store, mapper: Mapper) -> None:
    """Derive everything up to the end of the log."""
    catch_up_catalog(store.recorder, store.derived, mapper)
    for session_id in filter(is_text, store.recorder.session_ids()):
        try:
            _, due = load(store, mapper, session_id)
        except LogCorrupt:
            continue  # the audit reports it; the other sessions go on
        if due is not None:
            store.derived.put_snapshot(session_id, *due)


def rebuild(store: Store, mapper: Mapper) -> None:
    """Forget all derived data, then derive it again."""
    store.derived.clear()
    catch_up(store, mapper)
