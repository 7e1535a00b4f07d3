"""The reference is printed from the code, and has every verb."""

import inspect
import re

import pytest

from tests.support import reference

pytestmark = pytest.mark.skipif(
    not reference.PAGE.is_file(), reason="no documentation beside these tests"
)


def test_the_reference_is_printed_from_the_docstrings_of_today() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.printed(), "print it anew: make specs"


@pytest.mark.parametrize("kind", reference.CLASSES, ids=lambda kind: kind.__name__)
def test_every_public_name_is_printed_once_with_a_docstring(kind: type) -> None:
    page = "\n".join(reference.verbs_of(kind))
    assert sorted(re.findall(r"^#### (\w+)$", page, re.MULTILINE)) == reference.names_of(kind)
    for name in reference.names_of(kind):
        assert inspect.getdoc(getattr(kind, name)), name
