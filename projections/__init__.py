"""Read models, derived from the log alone and disposable.

The audit is loaded when it is first asked for: few processes audit, and no other waits for it.
"""

from typing import TYPE_CHECKING, Any

from perdure.projections.audit.findings import AuditReport, Finding
from perdure.projections.catalog import SessionView, list_sessions, view_of
from perdure.projections.digests import canonical_digest, recorded_digest
from perdure.projections.history import HistoryPage, page_of, receipts_of
from perdure.projections.rebuild import catch_up, rebuild

if TYPE_CHECKING:
    from perdure.projections.audit.session import audit_session
    from perdure.projections.audit.store import audit_store

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
        from perdure.projections.audit.session import audit_session  # noqa: PLC0415

        return audit_session
    if name == "audit_store":
        from perdure.projections.audit.store import audit_store  # noqa: PLC0415

        return audit_store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
