"""The files of all replicas of a limiter, as its ConfigMap holds them, and the memory that they ask for.

They are 100 kilobytes an instance, made anew in each pass: a few are remembered as text, and of many more
what tells them from others, which is most of the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from dedicated.api.json import digest
from dedicated.api.rate_limit import RateLimit
from dedicated.api.resource import Instance
from dedicated.contract.rate_limits import Policy, canonical, policy_hash
from dedicated.parts.edge.entry import edge_of
from dedicated.parts.limiter import names
from dedicated.parts.limiter.configuration import CONFIGURATION, content_digest, render
from dedicated.parts.limiter.maps import run_time_files
from dedicated.parts.limiter.site import CLUSTER_DOMAIN, Backend, Site
from dedicated.parts.limiter.tables import memory_bytes

TEXTS, MARKS = 64, 1024
"""Renderings remembered: as text, and by what tells them."""


@dataclass(frozen=True, slots=True)
class Files:
    """The data of the ConfigMap. `mark` changes when any of it does; `contents` are the digests of what each
    replica is to have in force, as it reports them."""

    data: Mapping[str, str] = field(repr=False)
    mark: str
    contents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Input:
    """What the files are made from; a site is told by its text."""

    policy: Policy
    told: str
    site: Site = field(compare=False)


def site_of(instance: Instance, *, replicas: int) -> Site:
    """Where an instance's limiter stands."""
    edge, limits = edge_of(instance), instance.spec.rate_limit or RateLimit()
    around = f"{instance.namespace}.svc.{CLUSTER_DOMAIN}"
    server, login = (
        Backend(f"{names.pods_service(instance.name, component)}.{around}", port)
        for component, port in names.BACKENDS.items()
    )
    return Site(
        name=instance.name,
        domain=instance.spec.domain,
        server=server,
        login=login,
        replicas=replicas,
        client_address=edge.client_address,
        hsts=edge.hsts,
        tls=edge.terminates_tls,
        addresses=limits.addresses,
    )


def files_of(instance: Instance, policy: Policy, *, replicas: int) -> Files:
    """Everything that the agents read."""
    site = site_of(instance, replicas=replicas)
    made_from = _Input(policy, repr(site), site)
    mark, contents = _told(made_from)
    return Files(_data(made_from), mark, contents)


@lru_cache(maxsize=TEXTS)
def _data(made_from: _Input) -> Mapping[str, str]:
    policy, site = made_from.policy, made_from.site
    own = {
        names.file_key(replica, CONFIGURATION): render(policy, site, replica)[CONFIGURATION]
        for replica in range(site.replicas)
    }
    told = {names.POLICY_FILE: canonical(policy), names.HASH_KEY: policy_hash(policy)}
    return {**own, **run_time_files(policy, site), **told}


@lru_cache(maxsize=MARKS)
def _told(made_from: _Input) -> tuple[str, tuple[str, ...]]:
    data = _data(made_from)
    shared = run_time_files(made_from.policy, made_from.site)
    replicas = range(made_from.site.replicas)
    files = ({CONFIGURATION: data[names.file_key(replica, CONFIGURATION)], **shared} for replica in replicas)
    return digest({**data}), tuple(map(content_digest, files))


def memory_of(instance: Instance, *, replicas: int) -> int:
    """Bytes that one HAProxy may take."""
    return memory_bytes((instance.spec.rate_limit or RateLimit()).addresses, replicas)
