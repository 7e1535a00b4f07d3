"""Parameters of a test that `make test` runs a few of, and `make thorough` the others."""

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet


def few_of(values: Iterable[object], few: Container[object]) -> "list[ParameterSet]":
    """Return a test's parameters, those marked as thorough that are not among the few."""
    return [
        pytest.param(value, marks=() if value in few else pytest.mark.thorough) for value in values
    ]
