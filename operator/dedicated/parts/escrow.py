"""The key bundle's writer: a Job for each change, what it may do, and its record.

Neither the operator nor the recovery agent holds the second bucket's credentials: only this Job mounts them,
beside the Secrets that it packs. It reads no Secret through the API server. Its Role lets it list the
instance, its records and its maintenances, and read and write its record, `<name>-escrow`; its NetworkPolicy
lets it out to DNS, the API server and the store. It is named by what it is to write and by what was written
before, so that a crash makes none twice, and one at a time is under way.

What is packed: the masterkey, the operator's and the login's key pair, the first administrator's password,
passphrases of the backups, an external database's DSN; `<name>-identity`, the configuration, the months of
the service level. Not the credentials of stores, which are not lost with a cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.json import JsonValue, Manifest, digest, get_int, get_list, get_str
from dedicated.api.key_bundle import KeyBundle
from dedicated.api.names import GROUP
from dedicated.api.objects import (
    CONFIG_MAP,
    INSTANCE_BACKUP,
    INSTANCE_RESTORE,
    MAINTENANCE,
    NETWORK_POLICY,
    RECORD,
)
from dedicated.api.resource import Instance
from dedicated.contract.recovery.escrow import MANAGER, REPORT, Attempt, Marks, Owed, Report, from_json
from dedicated.parts import keys, process, stores
from dedicated.parts.database.engine import created_at
from dedicated.parts.metadata import child, image_of, restricted_container, selector
from dedicated.parts.process import is_word, reading, rights, ways_out

COMPONENT = "escrow"
MATERIAL = "/etc/dedicated/escrow"
"""Below it `secrets/NAME/KEY` and `configmaps/NAME/KEY`."""
STORE = "/etc/dedicated/store"
RETRIES = 6
"""Failed attempts of one Job: 10 s, 20 s, 40 s ... apart, some 10 minutes in all; then a new Job."""
LISTED = (MAINTENANCE, RECORD, INSTANCE_BACKUP, INSTANCE_RESTORE)
"""What a ledger tells of."""


@dataclass(frozen=True, slots=True)
class EscrowWanted:
    """Input of the Job: the image is the operator's own.

    `secrets` and `config_maps` are names to be packed, `versions` what the manifest tells of the release.
    """

    instance: Instance
    image: str
    bundle: KeyBundle
    secrets: tuple[str, ...]
    config_maps: tuple[str, ...]
    versions: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the record, and of all else but the Jobs."""
        return record_name(self.instance.name)


@dataclass(frozen=True, slots=True)
class Kept:
    """The record as read: since when there is one, and what it tells; None where it holds nothing yet."""

    made: datetime | None
    report: Report | None


def record_name(instance: str) -> str:
    """Name of an instance's record."""
    return f"{instance}-{COMPONENT}"


def kept_of(manifest: Manifest) -> Kept:
    """The record of a manifest."""
    return Kept(created_at(manifest), from_json(get_str(manifest, "data", REPORT)))


def attempt_of(manifest: Manifest) -> Attempt | None:
    """A Job of ours that was not carried out yet; None where it was, or is none."""
    ended = {
        get_str(item, "type")
        for item in get_list(manifest, "status", "conditions")
        if get_str(item, "status") == "True"
    }
    made = created_at(manifest)
    if "Complete" in ended or made is None:
        return None
    return Attempt(
        name=get_str(manifest, "metadata", "name"),
        made=made,
        failures=get_int(manifest, "status", "failed"),
        failed="Failed" in ended,
        image=image_of(manifest),
    )


def is_report(component: str, manager: str, fields: Manifest) -> bool:
    """Whether what a manager owns of an object is the Job's word in the record."""
    return (component, manager) == (COMPONENT, MANAGER) and is_word(fields, REPORT)


def secrets_of(instance: Instance) -> tuple[str, ...]:
    """Names of the Secrets that a bundle holds."""
    names = {keys.masterkey_ref(instance).name}
    names |= {f"{instance.name}-{suffix}" for suffix in (keys.OPERATOR_KEY, keys.LOGIN_KEY)}
    if keys.needs_admin_secret(instance):
        names.add(f"{instance.name}-{keys.ADMIN}")
    backup = instance.spec.backup
    if instance.spec.database.external is not None:
        names.add(instance.spec.database.external.secret_ref.name)
    for place in (backup.repository, *backup.copies) if backup is not None else ():
        if place.encryption.client_side is not None:
            names.add(place.encryption.client_side.secret_name)
    return tuple(sorted(names))


def spec_of(instance: Instance) -> Manifest:
    """The spec as it was written, without what the model adds: a new version of ours changes no mark."""
    found: Manifest = instance.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return found


def job_name(instance: Instance, marks: Marks, report: Report | None) -> str:
    """The same until something else is to be written, or something was."""
    known = (report.bundle, report.ledger) if report else (None, None)
    before: list[JsonValue] = [one.object if one else "" for one in known]
    return f"{instance.name}-{COMPONENT}-{digest([marks.bundle, marks.ledger, before])[:10]}"


def manifests(wanted: EscrowWanted) -> tuple[Manifest, ...]:
    """All that a Job needs beside itself."""
    record = _record(wanted)
    listed: Manifest = {
        "apiGroups": [GROUP],
        "resources": [kind.plural for kind in LISTED],
        "verbs": ["list"],
    }
    return (record, *rights(record, reading(wanted.instance), listed), _policy(wanted))


def _record(wanted: EscrowWanted) -> Manifest:
    return child(CONFIG_MAP, wanted.instance, COMPONENT, COMPONENT)


def _policy(wanted: EscrowWanted) -> Manifest:
    """Out to the API server and the store; in from nobody."""
    spec: Manifest = {
        "podSelector": {"matchLabels": selector(wanted.instance, COMPONENT)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": ways_out(stores.port_of(wanted.bundle.repository.endpoint)),
    }
    return {**child(NETWORK_POLICY, wanted.instance, COMPONENT, COMPONENT), "spec": spec}


def job(wanted: EscrowWanted, marks: Marks, owed: Owed, report: Report | None) -> Manifest:
    """The Job that writes what is owed now."""
    pod: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": True,
        "containers": [
            {
                "name": COMPONENT,
                "image": wanted.image,
                "args": [*_arguments(wanted, marks, owed)],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "96Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "securityContext": restricted_container(),
                "volumeMounts": [mount for mount, _ in _volumes(wanted)],
            }
        ],
        "volumes": [volume for _, volume in _volumes(wanted)],
    }
    name = job_name(wanted.instance, marks, report)
    return process.job(_record(wanted), pod, name=name, retries=RETRIES)


def _volumes(wanted: EscrowWanted) -> list[tuple[Manifest, Manifest]]:
    """Each mount and its volume. What is missing is told by the Job in words, where a pod would only wait."""
    store: Manifest = {**stores.keys_of(wanted.bundle.repository.secret_name), "optional": True}
    found: list[tuple[str, str, Manifest]] = [("store", STORE, {"secret": store})]
    for number, name in enumerate(wanted.secrets):
        source: Manifest = {"secret": {"secretName": name, "optional": True}}
        found.append((f"secret-{number}", f"{MATERIAL}/secrets/{name}", source))
    for number, name in enumerate(wanted.config_maps):
        source = {"configMap": {"name": name, "optional": True}}
        found.append((f"configmap-{number}", f"{MATERIAL}/configmaps/{name}", source))
    return [
        ({"name": name, "mountPath": path, "readOnly": True}, {"name": name, **source})
        for name, path, source in found
    ]


def _arguments(wanted: EscrowWanted, marks: Marks, owed: Owed) -> list[str]:
    instance, repository = wanted.instance, wanted.bundle.repository
    masterkey = keys.masterkey_ref(instance)
    given = {
        "--instance": instance.name,
        "--namespace": instance.namespace,
        "--uid": instance.meta.uid,
        "--bundle": marks.bundle if owed.bundle else "",
        "--ledger": marks.ledger if owed.ledger else "",
        "--masterkey": f"{masterkey.name}/{masterkey.key}",
        "--material": MATERIAL,
        "--bucket": repository.bucket,
        "--prefix": repository.prefix,
        "--endpoint": repository.endpoint,
        "--region": repository.region,
        "--store-credentials": STORE,
    }
    found = ["agent", COMPONENT, *(f"{name}={value}" for name, value in given.items() if value)]
    found += [f"--recipient={one.role}={one.key}" for one in wanted.bundle.recipients]
    found += [f"--secret={name}" for name in wanted.secrets]
    return found + [f"--version={name}={value}" for name, value in wanted.versions.items() if value]
