"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")  # no test asks how long something takes

TESTS = Path(__file__).resolve().parent

REAL_TRANSCRIPTS = Path(
    os.environ.get(
        "PERDURE_TRANSCRIPTS",
        TESTS.parents[1] / "shared" / "data" / "airline-transcripts.jsonl",
    )
)


THOROUGH = frozenset(
    (
        "kit/test_engine_machine.py",
        "kit/test_planted_faults.py",
        "kit/test_refinement.py",
        "machines/test_mutation.py",
        "machines/test_printing_tla.py",
        "machines/test_properties.py",
        "machines/test_search_engines.py",
        "machines/test_spin.py",
        "projections/test_tampering.py",
        "whole/test_crash.py",
        "whole/test_simulation.py",
        "whole/test_simulation_faults.py",
        "whole/test_simulation_live_faults.py",
    )
)
"""Long, and about the code alone: where the code is installed changes nothing about them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long tests, which the run against the wheel leaves out."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix() in THOROUGH:
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
