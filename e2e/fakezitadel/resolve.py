"""Where a host name of the cluster is on this machine: a file before DNS, as `curl --resolve` does it.

Pods of the local control plane are processes on loopback and Services have no address, so the pod
runner writes which processes stand behind `host:port`.
"""

import json
from dataclasses import dataclass

from fakezitadel.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect."""

    host: str
    port: int


def addresses(runtime: Runtime, host: str, port: int) -> list[Address]:
    """The addresses to try, in order; the name itself if the file says nothing of it.

    An entry with an empty list is a Service without ready endpoints: nothing to try.
    """
    file = runtime.resolve_file
    known = json.loads(file.read_text()) if file is not None and file.exists() else {}
    found = known.get(f"{host}:{port}")
    if found is None:
        return [Address(host, port)]
    pairs = [entry.rpartition(":") for entry in found]
    return [Address(address.strip("[]"), int(number)) for address, _, number in pairs]
