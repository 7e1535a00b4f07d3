"""The printed TLA+ is TLA+: by its grammar, by SANY, and by what TLC finds in it.

`make test` starts TLC twice, `make thorough` for every model.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from perdure.machines import (
    BUILT_IN,
    Always,
    Machine,
    Model,
    check,
    instances,
    model_of,
    tla,
    tla_config,
)
from perdure.machines.printing import module_name
from tests.support.independent import needs_tlc, tlc, tlc_model
from tests.support.printed_machines import (
    ALIKE,
    AWKWARD,
    BARE,
    BROKEN,
    KEPT,
    STILL,
    deepened,
    hurried,
    noted,
    stuck,
)
from tests.support.reference_model import REFERENCE, looking_across
from tests.support.thorough import few_of

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
    "fairness": hurried("finish"),
}


NO_GRAMMAR = "the grammar of TLA+ is absent: `make checkers`"

QUICK = [name for name in MODELS if name not in ("sessions", "live")]
"""TLC takes minutes over the leads-to of the large compositions; SPIN counts those."""


def flat(model: Machine | Model) -> Model:
    return model_of(model) if isinstance(model, Machine) else model


def finished(model: Machine | Model) -> int:
    """How many reachable states are finished: those that no step leaves, if nothing is wrong."""
    spent = Always("not finished", ~flat(model).final)
    return 0 if check(model, properties=(spent,)).ok else 1


@pytest.mark.parametrize("name", MODELS)
def test_a_module_has_what_every_module_must(name: str) -> None:
    text = tla(MODELS[name])
    assert re.match(rf"-{{4,}} MODULE {module_name(MODELS[name])} -{{4,}}\n", text)
    assert text.endswith("=" * 77 + "\n")
    assert text.isascii()
    assert "\t" not in text
    defined = re.findall(r"^(\w+)(?:\([^)]*\))? ==", text, re.MULTILINE)
    assert len(set(defined)) == len(defined)
    assert {"vars", "TypeOK", "Init", "Step", "Done", "Next", "Spec"} <= set(defined)
    checked = re.findall(r"^    (\w+)$", tla_config(MODELS[name]), re.MULTILINE)
    assert set(checked) <= set(defined)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "nothing happens"])
def test_every_rule_says_of_every_variable_what_becomes_of_it(name: str) -> None:
    """A variable is changed, or said to be unchanged, and not both."""
    text = tla(MODELS[name])
    variables = set(re.findall(r"\w+", re.search(r"^vars == <<(.*)>>$", text, re.MULTILINE)[1]))  # type: ignore[index]  # there is one
    steps = text[text.index("\nInit ==") : text.index("\nStep ==")].split("\n\n", 1)[1]
    bodies = re.split(r"^\w+(?:\([^)]*\))? ==\n", steps, flags=re.MULTILINE)[1:]
    rules = [
        rule
        for body in bodies
        for rule in re.split(r"^    \\/ ", body, flags=re.MULTILINE)
        if rule.strip()
    ]
    assert len(rules) >= len(bodies) > 1
    for rule in rules:
        changed = re.findall(r"/\\ (\w+)' = ", rule)
        kept = re.search(r"UNCHANGED (?:<<(.*)>>|vars)", rule)
        unchanged = variables if kept and kept[1] is None else set()
        if kept and kept[1]:
            unchanged = set(kept[1].split(", "))
        assert set(changed) | unchanged == variables, rule
        assert not set(changed) & unchanged, rule


ALONE = [name for name, one in BUILT_IN.items() if isinstance(one, Machine)]


@pytest.mark.parametrize("name", few_of([*ALONE, "live"], ALONE))
def test_every_row_fires_with_the_deep_bounds_too(name: str) -> None:
    model = deepened(flat(BUILT_IN[name]))
    report = check(model, max_states=3_000_000)
    assert report.unfired == ()
    assert report.incomplete is None
    assert report.states >= check(BUILT_IN[name]).states


def test_the_configurations_take_the_checked_bounds_and_larger_ones() -> None:
    small, large = tla_config(BUILT_IN["session"]), tla_config(BUILT_IN["session"], deep=True)
    assert "    input_capacity = 2\n" in small
    assert "    input_capacity = 4\n" in large
    assert '    RunIds = {"a", "b"}\n' in small
    assert '    RunIds = {"a", "b", "id1"}\n' in large


def test_fairness_is_assumed_only_where_something_is_led_to() -> None:
    assert "/\\ Fairness" in tla(hurried("finish"))
    assert "WF_vars(Finish)" in tla(hurried("finish"))
    assert "Fairness" not in tla(hurried())
    assert "Fairness" not in tla(REFERENCE)


def test_no_two_words_are_written_alike_and_no_number_has_a_sign() -> None:
    text = tla(ALIKE)
    said = re.findall(r"given_said \\in \{(.*?)\}", text)
    assert len(set(said[0].split(", "))) == len(ALIKE.verb("say").arguments[0].domain()) - 1
    assert "(more - less) > (0 - 1)" in text
    assert "Step ==\n    FALSE\n" in tla(STILL)


@pytest.mark.filterwarnings("ignore:int argument support:DeprecationWarning")  # in the grammar
@pytest.mark.parametrize("name", MODELS)
def test_the_grammar_of_tla_takes_it(name: str) -> None:
    tree_sitter: Any = pytest.importorskip("tree_sitter", reason=NO_GRAMMAR)
    grammar: Any = pytest.importorskip("tree_sitter_tlaplus", reason=NO_GRAMMAR)
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert not parser.parse(tla(MODELS[name]).encode()).root_node.has_error
    broken = tla(MODELS[name]).replace("Next == Step \\/ Done", "Next == Step \\/ \\/")
    assert parser.parse(broken.encode()).root_node.has_error


@needs_tlc
@pytest.mark.parametrize("name", few_of(QUICK, ["gate"]))
def test_tlc_finds_as_many_states_as_the_explorer(name: str, tmp_path: Path) -> None:
    report, found = check(MODELS[name]), tlc_model(MODELS[name], tmp_path)
    assert found.complaint == "", found.output
    assert found.states == report.states
    assert found.generated >= report.transitions + finished(MODELS[name])


@needs_tlc
@pytest.mark.parametrize("item", few_of(BROKEN, BROKEN[:1]), ids=lambda item: item.name)
def test_tlc_finds_a_broken_property_as_the_explorer_does(item: Always, tmp_path: Path) -> None:
    machine = noted(item)
    assert [one.property for one in check(machine).violations] == [item.name]
    assert tlc_model(machine, tmp_path).complaint == "violated"


@needs_tlc
@pytest.mark.thorough
def test_tlc_finds_a_deadlock(tmp_path: Path) -> None:
    assert tlc_model(stuck(), tmp_path).complaint == "deadlock"


@needs_tlc
@pytest.mark.thorough
def test_tlc_and_the_explorer_agree_on_what_fairness_gives(tmp_path: Path) -> None:
    assert check(hurried("finish")).ok
    assert tlc_model(hurried("finish"), tmp_path).complaint == ""
    for name, unfair in (("none", hurried()), ("flip", hurried("flip"))):
        assert [one.property for one in check(unfair).violations] == ["it ends"]
        folder = tmp_path / name  # TLC names what it keeps there by the second
        folder.mkdir()
        assert tlc_model(unfair, folder).complaint == "temporal"


@needs_tlc
@pytest.mark.thorough
def test_a_sometimes_is_a_probe_that_tlc_violates(tmp_path: Path) -> None:
    config = tla_config(REFERENCE)
    asked = re.sub(r"\\\* INVARIANT (\w+).*", r"INVARIANT \1", config)
    assert asked != config
    assert tlc("Reference", tla(REFERENCE), asked, tmp_path).complaint == "violated"


@needs_tlc
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    /\\ UNCHANGED <<phase, gate, pending, return_to>>\n", ""),
        ("pending > 0", "~(pending > 0)"),
        ("pending < capacity", "TRUE"),
        ("Done ==\n    /\\ phase", "Done ==\n    /\\ FALSE\n    /\\ phase"),
    ],
)
def test_a_printer_that_gets_it_wrong_is_found_out(old: str, new: str, tmp_path: Path) -> None:
    text = tla(REFERENCE)
    assert old in text
    found = tlc("Reference", text.replace(old, new), tla_config(REFERENCE), tmp_path)
    assert found.complaint or found.states != 44
