"""Where a public name is reached, if not where the name service says.

In tests and demonstrations the public name resolves nowhere, and inside a cluster it may lead out through
networks that have nothing to do with the service. A rule changes where to connect, and nothing else.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver


@dataclass(frozen=True, slots=True)
class ResolveRule:
    """Connect to `address:address_port` instead of `host:port`; the host `*` stands for all.

    The name in the URL, in SNI and in the certificate check stays: as curl's `--connect-to`.
    """

    host: str
    port: int
    address: str
    address_port: int


class RuleResolver(AbstractResolver):
    """The first rule that fits, or else the system's resolver."""

    def __init__(self, rules: Sequence[ResolveRule]) -> None:
        self._rules = tuple(rules)
        self._system = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a name, in the shape that aiohttp's connector takes."""
        for rule in self._rules:
            if rule.port == port and rule.host in {"*", host.lower()}:
                return [_result(host, rule)]
        return await self._system.resolve(host, port, family)

    async def close(self) -> None:
        """Free what the system's resolver holds."""
        await self._system.close()


def _result(host: str, rule: ResolveRule) -> ResolveResult:
    version = ipaddress.ip_address(rule.address).version
    return ResolveResult(
        hostname=host,
        host=rule.address,
        port=rule.address_port,
        family=socket.AF_INET6 if version == 6 else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )


def parse_resolve(text: str) -> ResolveRule:
    """`HOST:PORT=ADDRESS:PORT`, IPv6 addresses in brackets. Raises `ValueError` saying what is wrong."""
    wanted = f"{text!r} is not HOST:PORT=ADDRESS:PORT (as login.example.com:443=127.0.0.1:8443)"
    name, equals, target = text.partition("=")
    if not equals:
        raise ValueError(wanted)
    host, port = parse_host_port(name, what=wanted)
    address, address_port = parse_host_port(target, what=wanted)
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise ValueError(f"{wanted}: {address!r} is not an IP address") from error
    return ResolveRule(host=host.lower(), port=port, address=address, address_port=address_port)


def parse_host_port(text: str, *, what: str = "") -> tuple[str, int]:
    """`HOST:PORT` with a port from 1 to 65535; an IPv6 address is in brackets. Raises `ValueError`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(what or f"{text!r} is not HOST:PORT")
    return host, int(port)
