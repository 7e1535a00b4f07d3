"""Output of a command: text, tables, or one JSON document; and progress, on a terminal only.

Invariants: on a terminal, text from the log cannot move the cursor or change colours; into a pipe,
nothing is shortened; ids are whole everywhere; a JSON document is UTF-8 under any locale.
"""

import contextlib
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

_DESCRIPTION: Final = "{task.description}"
_SHORT_DIGEST: Final = 12
_GAP: Final = 2
_RULED_GAP: Final = 3
_DIRECTIONAL: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

DIGESTS: Final = frozenset(("conversation_digest", "link", "run_id"))
"""Columns that a narrow terminal may shorten."""

Cells = Sequence[object]


class CommandAnswer:
    """The output of one command; ``exit_code`` is the code that the command will end with."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json: Final = as_json
        self.exit_code = 0
        sys.stdout, sys.stderr = _writable(sys.stdout), _writable(sys.stderr)

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads this, rather than a pipe or a file."""
        return not self.as_json and sys.stdout.isatty()

    def document(self, value: Any) -> None:
        """Print the one JSON document."""
        try:
            encoded = msgspec.json.encode(value)
        except UnicodeEncodeError:  # a file name that is no text
            encoded = json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()
        self.raw(encoded + b"\n")

    def raw(self, data: bytes) -> None:
        """Print bytes as they are."""
        sys.stdout.flush()
        sys.stdout.buffer.write(data)

    def line(self, text: str = "") -> None:
        """Print one line of text."""
        sys.stdout.write(f"{visible(text)}\n")

    def problem(self, text: str) -> None:
        """Print one line where errors go."""
        sys.stderr.write(f"perdure: {visible(text)}\n")

    def listing(self, items: Sequence[Any], columns: Sequence[str], *, empty: str) -> None:
        """Print the items: as the document, as a table of these fields, or ``empty`` for none.

        An item is a struct or a mapping.
        """
        if self.as_json:
            self.document(items)
        elif not items:
            self.line(empty)
        else:
            self.table(columns, [[_field(item, name) for name in columns] for item in items])

    def table(self, columns: Sequence[str], rows: Sequence[Cells]) -> None:
        """Print rows under their columns' names: ruled on a terminal, just aligned in a pipe."""
        cells = [[_cell(value) for value in row] for row in rows]
        if self.on_terminal:
            _print_fitting(columns, cells)
            return
        widths = _widths(columns, cells)
        for row in [list(columns), *cells]:
            padded = [
                text + " " * (w - cell_len(text)) for text, w in zip(row, widths, strict=True)
            ]
            sys.stdout.write(f"{(' ' * _GAP).join(padded).rstrip()}\n")


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return the text with the characters that a terminal would obey spelled out."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(c if c in keep or not _obeyed(c) else ascii(c)[1:-1] for c in text)


@contextlib.contextmanager
def progress(
    description: str, total: int | None, *, in_bytes: bool
) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, if that is a terminal; the value advances it."""
    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    with _bar(TextColumn(_DESCRIPTION), BarColumn(), count) as bar:
        task = bar.add_task(description, total=total)
        yield lambda amount: bar.advance(task, amount)


@contextlib.contextmanager
def search_progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show on stderr, if that is a terminal, how far the search of a machine is.

    The value takes the number of states found and the depth reached.
    """
    with _bar(SpinnerColumn(), TextColumn(_DESCRIPTION)) as bar:
        task = bar.add_task(f"checking {name}", total=None)
        yield lambda states, depth: bar.update(
            task, description=f"checking {name}: {states:,} states, depth {depth}"
        )


def _bar(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())


def _writable(stream: TextIO | None) -> TextIO:
    """Return the stream, made to take any text; one into nothing where it was closed."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - a device, for as long as the process lives
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _obeyed(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTIONAL


def _field(item: Any, name: str) -> object:
    return item[name] if isinstance(item, Mapping) else getattr(item, name)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case dict():
            text = " ".join(f"{name}={item}" for name, item in value.items())
        case _:
            text = str(value)
    return visible(text, keep="")


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(cell_len(text) for text in column) for column in zip(columns, *cells, strict=True)]


def _print_fitting(columns: Sequence[str], rows: list[list[str]]) -> None:
    """Print a ruled table, with digests shortened if it must be, or a block of lines for each row.

    The last is for a terminal on which no table fits without breaking ids apart.
    """
    console = Console()
    for shortened in (False, True):
        shown = [[_short(n, t) if shortened else t for n, t in _named(columns, r)] for r in rows]
        if sum(_widths(columns, shown)) + _RULED_GAP * len(columns) <= console.width:
            table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
            for row in shown:
                table.add_row(*(Text(text) for text in row))
            console.print(table)
            return
    width = max(map(cell_len, columns))
    for row in rows:
        for name, text in _named(columns, row):
            sys.stdout.write(f"{name:<{width + _GAP}}{text}\n")
        sys.stdout.write("\n")


def _named(columns: Sequence[str], row: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(columns, row, strict=True)


def _short(name: str, text: str) -> str:
    return f"{text[:_SHORT_DIGEST]}…" if name in DIGESTS and len(text) > _SHORT_DIGEST else text
