"""The real engine beside its declared lifecycle, driven by Hypothesis: crashes, retries, rivals.

Examples are new in every run, `make thorough` runs more of them; that enough happens in them is
asserted of the fixed ones with which planted faults are found.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from perdure import Engine, runtime
from perdure.machines import SESSION
from perdure.runtime.control import Control
from tests.support.engine_machine import NO_METHOD, engine_test
from tests.support.thorough import few_of

BUDGET = settings(
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shorten forty steps takes minutes
)


@pytest.mark.parametrize("examples", few_of([8, 100], [8]))
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "sqlite"])
def test_g8_the_engine_does_what_its_lifecycle_allows_whatever_happens_around_it(
    *, durable: bool, examples: int
) -> None:
    budget = settings(BUDGET, max_examples=examples)
    run_state_machine_as_test(engine_test(durable=durable), settings=budget)


# What the control plane has, each for the verb that it is; and what is no verb of a session.
CONTROLS = {
    "ingest": "accept_input",
    "retire": "retire",
    "stop": "stop",
    "recover": "recover",
    "reset": "reset",
    "recycle": "recycle",
    "destroy": "destroy",
    "publish_event": "note",
    "runtime_state": None,
    "load_boundary_receipt": None,
}


def test_a_verb_that_is_listed_as_having_no_method_has_none() -> None:
    """Neither by its name, nor as a method of the control plane that nobody has looked at yet."""
    assert {name for name in vars(Control) if not name.startswith("_")} == CONTROLS.keys()
    assert not NO_METHOD.keys() & {*CONTROLS.values(), *dir(Engine)}
    assert NO_METHOD.keys() <= {verb.name for verb in SESSION.verbs}


def test_nothing_in_a_runtime_says_that_an_executor_exited() -> None:
    sources = [path.read_text() for path in Path(runtime.__file__).parent.rglob("*.py")]
    assert any("RollBackRun" in text for text in sources)
    assert not [text for text in sources if "executor_exited" in text]
