"""From what the API server says to pods that run: one mirror per kind, one task per pod."""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import Key
from testbed.controlplane import LOST_LABEL, NODE_ADDRESS
from testbed.home import write_atomically
from testbed.marking import RUN_BY, RUNNER
from testbed.podrunner.container import Surroundings, now
from testbed.podrunner.environment import Sources
from testbed.podrunner.kube import Kube, Mirror
from testbed.podrunner.network import Addresses, resolve_map, resolve_text
from testbed.podrunner.pod import Pod
from testbed.podrunner.states import PodFacts

_FAULTS = "fakez-faults"
_NO_FAULTS = "{}\n"


@dataclass(slots=True)
class Runner:
    """All pods that run here, by uid."""

    kube: Kube
    probe_session: aiohttp.ClientSession
    folder: Path
    addresses: Addresses
    pods: dict[str, Pod] = field(default_factory=dict)
    _nodes: dict[str, asyncio.Event] = field(default_factory=dict)
    _mirrors: dict[str, Mirror] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Mirror for ever. Pods are looked at last: by then all that they refer to is known."""
        core, discovery = "/api/v1", "/apis/discovery.k8s.io/v1"
        self._mirrors = {
            "nodes": Mirror(self.kube, f"{core}/nodes", self._node_changed),
            "configmaps": Mirror(self.kube, f"{core}/configmaps", self._config_changed),
            "secrets": Mirror(self.kube, f"{core}/secrets", lambda _old, _new: None),
            "services": Mirror(self.kube, f"{core}/services", self._network_changed),
            "endpointslices": Mirror(self.kube, f"{discovery}/endpointslices", self._network_changed),
            "pods": Mirror(self.kube, f"{core}/pods", self._pod_changed, "fieldSelector=spec.nodeName!="),
        }
        async with asyncio.TaskGroup() as group:
            for mirror in self._mirrors.values():
                group.create_task(mirror.run())
                await mirror.synced.wait()

    def _named(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return self._mirrors[kind].objects.get(Key(namespace, name))

    def _in(self, kind: str, namespace: str) -> list[Manifest]:
        return [item for key, item in self._mirrors[kind].objects.items() if key.namespace == namespace]

    def _node(self, name: str) -> asyncio.Event:
        if name not in self._nodes:
            self._nodes[name] = asyncio.Event()
            self._nodes[name].set()
        return self._nodes[name]

    def _node_changed(self, _: Manifest | None, new: Manifest | None) -> None:
        if new is None:
            return
        name = get_str(new, "metadata", "name")
        alive, lost = self._node(name), LOST_LABEL in get_map(new, "metadata", "labels")
        here = [pod for pod in self.pods.values() if get_str(pod.manifest, "spec", "nodeName") == name]
        if lost and alive.is_set():
            alive.clear()
            for pod in here:
                pod.cut_off()
        elif not lost and not alive.is_set():
            alive.set()
            for pod in here:
                pod.rewrite()

    def _config_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        either = new or old
        if get_str(either, "metadata", "name") == _FAULTS:
            faults = get_str(new, "data", "faults.json") or _NO_FAULTS
            write_atomically(self._faults_file(get_str(either, "metadata", "namespace")), faults)

    def _network_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        namespace = get_str(new or old, "metadata", "namespace")
        if any(pod.key.namespace == namespace for pod in self.pods.values()):
            self._write_resolve_file(namespace)

    def _write_resolve_file(self, namespace: str) -> None:
        found = resolve_map(self._in("services", namespace), self._in("endpointslices", namespace))
        write_atomically(self._resolve_file(namespace), resolve_text(found))

    def _faults_file(self, namespace: str) -> Path:
        return self.folder / namespace / "faults.json"

    def _resolve_file(self, namespace: str) -> Path:
        return self.folder / namespace / "resolve.json"

    def _pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        replaced = get_str(old, "metadata", "uid") != get_str(new, "metadata", "uid")
        if replaced and (gone := self.pods.get(get_str(old, "metadata", "uid"))):
            gone.abandon()
        if new is None or get_str(new, "metadata", "annotations", RUN_BY) != RUNNER:
            return
        pod = self.pods.get(get_str(new, "metadata", "uid")) or self._adopt(new)
        pod.manifest = new
        if get_str(new, "metadata", "deletionTimestamp"):
            pod.around.stopping.set()

    def _adopt(self, manifest: Manifest) -> Pod:
        pod = self._make(manifest)
        self.pods[pod.uid] = pod
        self._write_resolve_file(pod.key.namespace)
        if not self._faults_file(pod.key.namespace).exists():
            self._config_changed(
                None, self._named("configmaps", pod.key.namespace, _FAULTS) or _no_faults(pod.key)
            )
        task = asyncio.create_task(self._live(pod), name=str(pod.key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return pod

    async def _live(self, pod: Pod) -> None:
        try:
            await pod.run()
        except Exception as error:
            print(f"{pod.key}: the runner failed: {error!r}", file=sys.stderr, flush=True)
            raise
        finally:
            self.pods.pop(pod.uid, None)
            self.addresses.give_back(pod.facts.ip)

    def _make(self, manifest: Manifest) -> Pod:
        namespace, name = get_str(manifest, "metadata", "namespace"), get_str(manifest, "metadata", "name")
        ip = self.addresses.take()
        folder = self.folder / namespace / f"{name}_{get_str(manifest, 'metadata', 'uid')[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        around = Surroundings(
            pod=manifest,
            folder=folder,
            ip=ip,
            host=NODE_ADDRESS,
            sources=Sources(
                namespace,
                lambda name: self._named("configmaps", namespace, name),
                lambda name: self._named("secrets", namespace, name),
            ),
            services=lambda: [*self._in("services", namespace), *self._in("services", "default")],
            program_env=self._program_env(namespace),
            session=self.probe_session,
            node_alive=self._node(get_str(manifest, "spec", "nodeName")),
            stopping=asyncio.Event(),
            changed=lambda: pod.touch(),  # noqa: PLW0108 - the pod is made below
        )
        facts = PodFacts(get_str(manifest, "spec", "restartPolicy"), ip, NODE_ADDRESS, now())
        pod = Pod(manifest, self.kube, around, facts)
        return pod

    def _program_env(self, namespace: str) -> dict[str, str]:
        return {
            "FAKEZ_RESOLVE_FILE": str(self._resolve_file(namespace)),
            "FAKEZ_FAULTS_FILE": str(self._faults_file(namespace)),
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PYTHONUNBUFFERED": "1",
        }

    def backends(self, host: str, program: str) -> Iterator[str]:
        """`IP:PORT` of the ready pods of a program (`zitadel`, `zitadel-login`) that serve a public name."""
        serving = {_group(pod) for pod in self.pods.values() if host in _public_names(pod.manifest)}
        for pod in self.pods.values():
            if pod.ready and pod.around.node_alive.is_set() and _group(pod) in serving:
                for container in get_list(pod.manifest, "spec", "containers"):
                    if _image_name(get_str(container, "image")) == program:
                        port = next(iter(get_list(container, "ports")), None)
                        number = port.get("containerPort") if isinstance(port, dict) else None
                        if number:  # Jobs run the same program and serve nobody
                            yield f"{pod.around.ip}:{number}"


def _no_faults(key: Key) -> Manifest:
    return {"metadata": {"namespace": key.namespace, "name": _FAULTS}}


def _image_name(reference: str) -> str:
    return reference.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _group(pod: Pod) -> tuple[str, str]:
    """Pods of one instance: namespace and instance label."""
    return pod.key.namespace, get_str(pod.manifest, "metadata", "labels", "dedicated.zitadel.com/instance")


def _public_names(manifest: Manifest) -> Iterator[str]:
    """Names that a server pod answers to: of its readiness probe's Host header, or its environment."""
    for container in get_list(manifest, "spec", "containers"):
        for header in get_list(container, "readinessProbe", "httpGet", "httpHeaders"):
            if get_str(header, "name").lower() == "host":
                yield get_str(header, "value").partition(":")[0]
        for variable in get_list(container, "env"):
            if get_str(variable, "name") == "ZITADEL_EXTERNALDOMAIN":
                yield get_str(variable, "value")
