"""The golden logs, and the states that they must fold to."""

import json
from pathlib import Path
from typing import Any

from perdure.store import StoredRow

GOLDEN = Path(__file__).parents[1] / "golden"
EXPECTED: dict[str, dict[str, Any]] = json.loads((GOLDEN / "expected.json").read_text())


def rows_of(name: str) -> list[StoredRow]:
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        StoredRow(row["session_id"], row["version"], row["topic"], row["state"].encode())
        for row in map(json.loads, lines)
    ]
