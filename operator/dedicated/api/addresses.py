"""Ranges of addresses, as more than one of the models hold them.

A `Cidr` is whole: nothing stands behind its prefix, and IPv4 is written as IPv4, so that whatever it is
handed to reads it in one way. Not every API server that we support has CEL for addresses, so the models
alone refuse what `format: cidr` lets through. What is on record cannot be mended: a `RecordedCidr` is any
range, and its faults are named where it is used (`contract.raised_ranges`).
"""

from ipaddress import IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

_FORM = Field(
    max_length=49,
    pattern=r"^[0-9a-fA-F.:]+/(0|[1-9][0-9]{0,2})$",
    json_schema_extra={"format": "cidr"},
)


def _is_range(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("not a range of addresses in CIDR notation, such as 203.0.113.0/24") from None
    return text


def _is_whole(text: str) -> str:
    network = ip_network(_is_range(text), strict=False)
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"one address of a range: write {network} for all of it") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError("IPv4 addresses written as IPv6: write them as IPv4")
    return text


Cidr = Annotated[str, _FORM, AfterValidator(_is_whole)]
RecordedCidr = Annotated[str, _FORM, AfterValidator(_is_range)]
