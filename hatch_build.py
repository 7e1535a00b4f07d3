"""Makes the folders `engine` and `projections` importable as `perdure` in a source tree.

A wheel renames the folders (`sources` in pyproject.toml). An editable install cannot rename, so it
puts `.package` on the environment's path, where this hook makes two links:

    .package/perdure    -> engine
    engine/projections  -> projections

Git, the wheel and ruff ignore both. Type checkers follow them.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LINKS = {".package/perdure": "../engine", "engine/projections": "../projections"}


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """The build hook that hatchling looks for in this file."""

    def initialize(self, version: str, _build_data: dict[str, Any]) -> None:
        """Make the links, where the source tree itself is what is installed."""
        if version != "editable":
            return
        for name, target in LINKS.items():
            link = Path(self.root, name)
            link.parent.mkdir(exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(target)
