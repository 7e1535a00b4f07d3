"""A class name means one class in the whole package, and an effect is named by a verb."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.project.test_layers import TEXTS

TWINS = {
    name: {f"runtime/{file}", f"sync/{twin}"}
    for name, file, twin in (
        ("Engine", "engine.py", "engine.py"),
        ("Control", "control.py", "parts.py"),
        ("RuntimeAdapter", "adapter.py", "parts.py"),
    )
}
"""Public classes that a blocking program imports under the same names from `perdure.sync`."""

IRREGULAR = {
    *("begun", "done", "drawn", "found", "given", "gone", "heard", "held", "kept", "known", "left"),
    *("lost", "made", "meant", "sent", "shown", "taken", "told", "withdrawn", "written"),
}
ADJECTIVES = {"alone", "busy", "current", "empty", "idle", "live", "ready"}


def classes(texts: dict[str, str]) -> dict[str, set[str]]:
    """Return the files that define each class, a module's private ones left out."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].add(path)
    return found


def twice(texts: dict[str, str]) -> list[str]:
    """Return the class names that mean two classes."""
    return [
        name
        for name, paths in sorted(classes(texts).items())
        if len(paths) > 1 and paths != TWINS.get(name)
    ]


def states(texts: dict[str, str]) -> Iterator[str]:
    """Yield every function that awaits and is named by a participle or an adjective."""
    for path, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.AsyncFunctionDef):
                first = node.name.strip("_").split("_")[0]
                if re.search("(ed|ing)$", first) or first in IRREGULAR | ADJECTIVES:
                    yield f"{path}: {node.name}"


def test_no_class_name_means_two_classes() -> None:
    assert {name: paths for name, paths in classes(TEXTS).items() if name in TWINS} == TWINS
    assert twice(TEXTS) == []


def test_a_function_that_awaits_is_named_by_what_it_does() -> None:
    assert list(states(TEXTS)) == []


@pytest.mark.parametrize("name", ["_attended", "looked_after", "withdrawn", "_begun", "alone"])
def test_a_name_that_hides_an_effect_is_found(name: str) -> None:
    planted = f"class Some:\n    async def {name}(self) -> None: ...\n"
    assert list(states({"runtime/some.py": planted})) == [f"runtime/some.py: {name}"]


def test_a_second_class_of_a_name_is_found() -> None:
    planted = {"cli/some.py": "class Turn: ...\nclass Engine: ...\n"}
    assert twice(TEXTS | planted) == ["Engine", "Turn"]
