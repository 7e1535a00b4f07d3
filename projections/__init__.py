"""Read models, derived from the log alone and disposable.

The audit is loaded when it is first asked for: few processes audit, and no other waits for it.
"""

from typing import TYPE_CHECKING, Any

import engine.errors  # noqa: F401 - first: the engine's package needs modules of this one, whole
from projections.catalog import SessionView, list_sessions, view_of
from projections.digests import canonical_digest, recorded_digest
from projections.findings import AuditReport, Finding
from projections.history import HistoryPage, page_of, receipts_of
from projections.rebuilding import catch_up, rebuild

if TYPE_CHECKING:
    from projections.audit import audit_session
    from projections.auditing import audit_store

__all__ = [
    "AuditReport",
    "Finding",
    "HistoryPage",
    "SessionView",
    "audit_session",
    "audit_store",
    "canonical_digest",
    "catch_up",
    "list_sessions",
    "page_of",
    "rebuild",
    "receipts_of",
    "recorded_digest",
    "view_of",
]


def __getattr__(name: str) -> Any:
    """Return a name that is loaded when asked for. Raises AttributeError for any other."""
    if name == "audit_session":
        from projections.audit import audit_session  # noqa: PLC0415

        return audit_session
    if name == "audit_store":
        from projections.auditing import audit_store  # noqa: PLC0415

        return audit_store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
