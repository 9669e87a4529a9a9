"""Ranges of addresses, as more than one of the models hold them.

The API server judges the form (`format: cidr`); what it cannot reckon, such as bits behind the prefix, is
judged where a range is used (`contract.rate_limits`).
"""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field


def _is_range(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("not a range of addresses in CIDR notation, such as 203.0.113.0/24") from None
    return text


Cidr = Annotated[
    str,
    Field(
        max_length=49,
        pattern=r"^[0-9a-fA-F.:]+/(0|[1-9][0-9]{0,2})$",
        json_schema_extra={"format": "cidr"},
    ),
    AfterValidator(_is_range),
]
