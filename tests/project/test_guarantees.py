"""Each guarantee is held by tests that `make test` runs, and the page on guarantees names them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "guarantees.md"
GUARANTEES = range(1, 11)
Found = dict[Path, list[tuple[str, bool]]]


def named_in(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the names of a file's tests, and whether each is thorough as a whole."""
    tree = ast.parse(source)
    for item in tree.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = {ast.unparse(mark) for mark in item.decorator_list}
            yield item.name, "pytest.mark.thorough" in marks


def held(tests: Found) -> dict[int, set[Path]]:
    """Return for each guarantee the files with a test of it that is not thorough."""
    return {
        number: {
            path
            for path, found in tests.items()
            for name, thorough in found
            if not thorough and number in _numbers(name)
        }
        for number in GUARANTEES
    }


def _numbers(name: str) -> set[int]:
    found = re.match(r"test_((?:g\d+_)+)(?:to_g(\d+)_)?", name)
    if found is None:
        return set()
    first = {int(number) for number in re.findall(r"\d+", found[1])}
    return first | set(range(min(first), int(found[2]) + 1)) if found[2] else first


@pytest.fixture(scope="module")
def found() -> Found:
    paths = sorted(TESTS.glob("*/test_*.py"))
    return {path: list(named_in(path.read_text("utf-8"))) for path in paths}


def test_every_guarantee_has_tests_that_make_test_runs(
    found: Found,
) -> None:
    assert [number for number, paths in held(found).items() if not paths] == []


@pytest.mark.skipif(not PAGE.is_file(), reason="no documentation beside these tests")
def test_the_page_on_guarantees_names_a_file_that_holds_each(
    found: Found,
) -> None:
    rows = re.findall(
        r"^\| \*\*G(\d+)\*\* [^|]*\| ([^|]*) \|", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _ in rows] == list(GUARANTEES)
    for number, files in rows:
        named = {TESTS / file for file in re.findall(r"`(\w+/test_\w+\.py)`", files)}
        assert named & held(found)[int(number)], f"G{number}"


def test_a_guarantee_that_only_thorough_tests_hold_is_found() -> None:
    source = """
@pytest.mark.thorough
def test_g2_g9_a(): ...
def test_g1_to_g3_b(): ...
def test_c(): ...
"""
    path = Path("one.py")
    both = held({path: list(named_in(source))})
    assert {number for number, paths in both.items() if paths} == {1, 2, 3}
    alone = held({path: list(named_in(source.replace("g1_to_g3", "g3")))})
    assert {number for number, paths in alone.items() if paths} == {3}
