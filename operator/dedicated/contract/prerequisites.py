"""Prerequisites of the infrastructure (O-3, P-5): what must be there, judged from what is seen.

A failed check blocks the first installation and later only reports: it never stops a running instance. Each
answers with figure found, figure needed, and who must act; what cannot be seen is said to be unknown. An
agreement on P-5 lifts the size of nodes, and nothing else. Clocks are only reported on: the one that is seen
is the operator's, and what is installed does not depend on it.

Not asked: storage classes, since the only engine is a database that somebody else runs, and the operator
makes no volume; that database itself, to which the operator never connects (its Secret is judged by
`parts.database`). The entry is seen through the public name, once there is something to answer behind it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from dedicated.api.findings import Finding
from dedicated.api.instance import Infrastructure
from dedicated.api.names import ZONE_LABEL
from dedicated.api.probing import Entry
from dedicated.contract.dates import when
from dedicated.contract.responsibilities import responsible

CLAUSE = "P-5"
NODE_CPUS = 4
NODE_GIGABYTES = 8
"""Of 10^9 bytes: a machine sold with 8 GiB shows a little less than that."""
KUBERNETES = (1, 30)
SECONDS_APART = 30
"""Tokens say when they were issued and when they end: clocks that are further apart refuse good ones."""
CERTIFICATE_LEFT = timedelta(days=21)
GIGA = 10**9
PULL_FAILURES = frozenset({"ErrImagePull", "ImagePullBackOff"})

MAIL_MISSING = "MailMissing"

UNKNOWN = frozenset({"KubernetesUnknown", "ZonesUnknown"})
"""Codes that say that something could not be checked."""
INFRASTRUCTURE = frozenset({"ClocksApart", "KubernetesTooOld", "NodesTooSmall", "TooFewZones"})
"""Codes by which the infrastructure itself is not as promised: while they are the customer's, guarantees are
not applicable (L-2). What was seen of the entry has other causes too, and is in the minutes (A-3, A-5)."""
CODES = (
    UNKNOWN
    | INFRASTRUCTURE
    | {"CertificateExpires", "CertificateNotTrusted", "ImageNotPullable", MAIL_MISSING, "NameNotResolved"}
)


@dataclass(frozen=True, slots=True)
class Node:
    """A node as far as the contract asks: its zone, whether pods can go there now, CPUs and bytes it has, and
    its place on the map (empty: it has no label)."""

    name: str
    zone: str
    schedulable: bool
    cpu: Decimal = Decimal()
    memory: Decimal = Decimal()
    place: str = ""

    @property
    def large(self) -> bool:
        """Whether it is as large as is needed."""
        return self.cpu >= NODE_CPUS and self.memory >= NODE_GIGABYTES * GIGA


@dataclass(frozen=True, slots=True)
class Platform:
    """Kubernetes as it answered last: its version (empty: it did not tell), and by how many seconds the
    operator's clock is ahead of its own; negative: behind."""

    version: str = ""
    ahead: int = 0


def check_nodes(
    nodes: Sequence[Node] | None, *, infrastructure: Infrastructure, needed: int, agreed: Collection[str]
) -> tuple[Finding, ...]:
    """Zones with a schedulable node, and with one that is large enough, against the zones in force.

    None: nodes may not be read. `agreed` are the clauses with a valid agreement.
    """
    party = responsible("Compute", infrastructure)
    if nodes is None:
        return (
            Finding(
                code="ZonesUnknown",
                responsible="Provider",
                message="the operator may not list nodes, so zones and sizes cannot be checked",
                action="grant list and watch on nodes (chart value rbac.nodes)",
            ),
        )
    allowed = infrastructure.zones.names
    zones = zones_of(nodes, allowed=allowed)
    pinned = f" of those named ({', '.join(allowed)})" if allowed else ""
    if len(zones) < needed:
        return (
            Finding(
                code="TooFewZones",
                responsible=party,
                message=f"{len(zones)} zones{pinned} have a schedulable node ({', '.join(zones) or 'none'}), "
                f"{needed} are needed (P-5, S-2)",
                action=f"add nodes labelled {ZONE_LABEL}, or bring the missing zone back",
                blocks="Creation",
            ),
        )
    large = zones_of([node for node in nodes if node.large], allowed=allowed)
    if len(large) >= needed or CLAUSE in agreed:
        return ()
    small = "; ".join(f"{zone}: {_largest(nodes, zone)}" for zone in zones if zone not in large)
    return (
        Finding(
            code="NodesTooSmall",
            responsible=party,
            message=f"{len(large)} zones{pinned} have a schedulable node of at least {NODE_CPUS} CPUs and "
            f"{NODE_GIGABYTES} GB, {needed} are needed (P-5); largest elsewhere: {small}",
            action="add larger nodes, or record an agreement on P-5 and name it in spec.agreements",
            blocks="Creation",
        ),
    )


def zones_of(nodes: Sequence[Node], *, allowed: Sequence[str] | None) -> list[str]:
    """Names of the zones that have a schedulable node, sorted; only those allowed, where any are named."""
    return sorted(
        {
            node.zone
            for node in nodes
            if node.schedulable and node.zone and (allowed is None or node.zone in allowed)
        }
    )


def check_platform(platform: Platform, *, infrastructure: Infrastructure) -> tuple[Finding, ...]:
    """The version of Kubernetes, and whether its clock and ours agree."""
    party = responsible("Compute", infrastructure)
    needed = ".".join(map(str, KUBERNETES))
    numbers = re.match(r"v?(\d+)\.(\d+)", platform.version)
    if numbers is None:
        return (
            Finding(
                code="KubernetesUnknown",
                responsible="Provider",
                message="the API server does not tell its version, so neither it nor the clocks can be "
                f"checked (P-5: {needed} or newer, clocks within {SECONDS_APART} s)",
                action="let the operator read /version (ClusterRole system:public-info-viewer)",
            ),
        )
    found = []
    if (int(numbers[1]), int(numbers[2])) < KUBERNETES:
        found.append(
            Finding(
                code="KubernetesTooOld",
                responsible=party,
                message=f"Kubernetes is {platform.version}, {needed} or newer is needed (P-5)",
                action="upgrade the cluster",
                blocks="Creation",
            )
        )
    if abs(platform.ahead) > SECONDS_APART:
        side = "ahead of" if platform.ahead > 0 else "behind"
        found.append(
            Finding(
                code="ClocksApart",
                responsible=party,
                message=f"the operator's clock is about {abs(platform.ahead)} s {side} the API server's, "
                f"at most {SECONDS_APART} s are allowed (P-5): tokens are refused",
                action="synchronise the clocks of all nodes and of the control plane (NTP)",
            )
        )
    return tuple(found)


def check_entry(
    entry: Entry, *, domain: str, infrastructure: Infrastructure, zone: str, now: datetime
) -> tuple[Finding, ...]:
    """Name and certificate as the last reading of the public name found them."""
    party = responsible("Domain", infrastructure)
    if entry.trouble == "Name":
        return (
            Finding(
                code="NameNotResolved",
                responsible=party,
                message=f"{domain} does not resolve where the operator runs (P-5)",
                action="point its DNS record to the entry; if it resolves elsewhere, mend the cluster's DNS",
            ),
        )
    if entry.trouble == "Certificate":
        return (
            Finding(
                code="CertificateNotTrusted",
                responsible=party,
                message=f"{domain}: {entry.detail} (P-5)",
                action="bring a certificate that covers the name, is in date, and is trusted by browsers",
            ),
        )
    until = entry.certificate_until
    if until is None or now < until - CERTIFICATE_LEFT:
        return ()
    return (
        Finding(
            code="CertificateExpires",
            responsible=party,
            message=f"the certificate of {domain} is good until {when(until, zone)}; it is to be renewed "
            f"{CERTIFICATE_LEFT.days} days before (P-5)",
            action="renew it, or find out why its renewal fails",
            deadline=until,
        ),
    )


def entry_change(entry: Entry, *, now: datetime) -> datetime | None:
    """When the judgement of the entry changes by itself; None if it does not."""
    until = entry.certificate_until
    due = None if until is None else until - CERTIFICATE_LEFT
    return due if due is not None and due > now else None


def check_images(problems: Collection[str], *, infrastructure: Infrastructure) -> tuple[Finding, ...]:
    """Whether nodes reach the registry: by what keeps pods from running, as `container: reason`."""
    found = {
        container
        for container, _, reason in (problem.partition(": ") for problem in problems)
        if reason in PULL_FAILURES
    }
    if not found:
        return ()
    return (
        Finding(
            code="ImageNotPullable",
            responsible=responsible("Networking", infrastructure),
            message=f"nodes cannot pull the image of {', '.join(sorted(found))} (P-5: egress)",
            action="let the nodes reach the registry, with its credentials; if the image does not exist, "
            "the provider corrects the release catalogue",
        ),
    )


def check_mail(active: bool | None, *, infrastructure: Infrastructure) -> tuple[Finding, ...]:
    """Whether an instance that serves real users has a mail provider (C-7). None: not known."""
    if active is not False:
        return ()
    return (
        Finding(
            code=MAIL_MISSING,
            responsible=responsible("SMTP", infrastructure),
            message="0 mail providers are active, 1 is needed in production (C-7, P-5): nobody gets the "
            "mails that verify addresses and reset passwords",
            action="configure one in the console (Instance, Settings, Notifications), and activate it",
        ),
    )


def _largest(nodes: Sequence[Node], zone: str) -> str:
    """The size of a zone's largest schedulable node."""
    node = max(
        (node for node in nodes if node.schedulable and node.zone == zone),
        key=lambda node: (min(node.cpu / NODE_CPUS, node.memory / (NODE_GIGABYTES * GIGA)), node.cpu),
    )
    return f"{node.cpu.normalize():f} CPUs, {node.memory / GIGA:.1f} GB"
