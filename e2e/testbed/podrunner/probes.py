"""Startup, readiness and liveness probes, run for real against the pod's process.

Tests do not wait for periods made for production: until a container is ready it is asked every 0.3 s,
later at least every 2 s. Failure thresholds count, initial delays and the startup probe's whole budget
(`periodSeconds * failureThreshold`) last as long as written.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str

_EAGER_SECONDS = 0.3
_RELAXED_SECONDS = 2.0
_DEFAULT_PERIOD = 10
_DEFAULT_THRESHOLD = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a container's spec."""

    spec: Manifest

    @property
    def delay(self) -> int:
        """Seconds before the first try."""
        return get_int(self.spec, "initialDelaySeconds")

    @property
    def period(self) -> int:
        """Seconds between tries, as written."""
        return get_int(self.spec, "periodSeconds") or _DEFAULT_PERIOD

    @property
    def threshold(self) -> int:
        """Failures in a row that count."""
        return get_int(self.spec, "failureThreshold") or _DEFAULT_THRESHOLD

    @property
    def timeout(self) -> int:
        """Seconds that a try may take."""
        return get_int(self.spec, "timeoutSeconds") or 1


def find(container: Manifest, name: str) -> Probe | None:
    """A probe of a container (`readinessProbe` ...), if it has one."""
    spec = get_map(container, name)
    return Probe(spec) if spec else None


@dataclass(frozen=True, slots=True)
class Prober:
    """Tries probes of one container."""

    session: aiohttp.ClientSession
    address: str
    """Where the pod listens on this machine."""
    ports: Manifest
    """Port names -> numbers."""
    execute: Callable[[list[str]], Awaitable[bool]]
    """Runs a command in the container; True for exit code 0."""

    async def succeeds(self, probe: Probe) -> bool:
        """One try."""
        try:
            async with asyncio.timeout(probe.timeout):
                return await self._try(probe.spec)
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def _try(self, spec: Manifest) -> bool:
        if http := get_map(spec, "httpGet"):
            scheme = (get_str(http, "scheme") or "HTTP").lower()
            url = f"{scheme}://{self.address}:{self._port(http.get('port'))}{get_str(http, 'path') or '/'}"
            headers = {
                get_str(entry, "name"): get_str(entry, "value") for entry in get_list(http, "httpHeaders")
            }
            async with self.session.get(url, headers=headers, allow_redirects=False, ssl=False) as answer:
                return 200 <= answer.status < 400
        if tcp := get_map(spec, "tcpSocket"):
            _, writer = await asyncio.open_connection(self.address, self._port(tcp.get("port")))
            writer.close()
            return True
        if command := get_map(spec, "exec"):
            return await self.execute([str(part) for part in get_list(command, "command")])
        return False

    def _port(self, port: JsonValue) -> int:
        number = self.ports.get(port) if isinstance(port, str) else port
        return number if isinstance(number, int) else 0


async def until_started(prober: Prober, probe: Probe) -> bool:
    """Try until it succeeds; False when the probe's budget is spent."""
    await asyncio.sleep(probe.delay)
    deadline = time.monotonic() + probe.period * probe.threshold
    while not await prober.succeeds(probe):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(min(probe.period, _EAGER_SECONDS))
    return True


async def watch_readiness(prober: Prober, probe: Probe, report: Callable[[bool], None]) -> None:
    """Report every change of readiness, for ever. A container starts unready."""
    await asyncio.sleep(probe.delay)
    ready, failures = False, 0
    while True:
        if await prober.succeeds(probe):
            failures = 0
            if not ready:
                ready = True
                report(True)
        else:
            failures += 1
            if ready and failures >= probe.threshold:
                ready = False
                report(False)
        await asyncio.sleep(min(probe.period, _RELAXED_SECONDS if ready and not failures else _EAGER_SECONDS))


async def until_dead(prober: Prober, probe: Probe) -> None:
    """Return when the liveness probe has failed often enough in a row."""
    await asyncio.sleep(probe.delay)
    failures = 0
    while failures < probe.threshold:
        await asyncio.sleep(min(probe.period, _RELAXED_SECONDS))
        failures = 0 if await prober.succeeds(probe) else failures + 1
