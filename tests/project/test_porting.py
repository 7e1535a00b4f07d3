"""The page for those who come from another service: every verb and every test it names is there."""

import re
from pathlib import Path

import pytest

from perdure import Engine
from perdure.runtime.control import Control

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "porting.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="no documentation beside these tests")


def rows(heading: str) -> list[list[str]]:
    section = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_every_verb_it_names_is_one_and_no_verb_is_left_out() -> None:
    named = {word for row in rows("Operations") for word in re.findall(r"`([a-z_.]+)`", row[1])}
    control = {word.removeprefix("control.") for word in named if word.startswith("control.")}
    verbs = {word for word in named if "." not in word}
    public = {name for name in vars(Control) if not name.startswith("_")}
    assert control <= public
    assert verbs <= {name for name in dir(Engine) if not name.startswith("_")}
    assert public <= control | verbs


def test_every_letter_has_tests_that_carry_it_and_each_is_there() -> None:
    letters = rows("Failures that must be impossible")
    assert [row[0].strip("*") for row in letters] == list("ABCDEFGHIJK")
    sources = "\n".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    for letter, *_, tests in letters:
        named = re.findall(r"`(test_\w+)`", tests)
        assert any(name.startswith(f"test_{letter.strip('*').lower()}_") for name in named)
        for name in named:
            assert f"def {name}(" in sources, name
