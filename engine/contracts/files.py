"""Files: writing documents to disk, and comparing a folder with them.

Invariants: a document is its path below the folder and its text; nothing is ever removed.
"""

from collections.abc import Mapping
from pathlib import Path


def write(folder: Path, documents: Mapping[str, str]) -> None:
    """Write every document below ``folder``."""
    for path, text in documents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())


def drift(folder: Path, documents: Mapping[str, str], *, whole: bool = True) -> dict[str, str]:
    """Return the problem of each file that is missing, differs or is left over.

    ``whole`` says that the documents are all that the folder should hold.
    """
    found = {}
    for path, text in documents.items():
        file = folder / path
        if not file.is_file():
            found[path] = "missing"
        elif file.read_bytes() != text.encode():
            found[path] = "differs"
    for file in folder.rglob("*") if whole else ():
        path = file.relative_to(folder).as_posix()
        if file.is_file() and path not in documents:
            found[path] = "left over"
    return dict(sorted(found.items()))
