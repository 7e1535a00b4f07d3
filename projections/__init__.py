"""Read models, derived from the log alone and disposable."""

import engine.errors  # noqa: F401 - first: the engine's package needs modules of this one, whole
from projections.audit import audit_session
from projections.auditing import audit_store
from projections.catalog import SessionView, list_sessions, view_of
from projections.digests import canonical_digest, recorded_digest
from projections.findings import AuditReport, Finding
from projections.history import HistoryPage, page_of, receipts_of
from projections.rebuilding import catch_up, rebuild

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
