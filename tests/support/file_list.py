"""The list of files in docs/architecture.md, printed from the first line of each module.

python -m tests.support.file_list    # writes it into docs/architecture.md
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import perdure

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
BEGIN: Final = "<!-- the list of files begins: printed by `make specs` -->\n"
END: Final = "<!-- the list of files ends -->\n"


def printed() -> str:
    """Return the list: a table with a row for each folder and each file of the package."""
    package = Path(perdure.__file__).parent
    rows = [*_rows(package, "engine"), *_rows(package / "projections", "projections")]
    return "| file | |\n| --- | --- |\n" + "".join(rows)


def with_list(page: str) -> str:
    """Return the page with the list of today."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{printed()}\n{END}{after}"


def _rows(folder: Path, shown: str) -> Iterator[str]:
    """Yield the rows of a folder of the package, which the repository has under another name."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"projections", "__pycache__"})
        inner = Path(place).relative_to(folder)
        where = Path(shown, inner).as_posix()
        yield f"| **`{where}/`** | **{_first_line(Path(place, '__init__.py'))}** |\n"
        for name in sorted(names):
            if name.endswith(".py") and name != "__init__.py":
                yield f"| `{name}` | {_first_line(Path(place, name))} |\n"


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert text, f"{path} opens with no docstring"
    return text.splitlines()[0].replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(with_list(PAGE.read_text("utf-8")), "utf-8")
