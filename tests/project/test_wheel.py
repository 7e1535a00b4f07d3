"""What is installed: one package, `perdure`, whole, that leaves a project's own names alone."""

import contextlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import perdure

build = pytest.importorskip("hatchling.build", reason="hatchling is absent: no wheel was built")

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"engine": "perdure", "projections": "perdure/projections"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "engine").is_dir(), reason="no source beside these tests"
)


class Built(NamedTuple):
    """A wheel of the source tree, the sdist, and a wheel of that."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    with contextlib.chdir(ROOT):
        wheel = folder / build.build_wheel(str(folder))
        sdist = folder / build.build_sdist(str(folder))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    with contextlib.chdir(source):
        again = folder / "again" / build.build_wheel(str(folder / "again"))
    return Built(wheel, sdist, again)


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_installs_one_package_and_what_is_said_of_it(built: Built) -> None:
    tops = {name.partition("/")[0] for name in names(built.wheel)}
    assert tops == {"perdure", f"perdure-{perdure.__version__}.dist-info"}


def test_every_file_of_the_package_is_in_the_wheel_once(built: Built) -> None:
    expected = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and _is_own(path, ROOT / folder)
    }
    assert {name for name in names(built.wheel) if name.startswith("perdure/")} == expected


def _is_own(path: Path, folder: Path) -> bool:
    """Whether a file lies in the folder itself, and is not reached by a link to another."""
    return path.resolve().is_relative_to(folder)


def test_the_sdist_builds_the_same_wheel(built: Built) -> None:
    assert names(built.wheel_of_sdist) == names(built.wheel)
    with tarfile.open(built.sdist) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert {*FOLDERS, "tests", "specs", "docs", "examples", "Makefile", "pyproject.toml"} <= tops


USE = """
import importlib.metadata
import engine, projections
assert engine.OURS and projections.OURS
import perdure
from perdure.projections import audit_store
from perdure.sync import Engine
assert importlib.metadata.version("perdure") == perdure.__version__
with Engine.open("sqlite:///sessions.db") as one:
    one.register("s")
    one.record_turn("s", [{"role": "user", "content": "hello"}])
    assert one.audit(jobs=2).ok
print(perdure.__file__)
"""


@pytest.mark.thorough
def test_the_wheel_works_beside_a_project_that_has_an_engine_and_projections_of_its_own(
    built: Built, tmp_path: Path
) -> None:
    venv, project = tmp_path / "venv", tmp_path / "project"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (installed,) = venv.glob("lib/python*/site-packages")
    before = {path.name for path in installed.iterdir()}
    python = venv / "bin" / "python"
    offline = ("--quiet", "--no-deps", "--no-index")
    subprocess.run([python, "-m", "pip", "install", *offline, built.wheel], check=True)
    after = {path.name for path in installed.iterdir()} - before
    assert after == {"perdure", f"perdure-{perdure.__version__}.dist-info"}
    dependencies = [path for path in sys.path if Path(path).name == "site-packages"]
    (installed / "dependencies.pth").write_text("\n".join(dependencies))
    project.mkdir()
    for name in FOLDERS:
        (project / f"{name}.py").write_text("OURS = True\n")
    (project / "use.py").write_text(f"if __name__ == '__main__':\n{_indented(USE)}")
    ran = subprocess.run(
        [python, "use.py"], cwd=project, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_relative_to(installed)


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
