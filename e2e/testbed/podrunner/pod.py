"""One pod, from its first sight to its confirmed deletion."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass, field

from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_str
from dedicated.api.objects import Key
from testbed.podrunner.container import Container, Surroundings, now
from testbed.podrunner.environment import MissingError
from testbed.podrunner.kube import Kube
from testbed.podrunner.states import PodFacts, Waiting, status, succeeded
from testbed.podrunner.volumes import lay_out

_RETRY_SECONDS = 0.3
_GONE = (404, 409)
_OVER = {"Succeeded", "Failed"}


@dataclass(slots=True)
class Pod:
    """A pod that runs here. `run` is its whole life; the other methods are what happens to it."""

    manifest: Manifest
    kube: Kube
    around: Surroundings
    facts: PodFacts
    inits: list[Container] = field(default_factory=list)
    mains: list[Container] = field(default_factory=list)
    _written: Manifest = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _gone: bool = False

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(
            get_str(self.manifest, "metadata", "namespace"), get_str(self.manifest, "metadata", "name")
        )

    @property
    def uid(self) -> str:
        """Identity."""
        return get_str(self.manifest, "metadata", "uid")

    @property
    def ready(self) -> bool:
        """All containers are ready, and the pod is not being stopped."""
        return (
            bool(self.mains)
            and all(main.state.ready for main in self.mains)
            and not self.around.stopping.is_set()
        )

    def touch(self) -> None:
        """The status may have changed: write it soon."""
        self._changed.set()

    def rewrite(self) -> None:
        """Write the status even if it has not changed: somebody else has written over it."""
        self._written = {}
        self.touch()

    def cut_off(self) -> None:
        """The node is lost: its processes are dead."""
        for container in (*self.inits, *self.mains):
            container.kill()

    def abandon(self) -> None:
        """The pod is gone from the API server: end everything."""
        self._gone = True
        self.around.stopping.set()
        self.cut_off()
        self.touch()

    async def run(self) -> None:
        """Run the containers until the pod is over or stopped; then wait for its deletion and confirm it."""
        policy = self.facts.restart_policy
        self._make_containers()
        writer = asyncio.create_task(self._write())
        stopper = asyncio.create_task(self._stop_when_asked())
        try:
            if get_str(self.manifest, "status", "phase") not in _OVER:
                self.touch()
                if await self._volumes():
                    await self._run_containers(policy)
            await stopper
            if not self._gone:
                await self._flush()
        finally:
            self.cut_off()
            writer.cancel()
            stopper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        if not self._gone:
            await self._confirm()
        self._tidy()

    def _make_containers(self) -> None:
        inits = get_list(self.manifest, "spec", "initContainers")
        reason = "PodInitializing" if inits else "ContainerCreating"
        self.inits = [Container.of(as_manifest(spec), self.around, reason=reason) for spec in inits]
        mains = get_list(self.manifest, "spec", "containers")
        self.mains = [Container.of(as_manifest(spec), self.around, reason=reason) for spec in mains]

    async def _volumes(self) -> bool:
        """Lay out the volumes, waiting for what is missing; False when the pod is stopped."""
        around = self.around
        while True:
            try:
                lay_out(
                    self.manifest, around.sources, around.folder / "volumes", ip=around.ip, host=around.host
                )
            except MissingError as error:
                first = (self.inits or self.mains)[0]
                first.state.state = Waiting(
                    "PodInitializing" if self.inits else "ContainerCreating",
                    f"MountVolume.SetUp failed: {error}",
                )
                self.touch()
                if await around.pause(_RETRY_SECONDS):
                    return False
            else:
                return not around.stopping.is_set()

    async def _run_containers(self, policy: str) -> None:
        for container in self.inits:
            await container.live("OnFailure" if policy == "Always" else policy)
            if not succeeded(container.state):
                return
            container.state.ready = True
        await asyncio.gather(*(container.live(policy) for container in self.mains))

    async def _stop_when_asked(self) -> None:
        """After `stopping` is set by a deletion, end the processes gracefully."""
        await self.around.stopping.wait()
        if self._gone:
            return
        await self.around.node_alive.wait()
        grace = get_int(self.manifest, "metadata", "deletionGracePeriodSeconds")
        await asyncio.gather(*(container.stop(grace) for container in (*self.inits, *self.mains)))

    async def _write(self) -> None:
        """Write the status whenever it differs, but not from a lost node."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.around.node_alive.wait()
            if not await self._write_once():
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    async def _write_once(self) -> bool:
        inits, mains = ([c.state for c in group] for group in (self.inits, self.mains))
        wanted = status(self.facts, inits, mains, before=self._written, now=now())
        if wanted == self._written:
            return True
        code = await self.kube.patch_status(self.key, self.uid, wanted)
        if 200 <= code < 300:
            self._written = wanted
        return 200 <= code < 300 or code in _GONE

    async def _flush(self) -> None:
        """Write the last status before the pod goes."""
        await self.around.node_alive.wait()
        if get_str(self.manifest, "status", "phase") not in _OVER:
            await self._write_once()

    async def _confirm(self) -> None:
        while not self._gone and not 200 <= (code := await self.kube.remove_pod(self.key, self.uid)) < 300:
            if code in _GONE:
                return
            await asyncio.sleep(_RETRY_SECONDS)

    def _tidy(self) -> None:
        """Remove what may hold secrets; logs stay."""
        for folder in ("volumes", *(c.state.name for c in (*self.inits, *self.mains))):
            shutil.rmtree(self.around.folder / folder, ignore_errors=True)
