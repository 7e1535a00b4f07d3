"""All of ``specs/``: the machines, the log format, the vectors, and a guide to each.

Invariants: every file under ``specs/`` is made here and never by hand; `documents` is a function of
the code alone, so a test can compare.
"""

import functools
from typing import Any

import msgspec

from perdure.contracts import guides
from perdure.contracts.events import schemas
from perdure.contracts.machines import folder_of, machine_documents
from perdure.contracts.vectors import vectors
from perdure.machines import BUILT_IN, check


@functools.cache
def documents() -> dict[str, str]:
    """Return the text of every file, by its path below ``specs/``.

    Explores every built-in machine. Raises Unsupported where RFC 8785 is not to be had.
    """
    reports = {name: check(model) for name, model in BUILT_IN.items()}
    files = {
        f"machines/{folder_of(name, model)}/{file}": text
        for name, model in BUILT_IN.items()
        for file, text in machine_documents(name, model, reports[name]).items()
    }
    files |= {f"events/{file}": _pretty(document) for file, document in schemas().items()}
    files |= {f"vectors/{file}": _pretty(document) for file, document in vectors().items()}
    files["README.md"] = guides.whole()
    files["machines/README.md"] = guides.machines(reports)
    files["events/README.md"] = guides.events()
    files["vectors/README.md"] = guides.vectors()
    return files


def _pretty(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
