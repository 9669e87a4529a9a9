"""Quantities, as nodes and containers state them."""

from decimal import Decimal

import pytest

from dedicated.api.quantity import parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", "4"),
        ("3920m", "3.92"),
        ("1.5", "1.5"),
        ("8145348Ki", "8340836352"),
        ("8G", "8e9"),
        ("4Ti", 2**42),
    ],
)
def test_each_form_is_a_number(text: str, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "many", "-1", "1e3", "8 Gi", "8gi"])
def test_anything_else_is_none(text: str) -> None:
    assert parse_quantity(text) is None
