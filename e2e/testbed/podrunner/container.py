"""One container of a pod: a process that is started, probed, restarted and stopped as kubelet does."""

import asyncio
import contextlib
import datetime
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_str
from testbed.podrunner import probes
from testbed.podrunner.environment import MissingError, Sources, expand, resolve
from testbed.podrunner.images import Image, ImageError, StartError, command_line, find_image
from testbed.podrunner.network import loopback
from testbed.podrunner.states import ContainerState, Running, Terminated, Waiting
from testbed.podrunner.volumes import mount
from testbed.processes import tied_to_parent

_RETRY_SECONDS = 0.3
_LONGEST_BACK_OFF = 10
_LONGEST_PRE_STOP = 1
_START_ERROR_CODE = 128


def now() -> str:
    """The time as the API server writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container shares with its pod."""

    pod: Manifest
    folder: Path
    """The pod's directory; volumes are in `volumes`."""
    ip: str
    host: str
    sources: Sources
    services: Callable[[], Sequence[Manifest]]
    program_env: Mapping[str, str]
    """Variables of the fake's contract (resolver, faults) and of Python."""
    session: aiohttp.ClientSession
    node_alive: asyncio.Event
    stopping: asyncio.Event
    changed: Callable[[], None]
    """Called after every change of a container's state."""

    async def pause(self, seconds: float) -> bool:
        """Wait; True at once when the pod is being stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        return self.stopping.is_set()


@dataclass(slots=True)
class Container:
    """A container and its process, if one runs."""

    spec: Manifest
    around: Surroundings
    state: ContainerState
    process: Process | None = None
    _env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Manifest, around: Surroundings, *, reason: str) -> "Container":
        """A container that waits for the given reason."""
        name, image = get_str(spec, "name"), get_str(spec, "image")
        return cls(spec, around, ContainerState(name, image, Waiting(reason)))

    async def live(self, policy: str) -> None:
        """Run, and run again as the restart policy says; return when it is over or the pod stops."""
        delay = 1
        while True:
            await self._run_once()
            await self.around.node_alive.wait()
            ended = self.state.state
            code = ended.code if isinstance(ended, Terminated) else 0
            if self.around.stopping.is_set() or policy == "Never" or (policy == "OnFailure" and code == 0):
                return
            pod = get_str(self.around.pod, "metadata", "name")
            message = f"back-off {delay}s restarting failed container={self.state.name} pod={pod}"
            self._become(Waiting("CrashLoopBackOff", message))
            if await self.around.pause(delay):
                return
            delay = min(2 * delay, _LONGEST_BACK_OFF)
            self.state.restarts += 1

    async def stop(self, grace: float) -> None:
        """preStop sleep (at most 1 s), SIGTERM, and SIGKILL when the grace period (seconds) is over."""
        process = self.process
        if process is None:
            return
        sleep = get_int(self.spec, "lifecycle", "preStop", "sleep", "seconds")
        await asyncio.sleep(min(sleep, _LONGEST_PRE_STOP, grace))
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(grace, 0.1)):
                await process.wait()
        self.kill()

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _run_once(self) -> None:
        image = await self._pulled()
        if image is None or not await self._configured():
            return
        started = now()
        try:
            argv = self._argv(image)
        except StartError as error:
            self._become(Terminated(_START_ERROR_CODE, "StartError", started, started, str(error)))
            return
        root = self.around.folder / self.state.name / "root"
        await self.around.node_alive.wait()
        mount(self.spec, self.around.folder / "volumes", root)
        self.process = await self._start(image, argv, root)
        if self.around.stopping.is_set() or not self.around.node_alive.is_set():
            self.kill()
        self.state.started = probes.find(self.spec, "startupProbe") is None
        self.state.ready = self.state.started and probes.find(self.spec, "readinessProbe") is None
        self._become(Running(started))
        checks = asyncio.create_task(self._check(image))
        code = await self.process.wait()
        checks.cancel()
        self.kill()
        self.process = None
        await self.around.node_alive.wait()
        self.state.ready = self.state.started = False
        code = 128 - code if code < 0 else code
        self._become(Terminated(code, "Error" if code else "Completed", started, now()))

    async def _pulled(self) -> Image | None:
        """The image; None when the pod is stopped while waiting for one that does not exist."""
        reason = "ErrImagePull"
        while True:
            try:
                return find_image(self.state.image)
            except ImageError as error:
                self._become(Waiting(reason, str(error)))
            reason = "ImagePullBackOff"
            if await self.around.pause(1):
                return None

    async def _configured(self) -> bool:
        """Resolve the environment, waiting for what is missing; False when the pod is stopped."""
        around = self.around
        while True:
            try:
                self._env = resolve(
                    self.spec, around.pod, around.sources, around.services(), ip=around.ip, host=around.host
                )
            except MissingError as error:
                self._become(Waiting("CreateContainerConfigError", str(error)))
                if await around.pause(_RETRY_SECONDS):
                    return False
            else:
                return True

    def _argv(self, image: Image) -> list[str]:
        command, args = (
            [expand(str(part), self._env) for part in get_list(self.spec, field)]
            for field in ("command", "args")
        )
        return command_line(image, command, args)

    def _environment(self, image: Image, root: Path) -> dict[str, str]:
        # The fake's contract comes last: a pod cannot lead it astray.
        own = {
            "FAKEZ_VERSION": image.version,
            "FAKEZ_ROOT": str(root),
            "FAKEZ_BIND": loopback(self.around.ip),
        }
        return {"HOME": "/", **self._env, **self.around.program_env, **own}

    async def _start(self, image: Image, argv: Sequence[str], root: Path) -> Process:
        log = self.around.folder / f"{self.state.name}.log"
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *argv,
                cwd=root,
                env=self._environment(image, root),
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
                preexec_fn=tied_to_parent(),
            )

    async def _execute(self, image: Image, command: list[str]) -> bool:
        try:
            argv = command_line(image, command, [])
        except StartError:
            return False
        process = await self._start(image, argv, self.around.folder / self.state.name / "root")
        try:
            return await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()

    async def _check(self, image: Image) -> None:
        """Run the probes of the process that runs now; ends with a kill if one says so."""
        names = {
            get_str(entry, "name"): get_int(entry, "containerPort") for entry in get_list(self.spec, "ports")
        }
        prober = probes.Prober(
            self.around.session,
            loopback(self.around.ip),
            as_manifest(names),
            lambda command: self._execute(image, command),
        )
        startup, readiness, liveness = (
            probes.find(self.spec, f"{kind}Probe") for kind in ("startup", "readiness", "liveness")
        )
        grace = get_int(self.around.pod, "spec", "terminationGracePeriodSeconds")
        if startup and not await probes.until_started(prober, startup):
            await self.stop(grace)
            return
        self.state.started = True
        self.state.ready = readiness is None
        self.around.changed()
        async with asyncio.TaskGroup() as group:
            if readiness:
                group.create_task(probes.watch_readiness(prober, readiness, self._set_ready))
            if liveness:
                await probes.until_dead(prober, liveness)
                await self.stop(grace)

    def _set_ready(self, ready: bool) -> None:
        self.state.ready = ready
        self.around.changed()

    def _become(self, state: Waiting | Running | Terminated) -> None:
        if isinstance(self.state.state, Terminated) and not isinstance(state, Terminated):
            self.state.last = self.state.state
        self.state.state = state
        self.around.changed()
