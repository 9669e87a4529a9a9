"""A load balancer as clouds have them: an address for each Service of that type, health checks of nodes.

HAProxy in the cluster's network, outside of the nodes. It asks a node as clouds do: kube-proxy's health, or
with `externalTrafficPolicy: Local` the Service's own health check port, twice a second, and connects to
node ports. The annotation `nodes.dedicated/proxy-protocol: "true"` makes it tell the client's address
(PROXY protocol version 2).

Limit: TCP only.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

from urllib3.exceptions import HTTPError

from dedicated.api.json import Manifest, get_int, get_list, get_str
from nodes.place import COUNT, Place
from testbed.client import Api, ApiError
from testbed.home import write_atomically
from testbed.processes import spawn

SERVICES = "v1/services"
PROXY_PROTOCOL = "nodes.dedicated/proxy-protocol"
PROXY_HEALTH = 10256
"""Where kube-proxy tells its health, on every node."""
_HEAD = """\
global
  maxconn 4000
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 1s
  option redispatch 1
  retries 3
  option httpchk GET /healthz
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
"""


EVERY = 1.0
"""Seconds between two looks."""


def keep(place: Place) -> None:
    """Give addresses and balance until the process ends."""
    api = Api.from_kubeconfig(place.pki / "machine.kubeconfig")
    config, known, process = place.root / "balancer.cfg", "", None
    while True:
        try:
            addresses = _assign(api, place)
            wanted = configuration(addresses, place)
            if wanted != known and addresses:
                for address in addresses:
                    _add_address(place, address)
                write_atomically(config, wanted)
                process = _reload(place, config, process)
                known = wanted
        except (ApiError, HTTPError, OSError) as error:
            print(f"balancer: {error}", file=sys.stderr, flush=True)
        time.sleep(EVERY)


def configuration(services: dict[str, Manifest], place: Place) -> str:
    """HAProxy's configuration for Services by their addresses."""
    return _HEAD + "".join(
        _listen(address, service, port, place)
        for address, service in sorted(services.items())
        for port in range(len(get_list(service, "spec", "ports")))
    )


def _listen(address: str, service: Manifest, index: int, place: Place) -> str:
    port = get_list(service, "spec", "ports")[index]
    name = f"{get_str(service, 'metadata', 'namespace')}_{get_str(service, 'metadata', 'name')}_{index}"
    local = get_str(service, "spec", "externalTrafficPolicy") == "Local"
    health = get_int(service, "spec", "healthCheckNodePort") if local else PROXY_HEALTH
    tells = get_str(service, "metadata", "annotations", PROXY_PROTOCOL) == "true"
    lines = [f"listen {name}", f"  bind {address}:{get_int(port, 'port')}"]
    to, more = get_int(port, "nodePort"), " send-proxy-v2" if tells else ""
    lines += [
        f"  server {place.node(node)} {place.node_address(node)}:{to} check port {health}{more}"
        for node in range(1, COUNT + 1)
    ]
    return "\n".join(lines) + "\n"


def _assign(api: Api, place: Place) -> dict[str, Manifest]:
    """Services by their addresses; those without one get one."""
    services: list[Manifest] = [
        service
        for service in api.list(SERVICES)
        if get_str(service, "spec", "type") == "LoadBalancer"
        and not get_str(service, "spec", "loadBalancerClass")
    ]
    found = {address: service for service in services if (address := _address(service))}
    for service in services:
        if _address(service):
            continue
        address = next(free for i in range(100) if (free := place.balancer(i)) not in found)
        namespace, name = get_str(service, "metadata", "namespace"), get_str(service, "metadata", "name")
        status: Manifest = {"status": {"loadBalancer": {"ingress": [_ingress(service, address)]}}}
        api.patch(SERVICES, namespace, name, status, subresource="status")
        found[address] = service
    return found


def _ingress(service: Manifest, address: str) -> Manifest:
    """With ipMode Proxy kube-proxy leads no pod past the balancer, which alone tells the client's address."""
    tells = get_str(service, "metadata", "annotations", PROXY_PROTOCOL) == "true"
    return {"ip": address, "ipMode": "Proxy" if tells else "VIP"}


def _address(service: Manifest) -> str:
    ingress = get_list(service, "status", "loadBalancer", "ingress")
    return get_str(ingress[0], "ip") if ingress else ""


def _add_address(place: Place, address: str) -> None:
    subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", place.bridge], check=True, timeout=10)


def _reload(
    place: Place, config: Path, process: "subprocess.Popen[bytes] | None"
) -> "subprocess.Popen[bytes]":
    if process is not None and process.poll() is None:
        process.send_signal(signal.SIGUSR2)  # the master process reads it again; connections stay
        return process
    return spawn(["haproxy", "-W", "-db", "-f", str(config)], log=place.logs / "haproxy.log")
