"""Options that several commands share.

Invariants: a command that only reads never makes a database; one that looks at evidence never
writes to it.
"""

from typing import Annotated, Final

import typer

from perdure.errors import InvalidArgument
from perdure.store.open import MEMORY_URL

DEFAULT_URL: Final = "sqlite:///perdure.db"

Database = Annotated[
    str,
    typer.Option(
        "--db",
        metavar="URL",
        envvar="PERDURE_DB",
        help="The database: sqlite:///relative.db, sqlite:////absolute.db or, to demo and import, "
        "memory:",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
SessionId = Annotated[
    str, typer.Argument(metavar="ID", help="The session's id.", show_default=False)
]
SessionIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Sessions; all, if none is named.", show_default=False),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", min=0, metavar="N", help="At most so many; on a terminal 50, otherwise all."
    ),
]

TERMINAL_LIMIT: Final = 50


def checked_url(url: str) -> str:
    """Return the URL if there can be something to read there. Raises InvalidArgument."""
    if url == MEMORY_URL:
        raise InvalidArgument(
            "memory: holds nothing to read from; name a file: --db sqlite:///path", parameter="db"
        )
    return url
