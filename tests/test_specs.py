"""The committed contracts are what the code says, and hold for those who know nothing of it."""

import hashlib
import json
from pathlib import Path
from typing import get_args

import pytest

from engine.aggregates import SessionEvent
from engine.specs import documents, write

SPECS = Path(__file__).resolve().parents[1] / "specs"


@pytest.mark.skipif(not SPECS.is_dir(), reason="no contracts beside these tests")
def test_the_committed_contracts_are_what_the_code_makes() -> None:
    committed = {
        str(path.relative_to(SPECS)): path.read_text("utf-8") for path in SPECS.rglob("*.json")
    }
    assert committed == documents()


def test_writing_them_makes_just_these_files(tmp_path: Path) -> None:
    write(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(documents())
    assert len(written) == len(get_args(SessionEvent)) + 1 + 2  # events, the receipt, the vectors


def test_the_vectors_hold_by_hashlib_alone() -> None:
    files = documents()
    for vector in json.loads(files["vectors/digests.json"]):
        digest = hashlib.sha256(vector["hashed"].encode()).hexdigest()
        assert digest == vector["conversation_digest"]
    log = json.loads(files["vectors/links.json"])
    link = hashlib.sha256(log["session_id"].encode()).hexdigest()
    assert link == log["genesis"]
    for row in log["stored"]:
        event = json.loads(row["state"])
        recorded = event.pop("link")
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        link = hashlib.sha256((link + body).encode()).hexdigest()
        assert link == recorded
        assert event["tag"] == row["topic"]
    assert link == log["head"]


def test_every_event_schema_requires_what_every_event_has() -> None:
    for path, text in documents().items():
        if path.startswith("events/") and "receipt" not in path:
            schema = json.loads(text)
            (body,) = (d for name, d in schema["$defs"].items() if name not in ("Receipt", "Usage"))
            assert {"tag", "session_id", "version", "at", "link"} <= set(body["required"])
