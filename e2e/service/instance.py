"""The instance: its DedicatedInstance for each engine, and what its users bring beside it.

Small numbers, for a machine that carries three nodes: three replicas of everything, as the contract wants
them, with little memory each. What machine and engine cannot offer, nodes of 4 CPUs and 8 GB and differential
backups, is agreed on in writing as a provider would do it: a ContractRecord on each clause, made by an
identity that holds the provider's verb by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import API_VERSION
from service import store
from service.provider import Balancer

Engine = Literal["external", "cloudnative-pg"]
ENGINES: tuple[Engine, ...] = ("external", "cloudnative-pg")
NAMESPACE = NAME = "acme"
DOMAIN = "login.acme.example"
TLS_SECRET, DATABASE_SECRET = "login-tls", "acme-database"
BACKUP_SECRET, KEYS_SECRET = "acme-backup-store", "acme-keys-store"
PROVIDER = "operations"
"""The identity that speaks for the provider."""
CUSTOMER = "owner"
"""And for the customer."""
SMALL, FULLS_ONLY = "P-5", "B-2"
AGREED = {
    SMALL: "nodes of the size of this machine",
    FULLS_ONLY: "no differential backups: CloudNativePG has none, the log is archived all the time",
}
"""Clauses from which the customer lets the provider deviate, and what was agreed."""
RESOURCE, RECORDS = f"{API_VERSION}/dedicatedinstances", f"{API_VERSION}/contractrecords"
REGION, COUNTRY = "Here", "CH"
"""Of the map of places: where the machine and its store are."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the cluster an instance has to name."""

    balancer: Balancer
    storage_class: str
    postgresql_image: str
    postgresql_version: int = 15
    release: str = "v4.15.2"
    recipients: Sequence[tuple[str, str]] = ()
    """Role and public key of those who can open the key bundle; empty: none is made."""


def manifest(engine: Engine, around: Surroundings) -> Manifest:
    """The DedicatedInstance."""
    spec: Manifest = {
        "plan": "Advanced",
        "domain": DOMAIN,
        "release": {"version": around.release},
        "agreements": [{"clause": clause, "record": record_of(clause)} for clause in agreed(engine)],
        "server": {"resources": _resources("100m", "128Mi", "512Mi")},
        "login": {"resources": _resources("20m", "96Mi", "256Mi")},
        "edge": _edge(around.balancer),
        **(_external() if engine == "external" else _clustered(around)),
    }
    return made("DedicatedInstance", NAME, spec)


def made(kind: str, name: str, spec: Manifest) -> Manifest:
    """An object of the operator's group beside the instance."""
    metadata: Manifest = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def agreed(engine: Engine) -> tuple[str, ...]:
    """Clauses that an instance on an engine needs an agreement on here."""
    return (SMALL,) if engine == "external" else (SMALL, FULLS_ONLY)


def record_of(clause: str) -> str:
    """Name of the record of an agreement."""
    return f"{NAME}-agreement-{clause.lower()}"


def agreement(clause: str, *, now: datetime) -> Manifest:
    """What was agreed on a clause; holds from a minute ago."""
    agreed: Manifest = {
        "clause": clause,
        "value": AGREED[clause],
        "validFrom": rfc3339(now - timedelta(minutes=1)),
    }
    said: Manifest = {"instance": NAME, "fact": "Agreement", "by": PROVIDER, "reference": "letter-1"}
    return made("ContractRecord", record_of(clause), {**said, "agreement": agreed})


def binding(user: str, cluster_role: str) -> Manifest:
    """Who speaks for a side of the contract in the instance's namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user, "namespace": NAMESPACE},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def _edge(balancer: Balancer) -> Manifest:
    way_in: Manifest = {
        "loadBalancer": {"annotations": {**balancer.annotations}},
        "tls": {"secretName": TLS_SECRET},
    }
    if balancer.trusted:
        way_in["clientAddress"] = {"from": "ProxyProtocol", "trusted": [*balancer.trusted]}
    return way_in


def _external() -> Manifest:
    return {
        "database": {"external": {"state": "New", "secretRef": {"name": DATABASE_SECRET}}},
    }


def _clustered(around: Surroundings) -> Manifest:
    repository: Manifest = {
        "bucket": store.BACKUPS,
        "prefix": "backups",
        "endpoint": store.endpoint(),
        "region": store.REGION,
        "secretName": BACKUP_SECRET,
        "encryption": {"serverSide": "AES256"},
        "immutability": {"versioning": "Preferred"},
    }
    cluster: Manifest = {
        "instances": 3,
        "postgresVersion": around.postgresql_version,
        "image": around.postgresql_image,
        "storage": {"size": "1Gi", "className": around.storage_class},
        "resources": _resources("100m", "192Mi", "768Mi"),
    }
    backup: Manifest = {"repository": repository, "differential": {"mode": "walOnly"}}
    found: Manifest = {
        "infrastructure": {"dataLocation": {"countries": [COUNTRY]}},
        "database": {"engine": "cloudnative-pg", "cluster": cluster},
        "backup": backup,
    }
    if around.recipients:
        recipients: list[JsonValue] = [{"role": role, "key": key} for role, key in around.recipients]
        found["keyBundle"] = {
            "recipients": recipients,
            "repository": {
                "bucket": store.KEYS,
                "prefix": "keys",
                "endpoint": store.endpoint(),
                "region": store.REGION,
                "secretName": KEYS_SECRET,
            },
        }
    return found


def _resources(cpu: str, memory: str, limit: str) -> Manifest:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}
