"""The prose is plain: no words that hide who acts, no clause as a noun, one meaning a term.

What is left of older prose is counted by folder, and may only become less.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from perdure import Engine
from perdure.machines import BUILT_IN, Machine
from perdure.values import Boundary
from tests.project.test_layers import TEXTS

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"

BANNED = re.compile(
    r"\b(whoever|nobody|somebody|anybody|whatever|whichever|meanwhile)\b"
    r"|\bwhat (is|was|were|are|it|they|has|had|have|can|may|must|would|could|no|else|happens"
    r"|happened|remains|follows|holds|came|comes)\b",
    re.IGNORECASE,
)
"""Words that do not say who acts, and the beginnings of a clause that stands for a noun."""

LEFT: dict[str, int] = {
    "docs/guarantees.md": 1,
    "docs/running.md": 1,
    "machines/builtin": 9,
    "runtime": 1,
    "runtime/session": 3,
    "runtime/turn": 1,
    "runtime/verbs": 3,
    "runtime/watch": 1,
    "store/sqlite": 2,
}
"""How many passages of each folder are still to be rewritten: never more, and to be none."""

EXEMPT = {"docs/benchmarks.md"}  # printed by bench/

pages_only = pytest.mark.skipif(
    not GLOSSARY.is_file(), reason="no documentation beside these tests"
)


def prose(text: str) -> Iterator[str]:
    """Yield the comments and the strings of a module, docstrings and messages among them."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def found_in(text: str) -> list[str]:
    """Return the banned passages of a text."""
    return [match[0] for match in BANNED.finditer(" ".join(text.split()))]


def folder_of(path: str) -> str:
    """Return the folder that a module is counted under: two levels at most."""
    return "/".join(path.split("/")[:-1][:2]) or "."


def left_in_code() -> Counter[str]:
    """Return how many banned passages each folder of the package has."""
    return Counter(
        folder_of(path)
        for path, text in TEXTS.items()
        for part in prose(text)
        for _ in found_in(part)
    )


def left_in_pages() -> Counter[str]:
    """Return how many banned passages each page has; decisions are history."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    found = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in pages}
    return Counter(
        path for path, text in found.items() if path not in EXEMPT for _ in found_in(text)
    )


def more_than_left(counted: Counter[str]) -> dict[str, int]:
    """Return the folders and pages that have more banned passages than were left."""
    return {where: count for where, count in counted.items() if count > LEFT.get(where, 0)}


def test_no_folder_of_the_package_gains_a_banned_passage() -> None:
    assert more_than_left(left_in_code()) == {}


@pages_only
def test_no_page_gains_a_banned_passage() -> None:
    assert more_than_left(left_in_pages()) == {}


@pytest.mark.parametrize(
    "passage",
    ["# nobody asks", '"""Return what was recorded."""', 'raise ValueError("whatever it is")'],
)
def test_a_banned_passage_is_found(passage: str) -> None:
    assert [one for part in prose(f"{passage}\n") for one in found_in(part)]


def rows() -> list[tuple[str, str]]:
    """Return the words of the glossary, each with its meaning."""
    lines = GLOSSARY.read_text("utf-8").splitlines()
    table = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    return [(word.strip(), meaning.strip()) for word, meaning in table]


def names() -> set[str]:
    """Return the names that the glossary may refer to: of code, of machines and of boundaries."""
    defined = {
        node.name
        for text in TEXTS.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    machines = [machine for machine in BUILT_IN.values() if isinstance(machine, Machine)]
    declared = {verb.name for machine in machines for verb in machine.verbs}
    declared |= {phase for machine in machines for phase in machine.phases}
    words = {
        word
        for machine in machines
        for variable in machine.variables
        for word in getattr(variable, "words", ())
    }
    return (
        defined
        | declared
        | words
        | set(dir(Engine))
        | {*get_args(Boundary), "code", "run_id", "specs/"}
    )


@pages_only
def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    words = [word for word, _ in rows()]
    assert len(words) > 60
    assert words == sorted(set(words))


@pages_only
def test_the_glossary_names_only_what_is_there() -> None:
    named = {name for _, meaning in rows() for name in re.findall(r"`([^`]+)`", meaning)}
    assert len(named) > 30
    assert named <= names()


@pages_only
def test_each_meaning_is_one_sentence_or_a_few() -> None:
    for word, meaning in rows():
        assert meaning.endswith("."), word
        assert len(meaning) < 240, word
