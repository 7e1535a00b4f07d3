"""Contracts for other languages and tools, made by the code and compared with ``specs/``."""

from perdure.contracts.all import documents
from perdure.contracts.files import drift, write
from perdure.contracts.machines import folder_of, machine_documents

__all__ = ["documents", "drift", "folder_of", "machine_documents", "write"]
