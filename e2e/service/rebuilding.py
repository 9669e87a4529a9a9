"""A cluster that is lost whole, and the service made anew from what is kept beside it.

All nodes crash at once, in the middle of whatever they did; then every object of operator, engine and
instance is gone, and with them the volumes. What is left is the store, which stands for one in another place,
the identity of one who opens the key bundle, and what lies in Git: the chart's values, the certificate. The
way back is that of docs/runbooks/lost-cluster.md.

Limit: nodes, API server and the engine's definitions are those of before, emptied, and the store's node
crashes as well.
"""

import subprocess
import sys
from pathlib import Path

from service import bucket_access, cloudnativepg, instance, openers, operator, store, waiting
from service.provider import Provider, ProviderError
from service.steps import Service
from testbed.client import condition

EMPTIED = (instance.NAMESPACE, operator.NAMESPACE, cloudnativepg.NAMESPACE)
RESTORER = "restorer"
AS_ADMINISTRATOR, AS_RESTORER, LAST = ("1", "2", "3"), ("4", "5"), ("6",)
"""By how the names of the manifests begin that `keys restore` writes."""
HELD, OURS = ("persistentvolumeclaims", "services"), (".dedicated.zitadel.com", ".cnpg.io")
"""Kinds whose finalizers nobody takes off any more."""
GONE_SECONDS, BACK_SECONDS = 300.0, 120.0


def lose(service: Service) -> None:
    """Crash every node, and take all objects away but those of the store."""
    provider = service.provider
    for node in provider.nodes():
        provider.break_node(node.name, "crash")
    operator.uninstall(provider)
    cloudnativepg.uninstall(provider)

    def gone() -> bool:
        left = [one for one in EMPTIED if provider.api.find("v1/namespaces", "", one)]
        for namespace in left:
            # Refused for some seconds: an API server judges by policies that it has seen, also deleted ones.
            provider.kubectl("delete", "namespace", namespace, "--wait=false", check=False)
            _let_go(provider, namespace)
        return not left

    waiting.until(gone, "an empty cluster", seconds=GONE_SECONDS, pause=1)
    heal(service)


def heal(service: Service) -> None:
    """Start the nodes again; the store comes back with its volume. Harmless where they run."""
    provider = service.provider
    for node in provider.nodes():
        provider.heal_node(node.name)
    waiting.until(
        lambda: all(condition(node, "Ready") == "True" for node in provider.api.list("v1/nodes")),
        "nodes ready again",
        seconds=BACK_SECONDS,
    )
    waiting.rollout(provider, store.NAMESPACE, f"statefulset/{store.NAME}")


def rebuild(service: Service, folder: Path) -> None:
    """Operator, engine, and the instance from bundle, ledger and backup; does not wait until it serves."""
    kept, made = folder / "kept", folder / "made"
    kept.mkdir(parents=True)
    for step in (service.install_operator, service.start_database, service.prepare_namespace):
        for _ in step():
            pass
    prefix = f"keys/{instance.NAMESPACE}/{instance.NAME}/"
    bucket_access.fetch(service.provider, store.KEYS, prefix, kept)
    identity = folder / "identity.txt"
    identity.write_text(openers.identity(service.provider.home, "Provider") + "\n")
    _dedicated("keys", "restore", str(kept), "-i", str(identity), "--from-backup", "-o", str(made))
    _create(service.provider, made, AS_ADMINISTRATOR)
    service.provider.api.apply(instance.binding(RESTORER, operator.RESTORER_ROLE))
    _create(service.provider, made, AS_RESTORER, user=RESTORER)
    service.provider.kubectl("delete", "rolebinding", RESTORER, "-n", instance.NAMESPACE)
    _create(service.provider, made, LAST)
    for _ in service.publish_name():
        pass


def _create(provider: Provider, made: Path, begins: tuple[str, ...], *, user: str = "") -> None:
    """Make the objects of some files, in the order of their names."""
    speaker = (f"--as={user}",) if user else ()
    for file in sorted(made.iterdir()):
        if file.name.startswith(begins):
            provider.kubectl("create", *speaker, "-f", str(file))


def _dedicated(*arguments: str) -> None:
    """The command line. ProviderError with what it said."""
    command = [sys.executable, "-m", "dedicated", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise ProviderError(f"dedicated {' '.join(arguments[:2])}: {done.stdout}{done.stderr}")


def _let_go(provider: Provider, namespace: str) -> None:
    """What holds a namespace back whose controllers are gone: pods of dead nodes, finalizers."""
    force = ("--all", "--force", "--grace-period=0", "--wait=false", "--ignore-not-found")
    provider.kubectl("delete", "pods", *force, "-n", namespace, check=False)
    kinds = ("api-resources", "--namespaced", "--verbs=list,patch", "-o", "name")
    for kind in provider.kubectl(*kinds, check=False).split():
        if kind in HELD or kind.endswith(OURS):
            off = ("--type=merge", "-p", '{"metadata":{"finalizers":null}}')
            for name in provider.kubectl("get", kind, "-n", namespace, "-o", "name", check=False).split():
                provider.kubectl("patch", name, "-n", namespace, *off, check=False)
