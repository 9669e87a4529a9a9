"""Addresses of running pods, and what Services lead to."""

import contextlib
import itertools
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str

BLOCKS = range(64, 80)
"""Second octets of running pods' addresses, one for each testbed on a machine; simulated pods have others."""
_CLAIM_PORT = 20999
_SERVICE_LABEL = "kubernetes.io/service-name"


def loopback(address: str) -> str:
    """The address on this machine that stands for a pod's: 10.x.y.z -> 127.x.y.z."""
    return "127." + address.removeprefix("10.")


def runs_here(address: str) -> bool:
    """Whether a pod address is one of a running pod, not of a simulated one."""
    first, second, *_ = address.split(".")
    return first == "10" and int(second) in BLOCKS


@contextlib.contextmanager
def claim_block() -> Iterator[int]:
    """A block of addresses that no other testbed on this machine uses, for the time of the context.

    The claim is a listening socket: the kernel takes it back with the process, however that ends.
    """
    for block in reversed(BLOCKS):
        with socket.socket() as claim:
            try:
                claim.bind((f"127.{block}.255.254", _CLAIM_PORT))
            except OSError:
                continue
            yield block
            return
    raise RuntimeError(f"{len(BLOCKS)} testbeds run on this machine: no addresses are left")


@dataclass(slots=True)
class Addresses:
    """Pod addresses 10.BLOCK.0.1 to 10.BLOCK.255.254, each given once before any is given again."""

    block: int
    _next: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(1, 256 * 255)))
    _taken: set[str] = field(default_factory=set)

    def take(self) -> str:
        """A free address."""
        for number in self._next:
            address = f"10.{self.block}.{number // 256}.{number % 256}"
            if number % 256 not in {0, 255} and address not in self._taken:
                self._taken.add(address)
                return address
        raise AssertionError("unreachable")

    def give_back(self, address: str) -> None:
        """Return an address."""
        self._taken.discard(address)


def resolve_map(services: Iterable[Manifest], slices: Iterable[Manifest]) -> dict[str, list[str]]:
    """`host:port` of a namespace's Services -> `IP:PORT` of their ready endpoints on this machine.

    Judged by EndpointSlices, as kube-proxy does: wrong selectors and unready pods have no effect of ours.
    """
    by_service: dict[str, list[Manifest]] = {}
    for piece in slices:
        by_service.setdefault(get_str(piece, "metadata", "labels", _SERVICE_LABEL), []).append(piece)
    found: dict[str, list[str]] = {}
    for service in services:
        name, namespace = get_str(service, "metadata", "name"), get_str(service, "metadata", "namespace")
        ports = get_list(service, "spec", "ports")
        headless = get_str(service, "spec", "clusterIP") == "None"
        for port in ports:
            targets = sorted(_targets(by_service.get(name, []), get_str(port, "name")))
            number = int(targets[0].rpartition(":")[2]) if headless and targets else get_int(port, "port")
            for suffix in ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local"):
                found[f"{name}{suffix}:{number}"] = targets
    return found


def _targets(slices: Iterable[Manifest], port_name: str) -> Iterator[str]:
    for piece in slices:
        ports = [get_int(p, "port") for p in get_list(piece, "ports") if get_str(p, "name") == port_name]
        for endpoint in get_list(piece, "endpoints"):
            if get_map(endpoint, "conditions").get("ready") is not False:
                for address in get_list(endpoint, "addresses"):
                    if runs_here(str(address)):
                        yield from (f"{loopback(str(address))}:{port}" for port in ports)


def resolve_text(found: Mapping[str, list[str]]) -> str:
    """The map as the content of `FAKEZ_RESOLVE_FILE`."""
    return json.dumps(found, indent=1, sort_keys=True)
