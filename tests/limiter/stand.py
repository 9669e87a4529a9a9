"""A limiter on loopback: the generated configuration in one to three HAProxy processes, TLS between them.

Every stand has addresses of its own (127.x.y.*), so that tests run side by side and the ports are the
product's. `divisor` shortens all windows alike: with 30 a minute is two seconds, and rates are 30 times as
high. Then the machine's own delays weigh 30 times as much too.
"""

import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dedicated.api.edge import ClientAddress
from dedicated.contract.rate_limits import BAN, BAN_WINDOW, WINDOW, Kind, Policy
from dedicated.parts.limiter.configuration import render
from dedicated.parts.limiter.site import HTTP_PORT, METRICS_PORT, NEAR, PROBE_PORT, Backend, Directories, Site
from limiter import origin
from limiter.certificate import self_made
from limiter.haproxy import Haproxy, check, until
from limiter.http1 import Endpoint
from limiter.reference import Rules

PLACE, PREFIX = "/tmp", "dedicated-limiter-"
"""Not below the test's own folder: the path of a socket is limited to 107 bytes."""
DOMAIN = "login.example.com"
TRUSTED = ["127.0.0.0/8"]
FORWARDED = ClientAddress.model_validate({"from": "XForwardedFor", "trusted": TRUSTED, "hops": 1})
CONNECTION = ClientAddress.model_validate({"from": "Connection"})
CLAIM_PORT = 7999
_EXPIRY = re.compile(r"(?m)^(    table (?:adm|off|mark|markban|ban)_\w+ .* expire )(\d+)(ms|s)\b")
_MOMENT = re.compile(r"(int\(|\blt |-m int 1:)(\d{5,6})\b")


def scaled(text: str, divisor: int) -> str:
    """A configuration whose windows are that many times shorter."""

    def expiry(found: re.Match[str]) -> str:
        milliseconds = int(found[2]) * (1000 if found[3] == "s" else 1)
        return f"{found[1]}{milliseconds // divisor}ms"

    if divisor == 1:
        return text
    return _MOMENT.sub(lambda found: f"{found[1]}{int(found[2]) // divisor}", _EXPIRY.sub(expiry, text))


@contextmanager
def own_network() -> Iterator[str]:
    """Two numbers of loopback addresses that nobody else has: `127.x.y`. A socket there holds them."""
    for number in range(4096, 65000):
        network = f"127.{number // 256}.{number % 256}"
        with socket.socket() as claim:
            try:
                claim.bind((f"{network}.254", CLAIM_PORT))
                claim.listen()
            except OSError:
                continue
            yield network
            return
    raise LookupError("no loopback network is free")


@dataclass
class Stand:
    """Replicas before an origin. `policy` and `site` are what the next `write` renders."""

    folder: Path
    network: str
    policy: Policy
    site: Site
    divisor: int
    replicas: list[Haproxy] = field(default_factory=list)
    behind: object = None

    def address(self, replica: int) -> str:
        """Where a replica listens."""
        return f"{self.network}.{replica + 1}"

    @property
    def origin(self) -> str:
        """Where server and login listen."""
        return f"{self.network}.100"

    @property
    def endpoints(self) -> list[Endpoint]:
        """For clients, one for each replica."""
        return [(self.address(number), HTTP_PORT) for number in range(self.site.replicas)]

    def probe(self, replica: int) -> Endpoint:
        """Where the agent probes."""
        return self.address(replica), PROBE_PORT

    def metrics(self, replica: int) -> Endpoint:
        """Where the figures are."""
        return self.address(replica), METRICS_PORT

    def rules(self, kind: Kind) -> Rules:
        """The policy of a class for the reference."""
        threshold = self.policy.ui if kind == "ui" else self.policy.api
        lengths = (WINDOW / self.divisor, BAN_WINDOW / self.divisor, BAN / self.divisor)
        return Rules(threshold.limit, threshold.ban, *lengths)

    def files(self, replica: int) -> Mapping[str, str]:
        """What the generator makes of policy and site, at this stand's addresses."""
        folder = self.folder / f"r{replica}"
        site = replace(
            self.site,
            address=self.address(replica),
            directories=Directories(str(folder), str(folder), str(self.folder / "link"), str(self.folder)),
        )
        made = render(self.policy, site, replica)
        return {name: scaled(text, self.divisor).replace(NEAR, "192.0.2.255") for name, text in made.items()}

    def write(self, replica: int) -> None:
        """Write the files of a replica; the running process does not look at them by itself."""
        folder = self.folder / f"r{replica}"
        folder.mkdir(exist_ok=True)
        for name, text in self.files(replica).items():
            (folder / name).write_text(text)
        (folder / "server-state").write_text("1\n")

    def start(self, replica: int) -> None:
        """Check the files, start the process, and wait until the origin is known to be well."""
        folder = self.folder / f"r{replica}"
        checked = check(folder / "haproxy.cfg")
        assert checked.returncode == 0, checked.stderr
        self.replicas[replica].start()
        until(lambda: self.serves(replica), "the origin is up")

    def serves(self, replica: int) -> bool:
        """Whether a replica takes every server as up."""
        lines = self.replicas[replica].admin("show stat").splitlines()
        rows = [line.split(",") for line in lines if not line.startswith("#") and line]
        states = [row[17] for row in rows if row[0] in ("ui", "api", "login") and row[1] not in SUMS]
        return bool(states) and all(state.startswith("UP") for state in states)

    def linked(self) -> bool:
        """Whether every replica has learned what the others knew, and hears from each of them.

        A process learns for some seconds after its start, and what it is taught of its own share is older
        than what it has counted since. Replicas that start together call each other at once, and hang up on
        each other, some for longer than they learn; the status that is told outlives the connection. So an
        entry of each has to come to all others.
        """
        learned = all(self._learned(replica.admin("show peers")) for replica in self.replicas)
        return learned and self._hear_each_other()

    def _hear_each_other(self) -> bool:
        """Whether an entry of each comes to all; it is taken away again."""
        entries = [f"rl/adm_api_r{number} key {NOBODY}" for number in range(len(self.replicas))]
        for replica, entry in zip(self.replicas, entries, strict=True):
            replica.admin(f"set table {entry} data.gpc0 1")
        try:
            until(lambda: self._have(entries), "entries come", seconds=HEARD)
        except AssertionError:
            return False
        finally:
            for replica in self.replicas:
                replica.admin(*(f"clear table {entry}" for entry in entries))
        return True

    def _have(self, entries: list[str]) -> bool:
        return all(
            f"key={NOBODY}" in replica.admin(f"show table {entry}")
            for replica in self.replicas
            for entry in entries
        )

    def await_link(self) -> None:
        """Wait for it: a reload before a process has learned loses what the one before it knew."""
        until(self.linked, "the replicas are linked", seconds=LINKED)

    def _learned(self, told: str) -> bool:
        flags = re.search(r" id=rl .*? flags=0x([0-9a-f]+)", told)
        assert flags is not None, told
        return int(flags[1], 16) & LEARNED == LEARNED and "(remote,inactive)" not in told


NOBODY = "2001:db8:ffff::"
HEARD, LINKED = 1.0, 60.0
"""Seconds: between replicas that are linked; until they are, after some calls at once."""
LEARNED = 0x3
"""Flags of `show peers`: nothing more to learn from the process before, and from the other replicas."""
SUMS = ("FRONTEND", "BACKEND")


@contextmanager
def standing(
    *,
    replicas: int = 1,
    divisor: int = 1,
    policy: Policy | None = None,
    client_address: ClientAddress = CONNECTION,
    behind: Callable[[str], AbstractContextManager[object]] | None = None,
    threads: int = 1,
    addresses: int = 16_384,
) -> Iterator[Stand]:
    """Start everything, and leave nothing. `behind` starts server and login, else the fast ones do."""
    with ExitStack() as stack:
        network = stack.enter_context(own_network())
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        origin_address = f"{network}.100"
        site = Site(
            name="acme",
            domain=DOMAIN,
            server=Backend(origin_address, 8080),
            login=Backend(origin_address, 3000),
            replicas=replicas,
            client_address=client_address,
            addresses=addresses,
            threads=threads,
            peer_addresses=tuple(f"{network}.{number + 1}" for number in range(replicas)),
        )
        (folder / "link").mkdir()
        for name, content in self_made().items():
            (folder / "link" / name).write_bytes(content)
        stand = Stand(folder, network, policy or Policy(), site, divisor)
        if behind:
            stand.behind = stack.enter_context(behind(stand.origin))
        else:
            stack.callback(origin.fast(folder / "origin", stand.origin).stop)
        for number in range(replicas):
            stand.write(number)
            stand.replicas.append(Haproxy(folder / f"r{number}"))
            stack.callback(stand.replicas[number].stop)
        for number in range(replicas):
            stand.start(number)
        if replicas > 1:  # one alone has nobody to learn from, and waits for some seconds all the same
            stand.await_link()
        yield stand
