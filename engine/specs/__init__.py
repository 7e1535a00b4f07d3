"""Contracts for other languages and tools, made by the code and compared with what is committed."""

from engine.specs.files import drift, write
from engine.specs.machines import folder_of, machine_documents
from engine.specs.whole import documents

__all__ = ["documents", "drift", "folder_of", "machine_documents", "write"]
