"""ZITADEL's configuration: an immutable ConfigMap named by its content.

Computed keys stand over the user's `server.config`, which stands over our defaults. A new content is a
new ConfigMap, so that pods of the old ReplicaSet keep reading what they started with; old ones are
pruned after the rollout. The file is JSON, which is YAML: deterministic and cheap to write.
"""

import json
from functools import lru_cache

from dedicated.api.findings import Finding
from dedicated.api.instance import FirstInstance
from dedicated.api.json import JsonValue, Manifest, canonical, digest, get_map, get_str
from dedicated.api.objects import CONFIG_MAP
from dedicated.contract.responsibilities import responsible
from dedicated.parts.metadata import child
from dedicated.parts.wanted import EXTERNAL_PORT, PORT, Wanted

COMPONENT = "config"
MOUNT = "/etc/zitadel"
CONFIG_FILE = "zitadel.yaml"
STEPS_FILE = "steps.yaml"
OPERATOR_USER = "operator"
LOGIN_USER = "login-client"
OPERATOR_PUBLIC = "/etc/zitadel-keys/operator/public.pem"
LOGIN_PUBLIC = "/etc/zitadel-keys/login/public.pem"

RESERVED_CONNECTIONS = 5
"""Left to the database's administrators and exporters."""
POOL_LEAST = 5
POOL_MOST = 25
EXTRA_PROCESSES = 2
"""Beside the replicas: one pod of surge and one setup Job."""


def defaults() -> Manifest:
    """What we choose, and `server.config` may change."""
    return {
        # The daily report names the instance's domains: off for data bound to a region.
        "ServicePing": {"Enabled": False},
        "Telemetry": {"Enabled": False},
    }


def computed(wanted: Wanted) -> Manifest:
    """What the operator computes. ZITADEL's own defaults for these are wrong here (zitadel.md §2.3)."""
    pool, _ = pool_size(wanted)
    return {
        "Port": PORT,
        "ExternalDomain": wanted.spec.domain,
        "ExternalPort": EXTERNAL_PORT,
        "ExternalSecure": True,
        "TLS": {"Enabled": False},
        "Machine": {"Identification": {"Hostname": {"Enabled": True}, "Webhook": {"Enabled": False}}},
        "Database": {
            "postgres": {
                "MaxOpenConns": pool,
                "MaxIdleConns": pool // 2,
                # Unset lifetimes burn the database's processor (zitadel#9423).
                "MaxConnLifetime": "30m",
                "MaxConnIdleTime": "5m",
                "AwaitInitialConn": "5m",
            }
        },
        "SystemAPIUsers": {
            OPERATOR_USER: {"Path": OPERATOR_PUBLIC, "Memberships": [_system("SYSTEM_OWNER", "IAM_OWNER")]},
            LOGIN_USER: {"Path": LOGIN_PUBLIC, "Memberships": [_system("IAM_LOGIN_CLIENT")]},
        },
    }


def _system(*roles: str) -> JsonValue:
    return {"MemberType": "System", "Roles": list(roles)}


def steps(wanted: Wanted) -> Manifest:
    """Input of the first setup. The password comes by environment, from its Secret."""
    if wanted.spec.brings_data:
        return {"FirstInstance": {"Skip": True}}
    first = wanted.spec.first_instance or FirstInstance()
    admin = first.admin
    return {
        "FirstInstance": {
            "InstanceName": wanted.name,
            "Org": {
                "Name": first.organization,
                "Human": {
                    "UserName": admin.user_name,
                    "FirstName": admin.first_name,
                    "LastName": admin.last_name,
                    "Email": {
                        "Address": admin.email or f"{admin.user_name}@{wanted.spec.domain}",
                        "Verified": True,
                    },
                    "PasswordChangeRequired": True,
                },
            },
        }
    }


def pool_size(wanted: Wanted) -> tuple[int, Finding | None]:
    """Connections per process, so that all processes together stay within the database's budget.

    The finding says when the budget is too small for a healthy pool.
    """
    processes = wanted.server_replicas + EXTRA_PROCESSES
    budget = wanted.spec.database.max_connections
    share = (budget - RESERVED_CONNECTIONS) // processes
    if share >= POOL_LEAST:
        return min(share, POOL_MOST), None
    needed = POOL_LEAST * processes + RESERVED_CONNECTIONS
    external = wanted.spec.database.engine == "external"
    return max(share, 1), Finding(
        code="ConnectionBudget",
        responsible=responsible("Database", wanted.spec.infrastructure, external=external),
        message=f"spec.database.{'external' if external else 'cluster'}.maxConnections is {budget}: "
        f"{share} for each of {processes} processes, at least {POOL_LEAST} are needed",
        action=f"raise max_connections of the database and maxConnections to {needed}, or use fewer replicas",
    )


def config_map(wanted: Wanted) -> Manifest:
    """The ConfigMap with `zitadel.yaml` and `steps.yaml`, named by its content."""
    config = merge(merge(defaults(), wanted.spec.server.config), computed(wanted))
    data: Manifest = {CONFIG_FILE: _document(config), STEPS_FILE: _document(steps(wanted))}
    return {
        **child(CONFIG_MAP, wanted.instance, f"config-{digest(data)[:8]}", COMPONENT),
        "immutable": True,
        "data": data,
    }


def name_of(wanted: Wanted) -> str:
    """Name of the ConfigMap that is wanted."""
    return get_str(config_map(wanted), "metadata", "name")


def setup_digest(wanted: Wanted) -> str:
    """8 digits that change when setup has to run again: the version and setup-relevant configuration.

    ZITADEL's repeatable steps look at the external address and the event store's settings
    (zitadel.md §6, §7.2).
    """
    relevant: Manifest = {
        "image": wanted.release.server_image,
        "domain": wanted.spec.domain,
        "eventstore": get_map(wanted.spec.server.config, "Eventstore"),
    }
    restored = wanted.instance.database.cluster
    return digest({**relevant, "database": restored} if restored else relevant)[:8]


def merge(below: Manifest, over: Manifest) -> Manifest:
    """Both, maps merged key by key; where they differ `over` wins."""
    merged = dict(below)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _document(value: Manifest) -> str:
    return _indented(canonical(value))


@lru_cache(maxsize=256)
def _indented(text: bytes) -> str:
    """The canonical JSON for people. Kept, as indenting is slow and each pass writes the same again."""
    return json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
