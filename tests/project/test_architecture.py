"""The page on the architecture agrees with the code: files, layers, and the trip of a turn."""

import ast
import asyncio
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import perdure
from perdure import EchoAgent, Engine
from perdure.aggregates.session import lifecycle
from tests.project.test_layers import LAYERS, NOT_YET
from tests.support import file_list

PACKAGE = Path(perdure.__file__).resolve().parent
ROOT = file_list.PAGE.parents[1]
GIT = shutil.which("git")
TRIPS = ("record_turn", "apply_turn")

pytestmark = pytest.mark.skipif(
    not file_list.PAGE.is_file(), reason="no documentation beside these tests"
)


def page() -> str:
    return file_list.PAGE.read_text("utf-8")


def section(heading: str) -> str:
    """Return the text under a heading, up to the next heading."""
    return re.split(r"^#+ ", page().split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]


def named(text: str) -> list[tuple[str, str]]:
    """Return the functions that the tables in a text name, each with its file."""
    row = r"\| `([\w.]+)` \| `((?:engine|projections)/[\w/]+\.py)` \|"
    return [(path, name) for name, path in re.findall(row, text)]


def source(path: str) -> Path:
    """Return where a file of the repository is, also where only the wheel is installed."""
    return PACKAGE / path.removeprefix("engine/")


def defined(path: str) -> set[str]:
    """Return the qualified names of all that a module defines at its top and in its classes."""
    found = set()
    for node in ast.parse(source(path).read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.ClassDef(name=name, body=body):
                inner = (ast.FunctionDef, ast.AsyncFunctionDef)
                found |= {name, *(f"{name}.{one.name}" for one in body if isinstance(one, inner))}
    return found


def test_the_list_of_files_is_that_of_the_package() -> None:
    assert page() == file_list.with_list(page()), "print it anew: make specs"


@pytest.mark.skipif(GIT is None or not (ROOT / ".git").exists(), reason="no repository here")
def test_every_folder_of_the_repository_has_its_line() -> None:
    command = [str(GIT), "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    folders = {line.split("/")[0] for line in listed.stdout.splitlines() if "/" in line}
    assert {f"{name}/" for name in folders} == set(
        re.findall(r"^\| `([\w.]+/)` \|", section("The repository"), re.MULTILINE)
    )


def test_the_picture_has_every_layer_and_its_arrows_point_down() -> None:
    arrows = re.findall(r"^  (\w+)[^>]*--> (\w+)", section("Layers"), re.MULTILINE)
    heights = {
        name.rpartition(".")[2]: height for name, height in LAYERS.items() if name not in NOT_YET
    }
    assert {name for arrow in arrows for name in arrow} == set(heights)
    assert all(heights[above] > heights[below] for above, below in arrows)


def test_every_function_that_the_page_names_is_there() -> None:
    functions = named(page())
    assert len(functions) > 30
    for path, name in functions:
        assert name in defined(path), f"{path} defines no {name}"


@pytest.mark.parametrize("verb", TRIPS)
def test_a_turn_calls_these_functions_in_this_order(verb: str, tmp_path: Path) -> None:
    trip = named(section(f"`{verb}`"))
    assert len(trip) == len(set(trip))
    calls = calls_of(verb, f"sqlite:///{tmp_path / 'sessions.db'}")
    assert [call for call in calls if call in trip] == trip


def calls_of(verb: str, url: str) -> list[tuple[str, str]]:
    """Run a turn, and return each function that it calls, in the order of the first calls.

    Its messages are too large for the event loop's own thread, so that the commit takes both ways.
    """
    lifecycle._AFTER_TURN.clear()  # a turn that is like an earlier one asks no authority
    request = "x" * 300_000
    calls: dict[tuple[str, str], None] = {}
    going = threading.Event()

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and going.is_set() and "perdure" in path.parts:
            inner = path.relative_to(perdure.__file__.removesuffix("/__init__.py")).as_posix()
            where = inner if inner.startswith("projections/") else f"engine/{inner}"
            calls[where, frame.f_code.co_qualname] = None

    async def main() -> None:
        async with Engine.open(url) as engine:
            await engine.register("s")
            await engine.attach("s", EchoAgent())
            going.set()
            if verb == "record_turn":
                await engine.record_turn("s", [{"role": "user", "content": request}])
            else:
                await engine.apply_turn("s", request)
            going.clear()

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        asyncio.run(main())
    finally:
        sys.setprofile(before)
        threading.setprofile(before)
    return list(calls)
