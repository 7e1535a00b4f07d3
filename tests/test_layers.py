"""Imports point down only, and the pure layers know no clock, chance, thread or database."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import engine

ROOT = Path(engine.__file__).parents[1]  # of what is installed, source tree or wheel

LAYERS = {
    "engine.errors": 0,
    "engine.values": 1,
    "engine.machines": 2,
    "engine.aggregates": 3,
    "engine.store": 4,
    "projections": 5,
    "engine.runtime": 6,
    "engine": 7,  # the package itself only re-exports
    "engine.sync": 8,
    "engine.specs": 8,
    "engine.testing": 8,
    "engine.adapters": 9,
    "engine.cli": 9,
}
PURE = ("engine.errors", "engine.values", "engine.machines", "engine.aggregates")
IMPURE = {
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "uuid_utils",
    "os",
    "asyncio",
    "threading",
    "sqlite3",
    "eventsourcing",
}
ONLY_REFERENCE = "engine/machines/reference.py"
ONLY_VECTORS = ("engine/machines/marks.py", "engine/machines/vectors.py")

LONGEST_MODULE = 400


def layer_of(module: str) -> str | None:
    """Return the layer a dotted name lies in, None for what is not ours."""
    parts = module.split(".")
    if parts[0] not in ("engine", "projections"):
        return None
    return next(
        (name for n in (2, 1) if (name := ".".join(parts[:n])) in LAYERS and len(parts) >= n), None
    )


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every module imported anywhere in a file, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=0):
                for alias in names:
                    inner = f"{module}.{alias.name}"
                    yield node.lineno, inner if inner in LAYERS else str(module)
            case ast.ImportFrom():
                yield node.lineno, "."


def sources(root: Path) -> Iterator[tuple[str, str]]:
    for package in ("engine", "projections"):
        for path in sorted((root / package).rglob("*.py")):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def problems(root: Path) -> list[str]:
    """Return everything that breaks the layering under ``root``, a line each."""
    found = []
    for path, text in sources(root):
        module = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        if module.startswith("engine.") and ".".join(module.split(".")[:2]) not in LAYERS:
            found.append(f"{path}: belongs to no layer")
            continue
        layer = str(layer_of(module))
        for line, name in imported(ast.parse(text)):
            below, where = layer_of(name), f"{path}:{line}"
            if name == ".":
                found.append(f"{where}: imports relatively")
            elif below is not None and below != layer and LAYERS[below] >= LAYERS[layer]:
                found.append(f"{where}: {layer} imports {name}")
            elif layer in PURE and name.split(".")[0] in IMPURE:
                found.append(f"{where}: {layer} is pure and imports {name}")
            elif name.split(".")[0] == "transitions" and path != ONLY_REFERENCE:
                found.append(f"{where}: imports transitions")
            elif name.split(".")[0] == "numpy" and path not in ONLY_VECTORS:
                found.append(f"{where}: imports numpy")
    return found


def overlong(root: Path) -> list[str]:
    return [path for path, text in sources(root) if len(text.splitlines()) > LONGEST_MODULE]


def test_imports_point_down_only_and_the_pure_layers_are_pure() -> None:
    assert problems(ROOT) == []


def test_every_layer_was_looked_at() -> None:
    looked_at = {
        layer_of(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        for path, _ in sources(ROOT)
    }
    assert looked_at >= set(LAYERS) - {"engine.adapters"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("engine", "projections"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def _append(line: str) -> Callable[[Path], None]:
    def plant(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.write_text(path.read_text() + f"\n{line}\n")

    return plant


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("engine/errors.py", "from engine.values import Head", "imports engine.values"),
        ("engine/values.py", "import engine.machines", "imports engine.machines"),
        ("engine/machines/session.py", "import engine.aggregates", "imports engine.aggregates"),
        ("engine/aggregates/events.py", "from engine import store", "imports engine.store"),
        ("engine/aggregates/events.py", "from engine import Engine", "imports engine"),
        ("engine/store/links.py", "from projections import audit_session", "imports projections"),
        ("projections/audit.py", "from engine.runtime import Engine", "imports engine.runtime"),
        ("projections/audit.py", "from engine import runtime", "imports engine.runtime"),
        ("engine/runtime/live.py", "import engine.sync", "imports engine.sync"),
        ("engine/sync/engine.py", "from engine.cli import main", "imports engine.cli"),
        ("engine/sync/parts.py", "import engine.testing", "imports engine.testing"),
        ("engine/adapters/some.py", "import engine.cli.output", "imports engine.cli.output"),
        ("engine/machines/authority.py", "import time", "is pure and imports time"),
        ("engine/aggregates/session.py", "from os import path", "is pure and imports os"),
        (
            "engine/aggregates/commands.py",
            "def f() -> None:\n    import random",
            "is pure and imports random",
        ),
        ("engine/values.py", "import eventsourcing.persistence", "is pure and imports eventso"),
        ("engine/machines/authority.py", "import transitions", "imports transitions"),
        ("engine/machines/searching.py", "import numpy as np", "imports numpy"),
        ("engine/aggregates/session.py", "from . import events", "imports relatively"),
        ("engine/helpers.py", "import json", "belongs to no layer"),
    ],
)
def test_a_planted_violation_is_found(copy: Path, path: str, line: str, complaint: str) -> None:
    _append(line)(copy / path)
    (found,) = problems(copy)
    assert found.startswith(path)
    assert complaint in found


def test_no_module_is_longer_than_can_be_read_in_one_sitting() -> None:
    assert overlong(ROOT) == []


def test_an_overlong_module_is_found(copy: Path) -> None:
    _append("\n" * LONGEST_MODULE)(copy / "engine/values.py")
    assert overlong(copy) == ["engine/values.py"]


def test_importing_the_engine_loads_nothing_that_only_tests_or_the_command_line_need() -> None:
    script = "import sys, engine; print(*sorted(m for m in sys.modules if '.' not in m))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(run.stdout.split())
    assert {"engine", "projections", "msgspec", "eventsourcing"} <= loaded
    assert not loaded & {"typer", "rich", "transitions", "hypothesis", "pytest", "rfc8785", "numpy"}


def test_importing_the_engine_loads_nothing_that_proves_or_prints_machines() -> None:
    script = "import sys, engine; print(*sorted(m for m in sys.modules if '.machines.' in m))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {module.removeprefix("engine.machines.") for module in run.stdout.split()}
    assert loaded == {
        *("authority", "declaration", "expressions", "kinds", "properties", "sizes", "validation"),
        *("vocabulary", "session", "session_promises", "inputs", "admission", "gate"),
    }


def test_importing_the_engine_does_not_load_the_audit() -> None:
    script = "import sys, engine; print(*sorted(m for m in sys.modules if m.startswith('proj')))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(run.stdout.split())
    assert "projections.catalog" in loaded
    assert not loaded & {"projections.audit", "projections.auditing", "projections.meaning"}


@pytest.mark.parametrize("package", ["engine.machines", "projections"])
def test_every_public_name_is_there_when_it_is_asked_for(package: str) -> None:
    script = (
        f"import {package} as package\n"
        "for name in package.__all__: getattr(package, name)\n"
        "try: package.nothing\n"
        "except AttributeError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout == f"module '{package}' has no attribute 'nothing'\n"
