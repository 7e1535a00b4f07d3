"""SPIN, told nothing but the printed model, finds what the explorer finds: states and faults.

`make test` asks SPIN about a few models, `make thorough` about all.
"""

from pathlib import Path

import pytest

from perdure.machines import BUILT_IN, Always, Machine, Model, check, instances, promela
from tests.support.independent import needs_spin, spin, spin_model
from tests.support.printed_machines import (
    ALIKE,
    AWKWARD,
    BARE,
    BROKEN,
    KEPT,
    STILL,
    noted,
    stuck,
    swollen,
)
from tests.support.reference_model import REFERENCE, looking_across
from tests.support.thorough import few_of

pytestmark = needs_spin

MODELS: dict[str, Machine | Model] = {
    **BUILT_IN,
    "reference": REFERENCE,
    "two references": instances(REFERENCE, 2),
    "two that look at each other": looking_across(2),
    "awkward names": AWKWARD,
    "words that look alike": ALIKE,
    "nothing happens": STILL,
    "none is held nowhere": BARE,
    "verbs that change nothing": noted(*KEPT),
}


@pytest.mark.parametrize("name", few_of(MODELS, ["gate", "two references"]))
def test_spin_stores_as_many_states_as_the_explorer_finds(name: str, tmp_path: Path) -> None:
    report, found = check(MODELS[name]), spin_model(MODELS[name], tmp_path)
    assert found.complaint == ""
    assert found.states == report.states


@pytest.mark.thorough
def test_spin_stores_as_many_states_of_the_reference_as_is_known(tmp_path: Path) -> None:
    for count, states in ((1, 44), (3, 85_184)):
        assert spin_model(instances(REFERENCE, count), tmp_path).states == states


@pytest.mark.thorough
def test_properties_add_no_state(tmp_path: Path) -> None:
    bare = spin(promela(REFERENCE, properties=False), tmp_path)
    assert bare.states == spin_model(REFERENCE, tmp_path).states == 44


@pytest.mark.parametrize("item", few_of(BROKEN, BROKEN[:1]), ids=lambda item: item.name)
def test_spin_finds_a_broken_property_as_the_explorer_does(item: Always, tmp_path: Path) -> None:
    machine = noted(item)
    assert [one.property for one in check(machine).violations] == [item.name]
    assert spin_model(machine, tmp_path).complaint == "assertion violated"


@pytest.mark.thorough
@pytest.mark.parametrize(("sign", "other"), [("+", 150), ("-", 150), ("-", 121), ("+", 31)])
def test_spin_finds_that_a_count_leaves_its_range_however_far(
    sign: str, other: int, tmp_path: Path
) -> None:
    machine = swollen(sign, other)
    assert [one.property for one in check(machine).violations] == ["level stays within 0..150"]
    assert spin_model(machine, tmp_path).complaint == "assertion violated"


@pytest.mark.thorough
def test_spin_finds_a_deadlock_and_takes_no_end_for_one(tmp_path: Path) -> None:
    assert not check(stuck()).ok
    assert spin_model(stuck(), tmp_path).complaint == "invalid end state"
    assert spin_model(noted(), tmp_path).complaint == ""


@pytest.mark.thorough
def test_a_label_for_ends_would_excuse_every_deadlock(tmp_path: Path) -> None:
    text = promela(stuck())
    assert text.count("    do\n") == 1
    assert spin(text.replace("    do\n", "end: do\n"), tmp_path).complaint == ""
    assert spin(text, tmp_path).complaint == "invalid end state"


@pytest.mark.thorough
def test_an_end_of_its_own_would_be_more_states_than_there_are(tmp_path: Path) -> None:
    text, report = promela(noted()), check(noted())
    loop = "    :: d_step { (phase == end_2) -> skip }"
    assert loop in text
    ended = text.replace(loop, "    :: (phase == end_2) -> break")
    assert spin(text, tmp_path).states == report.states < spin(ended, tmp_path).states


WRONGLY = {
    "(pending > 0)": "!(pending > 0)",
    "(pending < 2)": "true",
    "pending = (pending + 1)": "skip",
    "gate = cancelled }": "skip }",
    "return_to = idle": "return_to = attached",
    "mtype phase = unregistered": "mtype phase = idle",
}


@pytest.mark.parametrize("old", few_of(WRONGLY, ["(pending < 2)"]))
def test_a_printer_that_gets_it_wrong_is_found_out(old: str, tmp_path: Path) -> None:
    new = WRONGLY[old]
    text = promela(REFERENCE)
    assert old in text
    found = spin(text.replace(old, new), tmp_path)
    assert found.states != 44 or found.complaint


@pytest.mark.thorough
def test_spin_forgets_a_place_that_nothing_reads_unless_the_model_reads_it(tmp_path: Path) -> None:
    text = promela(BUILT_IN["admission"], properties=False)
    branch = next(line for line in text.splitlines() if "assert(false)" in line)
    states = check(BUILT_IN["admission"]).states
    assert spin(text, tmp_path).states == states
    assert spin(text.replace(branch, ""), tmp_path).states < states
