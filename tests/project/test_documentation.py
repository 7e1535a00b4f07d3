"""Every snippet in the README and under docs/ runs, and prints what the page says it prints."""

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from perdure.aggregates import SessionEvent
from perdure.machines import SESSION

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").is_file(), reason="no documentation beside these tests"
)


def blocks(page: Path) -> list[tuple[str, str]]:
    return FENCE.findall(page.read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder from which modules can be imported, and forget those afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_snippet_runs_and_prints_what_follows_it(page: Path, folder: Path) -> None:
    found = blocks(page)
    for place, (language, text) in enumerate(found):
        if language != "python":
            continue
        if named := re.match(r"# (\w+\.py)\n", text):  # which the page says to save
            (folder / named[1]).write_text(text, "utf-8")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, f"{page.name}[{place}]", "exec"), {"__name__": "__main__"})  # noqa: S102
        following = found[place + 1] if place + 1 < len(found) else ("", "")
        if following[0] == "text":
            assert printed.getvalue() == following[1]


def test_the_readme_has_snippets_with_output() -> None:
    languages = [language for language, _ in blocks(ROOT / "README.md")]
    assert languages.count("python") >= 3
    assert languages.count("text") >= 3


def test_the_readme_names_just_two_commands_to_begin_with() -> None:
    first = next(text for language, text in blocks(ROOT / "README.md") if language == "sh")
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


def test_the_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme


def test_the_page_for_contributors_has_every_command_of_make() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    told = re.findall(r"^\| `make ([a-z-]+)` \|", page, re.MULTILINE)
    assert sorted(told) == sorted(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_the_picture_of_the_lifecycle_is_the_declaration() -> None:
    picture = next(text for lang, text in blocks(ROOT / "README.md") if lang == "mermaid")
    drawn = {
        (source, target, verb.strip())
        for source, target, verbs in re.findall(r"^  (\w+) --> (\w+): (.+)$", picture, re.MULTILINE)
        for verb in verbs.split(",")
    }
    declared = {
        (row.source, target, row.verb)
        for row in SESSION.all_rows()
        for target in SESSION.targets(row)
        if target != row.source
    }
    assert drawn == declared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.skipif(not (ROOT / "engine").is_dir(), reason="no source beside these tests")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    folders = "engine|projections|tests|examples|docs|specs|bench"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text("utf-8")):
        assert (ROOT / path).exists() or (ROOT / "tests" / path).exists(), path


def test_every_test_that_the_guarantees_name_is_there() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    here = Path(__file__).parents[1]
    sources = {
        path.relative_to(here).as_posix(): path.read_text("utf-8")
        for path in here.rglob("test_*.py")
    }
    assert set(re.findall(r"`(\w+/test_\w+\.py)`", page)) <= set(sources)
    everything = "\n".join(sources.values())
    for name in re.findall(r"`(test_g\w+)`", page):
        assert f"def {name}(" in everything


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8, 10])
def test_every_guarantee_has_tests_that_carry_its_number(number: int) -> None:
    here = Path(__file__).parents[1]
    page = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| **G{number}**"))
    named = re.findall(r"`(\w+/test_\w+\.py)`", row)
    assert any(f"def test_g{number}_" in (here / name).read_text("utf-8") for name in named)


def test_the_page_on_the_log_format_leads_to_every_event_with_its_fields() -> None:
    assert "(../specs/events/)" in (ROOT / "docs" / "log-format.md").read_text("utf-8")
    page = (ROOT / "specs" / "events" / "README.md").read_text("utf-8")
    told = dict(re.findall(r"^\| \[([a-z-]+)\].*? \| (.*?) ?\| ", page, re.MULTILINE))
    of_every_event = {"v", "session_id", "version", "at"}
    for event in get_args(SessionEvent):
        fields = [f"`{name}`" for name in event.__struct_fields__ if name not in of_every_event]
        assert told[event.__struct_config__.tag] == ", ".join(fields)
