"""The committed contracts are what the code makes, and hold for readers who do not have the code.

All of them are made again by a thorough test, and by `make check`; the other tests read the
committed ones.
"""

import hashlib
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import rfc8785

from perdure.aggregates import SessionEvent
from perdure.contracts import documents, drift, folder_of, machine_documents, write
from perdure.contracts.events import schemas
from perdure.contracts.vectors import vectors as all_vectors
from perdure.machines import BUILT_IN, Machine, check
from perdure.machines.printing import module_name
from perdure.projections import canonical_digest
from perdure.store import Mapper, open_store
from perdure.sync import Engine
from tests.support.counts import COUNTS
from tests.support.sessions import receipt_of

SPECS = Path(__file__).resolve().parents[2] / "specs"
FILES = {
    path.relative_to(SPECS).as_posix(): path.read_text("utf-8")
    for path in SPECS.rglob("*")
    if path.is_file()
}

pytestmark = pytest.mark.skipif(not FILES, reason="no contracts beside these tests")


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(FILES[f"vectors/{name}"])["vectors"]
    return found


@pytest.mark.thorough
def test_the_committed_contracts_are_what_the_code_makes() -> None:
    assert drift(SPECS, documents()) == {}


@pytest.mark.parametrize("name", [n for n, one in BUILT_IN.items() if isinstance(one, Machine)])
def test_the_committed_contract_of_a_machine_is_what_the_code_makes(name: str) -> None:
    model = BUILT_IN[name]
    folder = f"machines/{folder_of(name, model)}"
    for file, text in machine_documents(name, model, check(model)).items():
        assert FILES[f"{folder}/{file}"] == text


def test_the_committed_schemas_and_vectors_are_what_the_code_makes() -> None:
    made = {f"events/{file}": document for file, document in schemas().items()}
    made |= {f"vectors/{file}": document for file, document in all_vectors().items()}
    for path, document in made.items():
        assert json.loads(FILES[path]) == json.loads(msgspec.json.encode(document))


def test_drift_names_what_is_missing_differs_or_is_left_over(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    assert drift(tmp_path, FILES) == {}
    (tmp_path / "README.md").unlink()
    (tmp_path / "vectors" / "links.json").write_text("{}")
    (tmp_path / "machines" / "gone").mkdir()
    (tmp_path / "machines" / "gone" / "contract.md").touch()
    assert drift(tmp_path, FILES) == {
        "README.md": "missing",
        "machines/gone/contract.md": "left over",
        "vectors/links.json": "differs",
    }
    assert list(drift(tmp_path, FILES, whole=False)) == ["README.md", "vectors/links.json"]


def test_writing_them_makes_just_these_files(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    written = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == set(FILES)


def test_there_is_a_schema_for_every_event_and_for_receipts_and_snapshots() -> None:
    tags = {event.__struct_config__.tag for event in get_args(SessionEvent)}
    there = {path for path in FILES if path.startswith("events/") and path.endswith(".json")}
    assert there == {f"events/{name}.schema.json" for name in {*tags, "receipt", "snapshot"}}
    for tag in tags:
        assert f"({tag}.schema.json)" in FILES["events/README.md"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_there_is_a_folder_for_every_machine_with_all_of_its_files(name: str) -> None:
    model = BUILT_IN[name]
    folder = f"machines/{folder_of(name, model)}/"
    there = {path.removeprefix(folder) for path in FILES if path.startswith(folder)}
    module = f"{module_name(model)}.tla"
    expected = {"contract.md", module, "ci.cfg", "deep.cfg", "diagram.mmd"}
    assert there == (expected | {"diagram.svg"} if isinstance(model, Machine) else expected)
    for file in there:
        assert "`perdure spec`" in FILES[folder + file][:300]
        assert name in FILES[folder + file][:300]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_counts_on_a_contract_are_the_explorers(name: str) -> None:
    states, transitions, _ = COUNTS[name]
    page = FILES[f"machines/{folder_of(name, BUILT_IN[name])}/contract.md"]
    assert f"| distinct states | {states:,} |" in page
    assert f" | {transitions:,} |\n" in page
    assert "All of it holds." in page


def test_every_link_in_a_guide_leads_somewhere() -> None:
    for path, text in FILES.items():
        if not path.endswith(".md"):
            continue
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            there = (Path(path).parent / target).as_posix().removesuffix("/")
            there = re.sub(r"[^/]+/\.\./", "", there)
            assert any(file == there or file.startswith(f"{there}/") for file in FILES), target


def test_every_picture_is_well_formed() -> None:
    for path, text in FILES.items():
        if path.endswith(".svg"):
            assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314 - made here


def test_the_vectors_hold_by_hashlib_alone() -> None:
    assert len(vectors("digests.json")) > 5
    for vector in vectors("digests.json"):
        digest = hashlib.sha256(vector["hashed"].encode()).hexdigest()
        assert digest == vector["conversation_digest"]
    log = json.loads(FILES["vectors/links.json"])
    link = hashlib.sha256(log["session_id"].encode()).hexdigest()
    assert link == log["genesis"]
    for row in log["stored"]:
        stored = row["state"].encode()
        body = stored[:-75] + b"}"
        link = hashlib.sha256(link.encode() + body).hexdigest()
        assert stored == body[:-1] + b',"link":"' + link.encode() + b'"}'
        assert json.loads(body)["tag"] == row["topic"]
    assert link == log["head"]


def test_the_canonical_vectors_hold_by_another_implementation() -> None:
    assert len(vectors("canonical-digests.json")) > 5
    for vector in vectors("canonical-digests.json"):
        canonical = rfc8785.dumps(json.loads(vector["recorded"]))
        assert canonical.decode() == vector["canonical"]
        assert hashlib.sha256(canonical).hexdigest() == vector["canonical_digest"]


def test_the_vectors_are_what_an_engine_gives(sqlite_url: str) -> None:
    for number, vector in enumerate(vectors("canonical-digests.json")):
        with Engine.open(sqlite_url) as engine:
            engine.register(f"s{number}")
            out = engine.record_turn(f"s{number}", json.loads(vector["recorded"]), run_id="run-1")
        recorded = hashlib.sha256(vector["recorded"].encode()).hexdigest()
        assert receipt_of(out).conversation_digest == recorded
        store = open_store(sqlite_url, readonly=True)
        try:
            found = canonical_digest(store.recorder, Mapper(), f"s{number}")
        finally:
            store.close()
        assert found == vector["canonical_digest"]


def test_every_event_schema_requires_what_every_event_has() -> None:
    for event in get_args(SessionEvent):
        schema = json.loads(FILES[f"events/{event.__struct_config__.tag}.schema.json"])
        body = schema["$defs"][event.__name__]
        assert {"tag", "session_id", "version", "at", "link"} <= set(body["required"])


def test_what_an_engine_writes_has_the_fields_of_the_schemas(sqlite_url: str) -> None:
    with Engine.open(sqlite_url) as engine:
        engine.register("s", metadata={"a": 1})
        engine.stage_context("s", "soon")
        engine.record_turn("s", [{"role": "user", "content": "x" * 2_000_000}], run_id="run-1")
        engine.checkpoint("s")
        engine.archive("s")
    database = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    rows = database.execute("SELECT topic, state FROM stored_events").fetchall()
    snapshots = database.execute("SELECT 'snapshot', state FROM snapshots").fetchall()
    database.close()
    assert len(rows) >= 5
    assert snapshots
    for name, state in rows + snapshots:
        schema = json.loads(FILES[f"events/{name}.schema.json"])
        body = schema["$defs"][schema["$ref"].rpartition("/")[2]]
        stored = json.loads(state)
        assert set(body["required"]) <= set(stored) <= set(body["properties"])
        for field, value in stored.items():
            kind = body["properties"][field].get("type")
            python = {"array": list, "object": dict, "string": str, "integer": int}
            assert kind is None or isinstance(value, python[kind]), field
