"""The reference of the engine's verbs, printed from their signatures and docstrings.

Invariants: every public name of the classes is printed once, in the order and under the headings
that the class has in its source; nothing is written by hand but the introductions.

    python -m tests.support.reference    # writes docs/reference.md
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

import perdure
from perdure import Control, Engine, PerdureError, RuntimeAdapter, Turn
from perdure.aggregates import SessionEvent
from perdure.runtime.turn.agent import AgentLike
from perdure.values import Terminal

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
CLASSES: Final = (Engine, Control, Turn, RuntimeAdapter)
ALIASES: Final[dict[str, Any]] = {
    "SessionEvent": SessionEvent,
    "Terminal": Terminal,
    "AgentLike": AgentLike,
}
"""Types of many parts, which the page shows by their names."""

WIDTH: Final = 96

INTRODUCTION: Final = """\
# Reference

This page is printed from the docstrings (`make specs`). [Giving the engine an agent](agents.md)
introduces the verbs; [the glossary](glossary.md) explains the words.

`perdure.Engine` is asynchronous, as shown here. `perdure.sync.Engine` has the same verbs with the
same parameters, blocking. The values that verbs take and return are [below](#values), and so are
[the errors](#errors).
"""
VALUES: Final = """\
Immutable structures of the package `perdure`. A field with a default shows it. Three names stand
for several types:

- `SessionEvent`: an event of [the log](log-format.md), by its Python type in `perdure.aggregates`.
- `Terminal`: `Completed`, `NoPendingBoundary`, `CallbackPending`, `Failed`, `Cancelled` or
  `OwnerLost`.
- `AgentLike`: an object with an async `run_turn(turn)`, or an async callable.
"""
ERRORS: Final = """\
Every error derives from `PerdureError` and has a stable `code`, a message, and its facts in `data`.
"""


def printed() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        *(part for kind in CLASSES for part in _class(kind)),
        f"## Values\n\n{VALUES}",
        *map(_value, _public(msgspec.Struct)),
        f"## Errors\n\n{ERRORS}",
        _errors(),
    ]
    return "\n".join(parts)


def _class(kind: type) -> Iterator[str]:
    """Yield the parts of the page that show a class, its docstring first."""
    yield f"## {kind.__name__}\n\n{inspect.getdoc(kind)}\n"
    yield from verbs_of(kind)


def names_of(kind: type) -> list[str]:
    """Return the public names of a class, its own and inherited, in no particular order."""
    return [name for name in dir(kind) if not name.startswith("_")]


def verbs_of(kind: type) -> Iterator[str]:
    """Yield the parts of the page that show a class's verbs, headings among them."""
    left = set(names_of(kind))
    for line in inspect.getsource(kind).splitlines():
        if heading := re.match(r"    # ([A-Z][\w ,]+)$", line):
            yield f"### {heading[1]}\n"
        found = re.match(r"    (?:async )?(?:def )?(\w+)(?:\(| = )", line)
        if found is not None and found[1] in left:
            left.remove(found[1])
            yield _verb(kind, found[1])
    for name in sorted(left):
        yield _verb(kind, name)


def _verb(kind: type, name: str) -> str:
    verb = inspect.getattr_static(kind, name)
    text = inspect.getdoc(getattr(kind, name))
    if isinstance(verb, property):
        assert verb.fget is not None
        returns = inspect.signature(verb.fget).return_annotation
        shown = f"{name}: {_named(returns)}"
    else:
        shown = _signature(name, getattr(kind, name))
    return f"#### {name}\n\n```text\n{shown}\n```\n\n{text}\n"


def _signature(name: str, verb: Callable[..., Any]) -> str:
    signature = inspect.signature(verb)
    given = [one for one in signature.parameters.values() if one.name != "self"]
    parameters = [_parameter(one) for one in given]
    keyword_only = [one.kind is inspect.Parameter.KEYWORD_ONLY for one in given]
    if True in keyword_only:
        parameters.insert(keyword_only.index(True), "*")
    returns = _named(signature.return_annotation)
    awaits = "await " if inspect.iscoroutinefunction(verb) else ""
    line = f"{awaits}{name}({', '.join(parameters)}) -> {returns}"
    if len(line) <= WIDTH:
        return line
    listed = "".join(f"    {one},\n" for one in parameters)
    return f"{awaits}{name}(\n{listed}) -> {returns}"


def _parameter(one: inspect.Parameter) -> str:
    shown = f"{one.name}: {_named(one.annotation)}"
    if one.default is one.empty:
        return shown
    return f"{shown} = {getattr(one.default, '__name__', repr(one.default))}"


def _named(annotation: Any) -> str:
    """Return an annotation with the names of the page for the types of many parts."""
    text = _spelt_out(annotation)
    for name, kinds in ALIASES.items():
        text = text.replace(_spelt_out(kinds), name)
    return text


def _spelt_out(annotation: Any) -> str:
    """Return an annotation without the modules that its names come from."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def _public(kind: type) -> list[type]:
    """Return the public classes of one kind, in the order of their names."""
    found = [getattr(perdure, name) for name in perdure.__all__]
    return [one for one in found if isinstance(one, type) and issubclass(one, kind)]


def _value(kind: Any) -> str:
    fields = [f"    {_parameter(one)}\n" for one in inspect.signature(kind).parameters.values()]
    name = kind.__name__
    return f"#### {name}\n\n```text\n{name}\n{''.join(fields)}```\n\n{inspect.getdoc(kind)}\n"


def _errors() -> str:
    """Return a table of the errors: class, code, and the first paragraph of the docstring."""
    rows = []
    for kind in _public(PerdureError):
        said = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
        rows.append(f"| `{kind.__name__}` | `{kind.code}` | {said} |\n")  # type: ignore[attr-defined]
    return "| error | code | meaning |\n| --- | --- | --- |\n" + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(printed(), "utf-8")
