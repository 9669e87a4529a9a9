"""Ranges of addresses: what the spec takes, and what a record may hold."""

import pytest
from pydantic import TypeAdapter, ValidationError

from dedicated.api.addresses import Cidr, RecordedCidr

SPEC: TypeAdapter[str] = TypeAdapter(Cidr)
RECORD: TypeAdapter[str] = TypeAdapter(RecordedCidr)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "203.0.113.7/32", "0.0.0.0/0", "2001:DB8::/32", "fd00::/8"])
def test_a_whole_range_is_taken(text: str) -> None:
    assert (SPEC.validate_python(text), RECORD.validate_python(text)) == (text, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.1/8", "write 10.0.0.0/8 for all of it"),
        ("2001:db8::1/32", "write 2001:db8::/32 for all of it"),
        ("::ffff:10.0.0.0/104", "write them as IPv4"),
    ],
)
def test_the_spec_takes_no_range_that_can_be_read_in_two_ways(text: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SPEC.validate_python(text)
    assert RECORD.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0/8", "10.0.0.0/255.0.0.0", "fe80::%eth0/64",
        "2001:db8::/129", "010.0.0.0/8", "localhost/8", "/8", "10.0.0.0/8 ", "",
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused_everywhere(text: str) -> None:
    for adapter in (SPEC, RECORD):
        with pytest.raises(ValidationError):
            adapter.validate_python(text)
