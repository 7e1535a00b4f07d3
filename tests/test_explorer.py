"""The explorer: what it counts, what it finds, and how it says so."""

import pytest
from reference_model import REFERENCE

from engine.machines import check

COUNTS = {1: (44, 240, 7), 2: (1_936, 21_033, 14), 3: (85_184, 1_388_113, 21)}


@pytest.mark.parametrize("instances", COUNTS)
def test_the_reference_model_has_the_states_that_every_checker_finds(instances: int) -> None:
    report = check(REFERENCE, instances=instances)
    assert (report.states, report.transitions, report.depth) == COUNTS[instances]
    assert report.ok, str(report)
