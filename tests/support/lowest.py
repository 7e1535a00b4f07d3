"""The lowest versions of the dependencies that pyproject.toml allows, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def lowest(project: dict[str, Any]) -> list[str]:
    """Return ``name==version`` for each requirement, with the version that it starts at."""
    extras = project["optional-dependencies"]
    found = []
    for requirement in (*project["dependencies"], *extras["canonical"], *extras["check"]):
        least = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
        if least is None:
            raise ValueError(f"{requirement!r} names no lowest version")
        found.append(f"{least[1]}=={least[2]}")
    return found


if __name__ == "__main__":
    document = tomllib.loads(PYPROJECT.read_text("utf-8"))
    sys.stdout.write("\n".join(lowest(document["project"])) + "\n")
