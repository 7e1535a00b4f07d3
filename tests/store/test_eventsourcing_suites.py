"""eventsourcing's own recorder suites, run as they are on our recorders.

Their streams start at version 0 or 1, which is why `FIRST_VERSIONS` has both. The suite of plain
aggregate recorders is left out: it wants no positions back, and ours are application recorders.
"""

import tempfile
import unittest
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from eventsourcing.tests import persistence

from perdure.store import MemoryRecorder, SQLiteRecorder
from perdure.store.eventsourcing_recorder import EventsourcingRecorder

EXPECTED_TESTS = {
    "Application": {
        "test_insert_select",
        "test_performance",
        "test_concurrent_no_conflicts",
        "test_concurrent_throughput",
        "test_insert_subscribe",
    },
    "Process": {
        "test_insert_select",
        "test_has_tracking_id",
        "test_raises_when_lower_inserted_later",
        "test_performance",
    },
    "Tracking": {"test_insert_tracking", "test_wait"},
    "NonInterleaving": {"test"},
}

Create = Callable[[unittest.TestCase], EventsourcingRecorder]


def _in_memory(_case: unittest.TestCase) -> EventsourcingRecorder:
    return MemoryRecorder()


def _in_a_file(case: unittest.TestCase) -> EventsourcingRecorder:
    folder = tempfile.TemporaryDirectory()
    case.addCleanup(folder.cleanup)
    recorder = SQLiteRecorder(Path(folder.name) / "suite.db", durability="normal")
    case.addCleanup(recorder.close)
    return recorder


def _suites(create: Create) -> list[type[unittest.TestCase]]:
    class TextIds(unittest.TestCase):
        def new_originator_id(self) -> str:
            return str(uuid.uuid4())

        def create_recorder(self) -> EventsourcingRecorder:
            return create(self)

    class Application(TextIds, persistence.ApplicationRecorderTestCase[EventsourcingRecorder]):
        def test_insert_subscribe(self) -> None:
            self.optional_test_insert_subscribe()

    class Process(TextIds, persistence.ProcessRecorderTestCase):
        pass

    class Tracking(TextIds, persistence.TrackingRecorderTestCase):
        pass

    class NonInterleaving(TextIds, persistence.NonInterleavingNotificationIDsBaseCase):
        pass

    return [Application, Process, Tracking, NonInterleaving]


@pytest.mark.parametrize("create", [_in_memory, _in_a_file])
def test_eventsourcings_own_recorder_suites_pass(create: Create) -> None:
    loader = unittest.TestLoader()
    suites = _suites(create)
    names = {suite.__name__: set(loader.getTestCaseNames(suite)) for suite in suites}
    assert names == EXPECTED_TESTS
    result = unittest.TestResult()
    unittest.TestSuite(map(loader.loadTestsFromTestCase, suites)).run(result)
    assert [trace for _, trace in result.failures + result.errors] == []
    assert result.testsRun == 12
    assert result.skipped == []
