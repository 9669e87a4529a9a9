"""The keys that go with an export: a key bundle as the escrow writes it (B-10), of what a customer needs.

`dedicated keys show` and `keys restore` open it, and so do `age`, `gunzip` and `tar`. It holds the masterkey,
both key pairs, identity, configuration and the DedicatedInstance, no first password; of a physical export the
passphrase of the repository too, without which that is noise, else none of the provider's backups. It stands
in no chain: its number is 0. The same export makes the same bytes.
"""

import gzip
from dataclasses import dataclass
from datetime import datetime

from dedicated.agents.escrow import material
from dedicated.agents.escrow.material import MaterialError
from dedicated.agents.export.settings import Settings
from dedicated.api.objects import INSTANCE
from dedicated.cluster.own_object import Door
from dedicated.contract.recovery.bundle import FORMAT, Contents, Previous, opener, pack, sums_of
from dedicated.contract.transfer.export_readme import KeyPaths
from dedicated.parts.keys import IDENTITY, LOGIN_KEY, OPERATOR_KEY


@dataclass(frozen=True, slots=True)
class Packed:
    """A key bundle, compressed and not sealed yet; the masterkey's fingerprint, and where its keys are."""

    data: bytes
    fingerprint: str
    paths: KeyPaths


async def packed(settings: Settings, *, at: datetime) -> Packed:
    """The bundle of an export of `at`. Raises MaterialError, OwnObjectError, OSError."""
    instance, masterkey = settings.instance, settings.masterkey
    secrets, fingerprint = material.checked_secrets(
        settings.keys, needed=settings.secrets, masterkey=masterkey, identity=f"{instance}-{IDENTITY}"
    )
    config_maps = material.files_below(settings.keys, "configmaps")
    configuration = next((name for name in config_maps if name.endswith("/zitadel.yaml")), None)
    if configuration is None:
        raise MaterialError("no ConfigMap has zitadel.yaml")
    named = f"metadata.name={instance}"
    door = Door(settings.api_server, settings.credentials)
    listed = await door.list_objects(INSTANCE, settings.namespace, field_selector=named)
    members = {
        **secrets,
        **config_maps,
        **material.instance_member(listed, incarnation=settings.uid),
        **material.readme(
            material.BUNDLE_README,
            instance=instance,
            namespace=settings.namespace,
            masterkey=f"`secrets/{masterkey}`",
            masterkey_file=f"secrets/{masterkey}",
        ),
    }
    contents = Contents(
        format=FORMAT,
        what="Bundle",
        instance=instance,
        namespace=settings.namespace,
        incarnation=settings.uid,
        number=0,
        at=at,
        mark=settings.export,
        fingerprint=fingerprint,
        masterkey=masterkey,
        versions={"zitadel": settings.zitadel},
        openers=(opener("Customer", settings.recipient),),
        previous=Previous(),
        sums=sums_of(members),
    )
    paths = KeyPaths(
        masterkey=f"secrets/{masterkey}",
        configuration=configuration,
        operator=f"secrets/{instance}-{OPERATOR_KEY}/public.pem",
        login=f"secrets/{instance}-{LOGIN_KEY}/public.pem",
    )
    return Packed(gzip.compress(pack(contents, members), mtime=0), fingerprint, paths)
