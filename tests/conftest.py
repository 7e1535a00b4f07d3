"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")  # no test asks how long something takes

REAL_TRANSCRIPTS = Path(
    os.environ.get(
        "PERDURE_TRANSCRIPTS",
        Path(__file__).resolve().parents[2] / "shared" / "data" / "airline-transcripts.jsonl",
    )
)


THOROUGH = frozenset(
    (
        "test_crash",
        "test_engine_machine",
        "test_explorer_engines",
        "test_machines_mutation",
        "test_machines_properties",
        "test_planted_faults",
        "test_printing_tla",
        "test_refinement",
        "test_simulation",
        "test_simulation_faults",
        "test_simulation_live_faults",
        "test_spin",
        "test_tampering",
    )
)
"""Long, and about the code alone: where the code is installed changes nothing about them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long tests, which the run against the wheel leaves out."""
    for item in items:
        if item.path.stem in THOROUGH:
            item.add_marker("thorough")


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind."""
    if request.param == "memory":
        return "memory:"
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite database."""
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture
def real_transcripts() -> Path:
    """The 150 real transcripts, where they are; a test that needs them says so when skipped."""
    if not REAL_TRANSCRIPTS.is_file():
        pytest.skip(f"the real transcripts are not at {REAL_TRANSCRIPTS}")
    return REAL_TRANSCRIPTS
