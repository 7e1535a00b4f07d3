"""perdure: an embeddable, event-sourced engine for AI-agent sessions."""

from engine.errors import (
    AuthorityRequired,
    Conflict,
    EngineClosed,
    IllegalTransition,
    InvalidArgument,
    InvalidMachine,
    InvalidMessage,
    LogCorrupt,
    PerdureError,
    ReceiptNotFound,
    SessionBusy,
    SessionNotFound,
    SessionNotRunning,
    StaleWriter,
    StoreError,
    Unsupported,
)
from engine.runtime import Delivery, Engine, Environment
from engine.values import (
    ApplyOutput,
    Boundary,
    Checkpoint,
    Completed,
    ContextOutput,
    Head,
    Receipt,
    Usage,
)
from projections.catalog import SessionView
from projections.findings import AuditReport, Finding
from projections.history import HistoryPage

__all__ = [
    "ApplyOutput",
    "AuditReport",
    "AuthorityRequired",
    "Boundary",
    "Checkpoint",
    "Completed",
    "Conflict",
    "ContextOutput",
    "Delivery",
    "Engine",
    "EngineClosed",
    "Environment",
    "Finding",
    "Head",
    "HistoryPage",
    "IllegalTransition",
    "InvalidArgument",
    "InvalidMachine",
    "InvalidMessage",
    "LogCorrupt",
    "PerdureError",
    "Receipt",
    "ReceiptNotFound",
    "SessionBusy",
    "SessionNotFound",
    "SessionNotRunning",
    "SessionView",
    "StaleWriter",
    "StoreError",
    "Unsupported",
    "Usage",
]
