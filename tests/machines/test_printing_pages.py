"""The contract and the diagrams say all that the declaration says, and no more."""

import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from perdure.errors import Unsupported
from perdure.machines import (
    BUILT_IN,
    SESSION,
    Machine,
    Synchronisation,
    check,
    compose,
    contract,
    instances,
    mermaid,
    svg,
)
from tests.support.printed_machines import AWKWARD, noted, stuck
from tests.support.reference_model import REFERENCE, looking_across

MACHINES = {
    **{name: model for name, model in BUILT_IN.items() if isinstance(model, Machine)},
    "reference": REFERENCE,
    "awkward names": AWKWARD,
}
BOXED = "{http://www.w3.org/2000/svg}"


def moves(machine: Machine) -> set[tuple[str, str, str]]:
    return {
        (item.source, target, item.verb)
        for item in machine.all_rows()
        for target in machine.targets(item)
        if target != item.source
    }


def cells(page: str, section: str) -> list[list[str]]:
    table = page.split(f"\n## {section}\n")[1].split("\n## ", maxsplit=1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("name", MACHINES)
def test_the_rows_of_a_contract_are_those_of_the_machine(name: str) -> None:
    machine = MACHINES[name]
    found = {
        (verb, source)
        for verb, sources, *_ in cells(contract(machine), "Rows")
        for source in sources.split(", ")
    }
    assert found == {(item.verb, item.source) for item in machine.all_rows()}


@pytest.mark.parametrize("name", MACHINES)
def test_the_matrix_has_every_phase_by_every_verb(name: str) -> None:
    machine = MACHINES[name]
    page = contract(machine)
    phases = [phase for phase in machine.phases if phase not in machine.final]
    matrix = {
        (phase, row[0]): row[1:][place].split()
        for row in cells(page, "Every phase by every verb")
        for place, phase in enumerate(phases)
    }
    assert {verb for _, verb in matrix} == {verb.name for verb in machine.verbs}
    for (phase, verb), found in matrix.items():
        targets = {
            "=" if target == phase else target
            for item in machine.all_rows()
            if (item.source, item.verb) == (phase, verb)
            for target in machine.targets(item)
        }
        assert {cell.rstrip("?") for cell in found} == targets


def test_a_contract_says_who_may_and_what_the_bounds_are() -> None:
    page = contract(SESSION)
    verbs = {row[0]: row[2] for row in cells(page, "Verbs")}
    for verb in SESSION.verbs:
        assert ("authority's token" in verbs[verb.name]) == verb.restricted
    assert ["input_capacity", "1,024", "2"] in cells(page, "Bounds")
    assert "an end: nothing leaves it" in page


def test_a_contract_has_every_property_in_words_and_as_a_formula() -> None:
    page = contract(REFERENCE)
    found = cells(page, "Properties")
    assert [row[1] for row in found] == [item.name for item in REFERENCE.properties]
    assert [
        "always possible",
        "an end can be reached",
        "always possible: phase = archived",
    ] in found


def test_a_contract_pins_what_a_check_found_and_says_what_is_broken() -> None:
    right = contract(REFERENCE, check(REFERENCE))
    assert ["distinct states", "44"] in cells(right, "Counts")
    assert "All of it holds." in right
    assert "## Counts" not in contract(REFERENCE)
    wrong = contract(stuck(), check(stuck()))
    assert "**Broken:**" in wrong
    assert "All of it holds." not in wrong


def test_a_contract_of_several_says_what_happens_together() -> None:
    page = contract(looking_across(2))
    anyone = "any caller"
    assert ["start_session1", "session1.start", "", anyone, "session2.phase ≠ running"] in cells(
        page, "Joint steps"
    )
    assert cells(page, "Parts")[0] == ["session1", "reference", ""]
    both = compose(
        "both",
        {"one": noted(), "two": noted()},
        together=(Synchronisation(name="shut", verbs={"one": "close", "two": "close"}),),
    )
    assert ["shut", "one.close, two.close", "", anyone, ""] in cells(contract(both), "Joint steps")
    assert "the parts share nothing" in contract(instances(noted(), 2))


@pytest.mark.parametrize("name", ["session", "reference"])
def test_a_mermaid_diagram_has_every_move_and_no_other(name: str) -> None:
    machine = MACHINES[name]
    text = mermaid(machine)
    drawn = {
        (source, target, verb)
        for source, target, verbs in re.findall(r"^  (\w+) --> (\w+): (.+)$", text, re.MULTILINE)
        for verb in verbs.split(", ")
    }
    assert drawn == moves(machine)
    assert f"  [*] --> {machine.initial}\n" in text
    assert {phase for phase in machine.final if f"  {phase} --> [*]\n" in text} == set(
        machine.final
    )


def test_a_mermaid_diagram_gives_other_names_to_what_mermaid_reserves() -> None:
    text = mermaid(AWKWARD)
    assert '  state "end" as end_2\n' in text
    assert "  end_2 --> [*]\n" in text


def test_a_diagram_of_several_joins_what_happens_together() -> None:
    both = compose(
        "both",
        {"one": noted(), "two": noted()},
        together=(Synchronisation(name="shut", verbs={"one": "close", "two": "close"}),),
    )
    text = mermaid(both)
    assert "  one -- close --- shut_together\n" in text
    assert "  two -- close --- shut_together\n" in text


def drawing(machine: Machine) -> ET.Element:
    return ET.fromstring(svg(machine))  # noqa: S314 - made here


@pytest.mark.parametrize("name", MACHINES)
def test_a_picture_has_every_phase_and_every_edge(name: str) -> None:
    machine = MACHINES[name]
    root = drawing(machine)
    texts = [(e.get("class"), e.text) for e in root.iter(f"{BOXED}text")]
    assert sorted(str(text) for kind, text in texts if kind == "name") == sorted(machine.phases)
    edges = {(source, target) for source, target, _ in moves(machine)}
    lines = [e for e in root.iter(f"{BOXED}path") if e.get("class") == "line"]
    assert len(lines) == len(edges) + 1  # and the one into the initial phase
    verbs = [str(text) for kind, text in texts if kind != "name"]
    shown = [verb for line in verbs for verb in line.rstrip(",").split(", ")]
    assert sorted(shown) == sorted(verb for _, _, verb in moves(machine))


@pytest.mark.parametrize("name", MACHINES)
def test_no_two_lines_of_a_picture_lie_on_top_of_each_other(name: str) -> None:
    levels: list[Any] = []
    upright: list[tuple[int, int, int]] = []
    for path in drawing(MACHINES[name]).iter(f"{BOXED}path"):
        found = re.fullmatch(r"M(\d+) (\d+)H(\d+)V(\d+)H(\d+)", path.get("d", ""))
        if found is None:
            continue
        x, y, lane, other, end = map(int, found.groups())
        levels += [(lane > x, y), (lane > end, other)]
        upright.append((lane, min(y, other), max(y, other)))
    assert len(set(levels)) == len(levels)
    for place, (lane, top, bottom) in enumerate(upright):
        for other, above, below in upright[place + 1 :]:
            assert other != lane or above > bottom or below < top


def test_a_picture_reads_on_light_and_on_dark_pages() -> None:
    text = svg(SESSION)
    assert "prefers-color-scheme: dark" in text
    assert 'class="page"' in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_contract_of_a_live_session_says_what_its_parts_are_and_what_its_steps_take() -> None:
    page = contract(BUILT_IN["live"])
    assert ["input", "input", "machines/input/contract.md"] in cells(page, "Parts")
    steps = {row[0]: row[1:] for row in cells(page, "Joint steps")}
    verbs = "session.accept_input, input.accept, input.queue"
    assert steps["accept_input"] == [verbs, "lane: queue, steer", "any caller", ""]
    assert steps["interrupt"][2] == "the engine alone, with the authority's token"
    assert [row[:2] for row in cells(page, "Left out")][-1] == [
        "admission.request_interrupt",
        "admitted",
    ]


def test_what_a_row_asks_for_is_not_said_again_of_the_joint_step() -> None:
    """However the row's guard is put together: here, of three with ``&``."""
    steps = {row[0]: row[-1] for row in cells(contract(BUILT_IN["live"]), "Joint steps")}
    assert steps["apply_boundary_steering"] == "given inputs = 1 and input.lane = steer"


def test_a_composition_is_drawn_by_mermaid_and_not_as_svg() -> None:
    with pytest.raises(Unsupported, match="only a machine by itself is drawn as SVG, and live is"):
        svg(BUILT_IN["live"])
