"""The real engine beside its declared lifecycle, driven by Hypothesis: crashes, retries, rivals.

Examples are new in every run; that enough happens in them is asserted of the fixed ones with which
planted faults are found.
"""

import pytest
from engine_machine import NOT_YET, engine_test
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from engine import Engine
from engine.machines import SESSION

BUDGET = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shorten forty steps takes minutes
)


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "sqlite"])
def test_g8_the_engine_does_what_its_lifecycle_allows_whatever_happens_around_it(
    *, durable: bool
) -> None:
    run_state_machine_as_test(engine_test(durable=durable), settings=BUDGET)


def test_a_verb_leaves_the_list_once_the_engine_has_a_method_for_it() -> None:
    assert {verb: method for verb, method in NOT_YET.items() if hasattr(Engine, method)} == {}
    assert NOT_YET.keys() <= {verb.name for verb in SESSION.verbs}
