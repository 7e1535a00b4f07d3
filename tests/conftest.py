"""Fixtures that many tests share."""

import os
import signal
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", _UNHURRIED, max_examples=40)
settings.register_profile("thorough", _UNHURRIED, max_examples=200)
settings.load_profile("few")  # unless another is asked for; no test asks how long something takes

TESTS = Path(__file__).resolve().parent

REAL_TRANSCRIPTS = Path(
    os.environ.get(
        "PERDURE_TRANSCRIPTS",
        TESTS.parents[1] / "shared" / "data" / "airline-transcripts.jsonl",
    )
)


LEFT_OUT: Final = pytest.StashKey[int]()
"""How many thorough tests this run left out."""


def pytest_configure(config: pytest.Config) -> None:
    """Let the programs that tests interrupt be interrupted, also where `make` runs unattended.

    A shell starts a program in the background with SIGINT ignored, which its children inherit.
    """
    config.stash[LEFT_OUT] = 0
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the thorough tests among those left out."""
    for item in items:
        item.config.stash[LEFT_OUT] += item.get_closest_marker("thorough") is not None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports, where this one is a worker of it."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["thorough tests left out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker, of which each leaves out the same tests."""
    told = getattr(node, "workeroutput", {}).get("thorough tests left out", 0)
    node.config.stash[LEFT_OUT] = max(node.config.stash[LEFT_OUT], told)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say in the last lines which tests were not run, and why."""
    yield
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
    )
    lines = [f"{times} skipped: {reason}" for reason, times in reasons.most_common()]
    if left_out := terminalreporter.config.stash[LEFT_OUT]:
        lines.append(f"{left_out} left out, thorough and long: `make thorough` runs them")
    if lines:
        terminalreporter.section("not run", "-")
        terminalreporter.write_line("\n".join(lines))


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
