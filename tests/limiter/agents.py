"""Agents of a stand: what the operator wants of it, as a ConfigMap, and one agent beside each HAProxy."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dedicated.agents.limiter.main import work
from dedicated.agents.limiter.settings import Settings
from dedicated.api.rate_limit import Mode
from dedicated.contract.limiter_report import Report
from dedicated.contract.rate_limits import Entry, Policy, Threshold, canonical, policy_hash
from dedicated.parts.limiter.configuration import CONFIGURATION
from dedicated.parts.limiter.names import HASH_KEY, POLICY_FILE, file_key
from limiter.config_server import ConfigServer, config_server, plant_credentials
from limiter.haproxy import find
from limiter.stand import Stand

PATIENCE = 60.0


@dataclass
class Agents:
    """The agents of a stand, and the server they follow and tell."""

    stand: Stand
    server: ConfigServer
    credentials: Path
    prove_every: timedelta = timedelta(days=1)
    stops: dict[int, asyncio.Event] = field(default_factory=dict)
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)

    def wanted(self, policy: Policy | None = None) -> dict[str, str]:
        """The ConfigMap's data for the stand's site and a policy, which is the stand's from now on."""
        self.stand.policy = policy or self.stand.policy
        replicas = range(self.stand.site.replicas)
        files = {number: self.stand.files(number) for number in replicas}
        shared = {name: text for name, text in files[0].items() if name != CONFIGURATION}
        own = {file_key(number, CONFIGURATION): files[number][CONFIGURATION] for number in replicas}
        told = {POLICY_FILE: canonical(self.stand.policy), HASH_KEY: policy_hash(self.stand.policy)}
        return {**own, **shared, **told}

    def want(self, policy: Policy | None = None) -> None:
        """What the operator writes."""
        self.server.want(self.wanted(policy))

    def settings(self, replica: int) -> Settings:
        """Of one agent."""
        folder = self.stand.folder / f"r{replica}"
        return Settings(
            instance="acme",
            namespace="acme-ns",
            replica=replica,
            api_server=self.server.url,
            credentials=self.credentials,
            files=folder,
            sockets=folder,
            secrets=(self.stand.folder / "link",),
            haproxy=find(),
            probe=self.stand.probe(replica),
            prove_every=self.prove_every,
            look_every=timedelta(seconds=0.5),
            tell_every=timedelta(seconds=2),
            http_address=("127.0.0.1", 0),
        )

    def start(self, replica: int) -> None:
        """One agent."""
        self.stops[replica] = asyncio.Event()
        running = work(
            self.settings(replica),
            stop=self.stops[replica],
            now=lambda: datetime.now(UTC),
            serving=lambda port: self.ports.__setitem__(replica, port),
        )
        self.tasks[replica] = asyncio.create_task(running)

    async def stop(self, replica: int) -> None:
        """End it; raises what broke it."""
        self.stops.pop(replica).set()
        await self.tasks.pop(replica)

    async def told(self, replica: int, true: Callable[[Report], bool], what: str) -> Report:
        """Wait until a replica tells something."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for task in self.tasks.values():
                        if task.done():
                            task.result()
                    report = self.server.report(replica)
                    if report is not None and true(report):
                        return report
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(
                f"replica {replica} does not tell: {what}; {self.server.report(replica)}"
            ) from None

    async def proven(self, *replicas: int) -> list[Report]:
        """Wait until the policy wanted is in force and proven."""
        digest = policy_hash(self.stand.policy)
        return [
            await self.told(number, lambda one: one.proven and one.policy_hash == digest, "proven")
            for number in replicas or range(self.stand.site.replicas)
        ]


@asynccontextmanager
async def agents_of(stand: Stand, *, prove_every: timedelta = timedelta(days=1)) -> AsyncIterator[Agents]:
    """Agents beside all replicas, which run and want what the stand has."""
    with _server() as server:
        made = Agents(stand, server, plant_credentials(stand.folder / "pod"), prove_every)
        made.want()
        async with AsyncExitStack() as stack:
            for number in range(stand.site.replicas):
                made.start(number)
            stack.push_async_callback(_end, made)
            yield made


async def _end(made: Agents) -> None:
    for replica in list(made.tasks):
        await made.stop(replica)


@contextmanager
def _server() -> Iterator[ConfigServer]:
    with config_server() as server:
        yield server


def raised(policy: Policy, text: str, factor: int) -> Policy:
    """The policy with a range that has more."""
    until = datetime(2030, 1, 1, tzinfo=UTC)
    entry = Entry(text, False, _times(policy.ui, factor), _times(policy.api, factor), "record", until)
    return replace(policy, entries=tuple(sorted((*policy.entries, entry), key=lambda one: one.range)))


def exempted(policy: Policy, text: str) -> Policy:
    """The policy with a range that is not limited."""
    entry = Entry(text, True, policy.ui, policy.api, "record", datetime(2030, 1, 1, tzinfo=UTC))
    return replace(policy, entries=tuple(sorted((*policy.entries, entry), key=lambda one: one.range)))


def _times(threshold: Threshold, factor: int) -> Threshold:
    return threshold.times(factor)


def shadowed(policy: Policy, mode: Mode = "Shadow") -> Policy:
    """The policy in another mode: a change of structure."""
    return replace(policy, mode=mode)
