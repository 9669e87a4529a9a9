"""What is asked of the store by its owner: by a pod beside it that has the product's own client.

So nothing needs a way to the store from outside of the cluster, and no second client of S3.
"""

import base64
import json
from pathlib import Path

from dedicated.api.json import Manifest, get_map, get_str
from service import pods, store, waiting
from service.provider import Provider, ProviderError
from testbed.archives import unpack

POD, SECRET = "store-owner", "store-owner"
PYTHON = "/opt/dedicated/bin/python3"
SECONDS = 90.0
OVER = ("Succeeded", "Failed")
_HEAD = """
import asyncio, base64, io, sys, tarfile
from pathlib import Path
from dedicated.probes.objects import Access, open_objects

access = Access({endpoint!r}, {region!r}, Path("/credentials"))

async def do():
"""
_ENCRYPT = """
    rule = ("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
            "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
            "</ServerSideEncryptionConfiguration>")
    for name in {buckets!r}:
        async with open_objects(name, access) as objects:
            answer = await objects.ask("encryption", method="PUT", body=rule.encode())
            if answer.status >= 300:
                sys.exit(f"{{name}}: {{answer.code}}")
"""
_FETCH = """
    packed = io.BytesIO()
    async with open_objects({bucket!r}, access) as objects:
        with tarfile.open(fileobj=packed, mode="w") as file:
            for name in [name async for name, _ in objects.sizes({prefix!r})]:
                answer = await objects.ask(key=name)
                if answer.status != 200:
                    sys.exit(f"{{name}}: {{answer.code}}")
                entry = tarfile.TarInfo(name.removeprefix({prefix!r}))
                entry.size = len(answer.body)
                file.addfile(entry, io.BytesIO(answer.body))
    print(base64.b64encode(packed.getvalue()).decode())
"""
_TAIL = "\nasyncio.run(do())\n"


def encrypt(provider: Provider, *buckets: str) -> None:
    """Let the store encrypt whatever is put into the buckets (D-2)."""
    _run(provider, _ENCRYPT.format(buckets=list(buckets)))


def fetch(provider: Provider, bucket: str, prefix: str, to: Path) -> None:
    """Write all objects below a prefix into a folder, by the rest of their names."""
    packed = base64.b64decode(_run(provider, _FETCH.format(bucket=bucket, prefix=prefix)))
    unpack(packed, to)


def _run(provider: Provider, script: str) -> str:
    """What the script printed, run once in a pod that is gone afterwards."""
    head = _HEAD.format(endpoint=store.endpoint(), region=store.REGION)
    place = ("-n", store.NAMESPACE)
    provider.kubectl(*place, "delete", "pod", POD, "--ignore-not-found", "--force", "--grace-period=0")
    provider.api.apply(_pod(provider.image("operator"), head + script + _TAIL))
    waiting.until(
        lambda: get_str(_status(provider), "phase") in OVER,
        POD,
        seconds=SECONDS,
        pause=0.5,
        why=lambda: json.dumps(_status(provider)),
    )
    phase = get_str(_status(provider), "phase")
    said = provider.kubectl(*place, "logs", POD)
    provider.kubectl(*place, "delete", "pod", POD, "--force", "--grace-period=0")
    if phase == "Failed":
        raise ProviderError(f"{POD}: {said.strip()}")
    return said


def _status(provider: Provider) -> Manifest:
    return get_map(provider.api.get("v1/pods", store.NAMESPACE, POD), "status")


def _pod(image: str, script: str) -> Manifest:
    container: Manifest = {
        "name": POD,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [PYTHON, "-c", script],
        "resources": pods.resources("10m", "64Mi", limit="256Mi"),
        "securityContext": pods.container_security(),
        "volumeMounts": [{"name": "credentials", "mountPath": "/credentials", "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": store.NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": pods.pod_security(store.USER),
            "containers": [container],
            "volumes": [pods.secret_volume("credentials", SECRET)],
        },
    }
