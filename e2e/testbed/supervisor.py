"""The process that owns all others of a testbed: starts them, keeps them up, ends them.

It ends by SIGTERM (`down`), or by itself when nobody uses the testbed any more: users hold a shared
lock, so the supervisor may have it alone exactly then. It keeps the lock while it stops, so that a
newcomer waits and finds a clean place. A program that dies is started again, as kubelet does with the
static pods of a real control plane: tests may kill any of them.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from testbed import postgres, tools
from testbed.client import Api
from testbed.controlplane import GRACE_SECONDS, Ports, Program, check_stages, pick_ports, prepare, programs
from testbed.home import Home, State, python_path, write_atomically
from testbed.locks import open_lock, try_exclusive
from testbed.marking import marking_manifests
from testbed.nodes import node_manifests, wait_for_nodes
from testbed.processes import Identity, free_port, identify, spawn, stop, tail, write_identities

_START_SECONDS = 60
_LOOK_SECONDS = 0.2
_FAREWELL = {"postgres": signal.SIGQUIT, "pod-runner": signal.SIGTERM}
"""Those two leave things behind (shared memory, processes of pods) unless they are asked."""


@dataclass(frozen=True, slots=True)
class Job:
    """How to start one process."""

    program: Program
    user: int | None = None
    death_signal: int = signal.SIGKILL
    env: Mapping[str, str] | None = None


@dataclass(slots=True)
class Supervisor:
    """Running processes by name, in the order of their start."""

    home: Home
    jobs: dict[str, Job] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    stopping: bool = False

    def start(self, job: Job) -> None:
        """Start a process and remember how."""
        name = job.program.name
        self.jobs[name] = job
        self.running[name] = spawn(
            job.program.argv,
            log=self.home.logs / f"{name}.log",
            env=job.env,
            user=job.user,
            death_signal=job.death_signal,
        )
        self._record()

    def _record(self) -> None:
        known = [identify(name, process.pid) for name, process in self.running.items()]
        own = identify("supervisor", os.getpid())
        write_identities(self.home.processes, [one for one in (own, *known) if isinstance(one, Identity)])

    def check_alive(self) -> None:
        """Raise if any process has ended: for the time of the start."""
        for name, process in self.running.items():
            if process.poll() is not None:
                log = self.home.logs / f"{name}.log"
                raise RuntimeError(f"{name} ended with {process.returncode}; {log} ends with:\n{tail(log)}")

    def restart_ended(self) -> None:
        """Start again what has ended."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                print(f"{name} ended with {process.returncode}: starting it again", flush=True)
                self.start(self.jobs[name])

    def stop_all(self) -> None:
        """End everything at once: what is thrown away needs no order."""
        for name, process in self.running.items():
            if process.poll() is None:
                process.send_signal(_FAREWELL.get(name, signal.SIGKILL))
                # A process stopped by a test (SIGSTOP) hears no other signal.
                process.send_signal(signal.SIGCONT)
        stop(list(self.running.values()), ask=signal.SIGCONT)
        self.running.clear()


def serve(home: Home) -> int:
    """Run a testbed until nobody uses it or SIGTERM comes. Exit code of the process."""
    supervisor = Supervisor(home)

    def on_signal(*_: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    users = open_lock(home.users)
    try:
        bring_up(supervisor)
        while not supervisor.stopping and (home.keep.exists() or not try_exclusive(users)):
            supervisor.restart_ended()
            time.sleep(_LOOK_SECONDS)
    finally:
        home.state.unlink(missing_ok=True)
        supervisor.stop_all()
        clean(home)
    return 0


def clean(home: Home) -> None:
    """Remove data, keys and what lies elsewhere; logs stay."""
    pointer = home.root / "postgres-directory"
    if pointer.exists():
        shutil.rmtree(pointer.read_text(), ignore_errors=True)
        pointer.unlink()
    shutil.rmtree(home.run, ignore_errors=True)
    home.processes.unlink(missing_ok=True)


def bring_up(supervisor: Supervisor) -> None:
    """Start everything and publish the state when it is ready."""
    home, start = supervisor.home, time.monotonic()
    check_stages()
    home.run.mkdir(parents=True, exist_ok=True)
    home.run.chmod(0o700)
    ports = pick_ports()
    authority = prepare(home, ports)
    first, then = programs(tools.binary, home, ports)
    environment = _control_plane_environment()
    for program in first:
        supervisor.start(Job(program, env=environment))
    prepared = postgres.prepare(home.run / "postgres")
    write_atomically(home.root / "postgres-directory", str(prepared.directory))
    supervisor.start(Job(Program("postgres", prepared.argv), prepared.user, signal.SIGQUIT))
    api = _wait_for_api(supervisor, ports)
    for program in then:
        supervisor.start(Job(program, env=environment))
    for manifest in (*marking_manifests(), *node_manifests()):
        api.apply(manifest, manager="testbed")
    front = f"127.0.0.1:{free_port()}"
    supervisor.start(Job(_runner(home, front), env=_runner_environment()))
    postgres.wait_ready(prepared.server)
    _wait_until_usable(supervisor, api)
    State(
        server=f"https://127.0.0.1:{ports.api}",
        kubeconfig=str(home.pki / "admin.kubeconfig"),
        ca=str(authority.certificate),
        front=front,
        postgres=prepared.server.dsn,
        supervisor=os.getpid(),
        tools={name: str(tools.binary(name)) for name in (*_program_names(first), *_program_names(then))},
    ).write(home)
    print(f"ready after {time.monotonic() - start:.1f} s", flush=True)


def _control_plane_environment() -> dict[str, str]:
    """Collect garbage less often: at the default a fifth of the API server's work, the most of all."""
    return {**os.environ, "GOGC": "400", "GOMEMLIMIT": "3GiB"}


def _program_names(chosen: tuple[Program, ...]) -> list[str]:
    return [program.name for program in chosen]


def _wait_for_api(supervisor: Supervisor, ports: Ports) -> Api:
    api = Api.from_kubeconfig(supervisor.home.pki / "supervisor.kubeconfig")
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if (
                api.pool.request("GET", f"https://127.0.0.1:{ports.api}/readyz", headers=api.headers).status
                == 200
            ):
                return api
        except urllib3.exceptions.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"the API server is not ready after {_START_SECONDS} s")
        supervisor.check_alive()
        _not_stopped(supervisor)
        time.sleep(0.05)


def _not_stopped(supervisor: Supervisor) -> None:
    if supervisor.stopping:
        raise SystemExit(0)


def _wait_until_usable(supervisor: Supervisor, api: Api) -> None:
    """Until the nodes are ready and pods can be made in `default`."""
    names = [str(node["metadata"]["name"]) for node in node_manifests() if isinstance(node["metadata"], dict)]
    wait_for_nodes(api, names, "True", seconds=_START_SECONDS)
    api.wait_for(
        "v1/serviceaccounts", "default", "default", lambda found: found is not None, timeout=GRACE_SECONDS
    )
    supervisor.check_alive()


def _runner(home: Home, front: str) -> Program:
    argv = (
        sys.executable,
        "-m",
        "testbed.podrunner",
        f"--kubeconfig={home.pki / 'runner.kubeconfig'}",
        f"--pki={home.pki}",
        f"--directory={home.pods}",
        f"--front={front}",
    )
    return Program("pod-runner", argv)


def _runner_environment() -> dict[str, str]:
    """What the runner and, through it, the pods' programs need of ours: no more."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1"}


def main(root: str) -> int:
    """Entry of the detached process."""
    return serve(Home(Path(root)))
