"""The work items, in the order of the tables. One more is a module and its line here.

A module has ``NAME`` (for the command line), ``TITLE`` (for the tables) and ``measure(setup)``,
which returns a `Report`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from bench.items import (
    append,
    audit,
    checking,
    concurrent,
    decision,
    footprint,
    history,
    importing,
    listing,
    resume,
    subscribing,
)
from bench.report import Report
from bench.setup import Setup


class Item(NamedTuple):
    """A work item: its name, the heading of its tables, and its function."""

    name: str
    title: str
    measure: Callable[[Setup], Report]


ITEMS: Final = tuple(
    Item(module.NAME, module.TITLE, module.measure)
    for module in (
        append,
        concurrent,
        resume,
        history,
        audit,
        importing,
        listing,
        subscribing,
        footprint,
        decision,
        checking,
    )
)
