"""From a URL to a store.

A store is a folder (or a module) beside this file and one line in `_KINDS`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from perdure.errors import InvalidArgument, Unsupported
from perdure.store.memory import open_memory
from perdure.store.sqlite.store import is_writable_sqlite, open_sqlite
from perdure.store.store import Durability, Opener, Store

MEMORY_URL: Final = "memory:"

_FOREVER_SECONDS: Final = 1_000_000
_DEFAULTS: Final = ("full", 5.0, False)


class StoreKind(NamedTuple):
    """How the stores of one URL scheme are opened, and whether one can be written to."""

    open: Opener
    is_writable: Callable[[str], bool]


_KINDS: Final[Mapping[str, StoreKind]] = MappingProxyType(
    {
        "memory": StoreKind(open_memory, lambda _url: True),
        "sqlite": StoreKind(open_sqlite, is_writable_sqlite),
    }
)


def open_store(
    url: str | Callable[[], Store],
    *,
    durability: Durability = "full",
    busy_timeout_seconds: float = 5.0,
    readonly: bool = False,
) -> Store:
    """Return the store at ``memory:`` or ``sqlite:///path`` (four slashes for an absolute path).

    - ``url``: a URL, or a function that opens a store of another kind. Such a function takes the
      place of the other parameters, which must be left as they are.
    - ``durability``: "full" or "normal"; see `Durability`.
    - ``busy_timeout_seconds``: how long a commit waits for another process that writes.
    - ``readonly``: open an existing SQLite file and never write to it.

    Raises InvalidArgument for a malformed URL or argument, Unsupported for PostgreSQL, StoreError
    where the store cannot be opened.
    """
    if durability not in ("full", "normal"):
        raise InvalidArgument(
            f"durability is 'full' or 'normal', not {durability!r}", parameter="durability"
        )
    if (
        not isinstance(busy_timeout_seconds, int | float)
        or isinstance(busy_timeout_seconds, bool)
        or not 0 <= busy_timeout_seconds < _FOREVER_SECONDS
    ):
        raise InvalidArgument(
            f"busy_timeout_seconds is from 0 to {_FOREVER_SECONDS}, not {busy_timeout_seconds!r}",
            parameter="busy_timeout_seconds",
        )
    if not isinstance(url, str) and callable(url):
        if (durability, busy_timeout_seconds, readonly) != _DEFAULTS:
            raise InvalidArgument(
                "durability, busy_timeout_seconds and readonly are for the function that opens the"
                " store to decide",
                parameter="url",
            )
        return url()
    return _kind_of(url).open(
        url, durability=durability, busy_timeout_seconds=busy_timeout_seconds, readonly=readonly
    )


def is_writable(url: str) -> bool:
    """Whether there is a database at the URL that this process may write to.

    Raises as `open_store`.
    """
    return _kind_of(url).is_writable(url)


def _kind_of(url: str) -> StoreKind:
    scheme = str(url).split(":", 1)[0]
    if scheme in ("postgresql", "postgres"):
        raise Unsupported("PostgreSQL is not supported by this version", url_scheme=scheme)
    if not isinstance(url, str) or scheme not in _KINDS:
        raise InvalidArgument(
            f"a database URL is memory: or sqlite:///path, not {url!r}", parameter="url"
        )
    return _KINDS[scheme]
