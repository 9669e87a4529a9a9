"""Starting a cluster, and leaving nothing of it.

All processes live in one process namespace below one `unshare`, in a mount and a network namespace of their
own. When that process ends, by `down` or by a kill, the kernel ends the others, and with them mounts, links
and routes go, the machine's end of the link too. `down` undoes what no namespace holds: control groups, the
settings that kubelets change for the whole machine, the folder. There is no other way of stopping, so the
rare one is the tested one.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from nodes.machine import fetch
from nodes.place import COUNT, Place
from testbed.home import CHECKOUT, python_path, write_atomically
from testbed.locks import locked, open_lock, try_exclusive
from testbed.processes import end, identify, read_identities, tail, write_identities

SYSCTLS = (
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)
"""What kubelets set, for the whole machine."""
_PROGRAMS = ("dockerd", "docker", "containerd", "ip", "tini", "haproxy", "unshare", "nsenter", "jq")
_START_SECONDS = 300.0
_CGROUPS = Path("/sys/fs/cgroup")
ONE_PROCESSOR = 1024
"""What a processor weighs, as kubelet reckons it: `cpu.shares` of a group or a process by default."""
_LINKS = Path("/sys/class/net")
_MACHINE = Path("/run/dedicated-nodes")
"""What all clusters of the machine must agree on: its settings before the first of them."""


class StartError(RuntimeError):
    """No cluster; says why, and ends with its log."""


def up(place: Place) -> bool:
    """Start a cluster unless it runs; whether it was started. StartError if it does not come up."""
    with locked(place.lock):
        if is_up(place):
            return False
        _check_machine()
        _clear(place)
        try:
            _start(place)
        except BaseException as error:
            if place.logs.exists():
                kept = place.root.with_name(f"{place.root.name}-failed")
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(place.logs, kept)
            _clear(place)
            if isinstance(error, subprocess.SubprocessError):
                raise StartError(str(error)) from error
            raise
        return True


def down(place: Place) -> bool:
    """End a cluster, whatever state it is in, also one that starts; whether there was one."""
    _end_processes(place)  # before the lock: whoever starts it holds it, and gives up now
    with locked(place.lock):
        found = place.root.exists()
        _clear(place)
        return found


def is_up(place: Place) -> bool:
    """Whether the cluster is usable."""
    return place.ready.exists() and identity_alive(place)


def identity_alive(place: Place) -> bool:
    """Whether the process runs whose end ends everything."""
    return any(identity.find() for identity in read_identities(place.process))


@contextlib.contextmanager
def used(place: Place) -> Iterator[None]:
    """Have a cluster for the time of the block. One that was started here ends with its last user."""
    descriptor = open_lock(place.users)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if up(place):
            place.transient.touch()
        yield
    finally:
        if place.transient.exists() and try_exclusive(descriptor):
            down(place)
        os.close(descriptor)


def enter(place: Place) -> list[str]:
    """Begins a command line that shall run in the cluster's network. StartError if there is none."""
    for identity in read_identities(place.process):
        if identity.find():
            return ["nsenter", f"--net=/proc/{identity.pid}/ns/net", "--"]
    raise StartError("no cluster of real nodes runs: `python -m nodes up` starts one")


def _check_machine() -> None:
    missing = [program for program in _PROGRAMS if not shutil.which(program, path=_path())]
    if sys.platform != "linux" or os.geteuid() != 0:
        raise StartError("real nodes need Linux and root")
    if missing:
        raise StartError(
            f"real nodes need {', '.join(missing)}: e2e/nodes/install.sh installs them on Debian"
        )


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def _start(place: Place) -> None:
    if _host_link(place).exists():
        raise StartError(
            f"another cluster has number {place.number}: set DEDICATED_NODES_NUMBER to another (0 to 9)"
        )
    place.root.mkdir(parents=True)
    place.logs.mkdir()
    fetch(place)
    _save_sysctls(place)
    _weigh(place)
    log = place.logs / "machine.log"
    own = (
        "unshare",
        "--net",
        "--mount",
        "--propagation=private",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *own,
                "tini",
                "-g",
                "--",
                sys.executable,
                "-m",
                "nodes.machine",
                str(place.root),
                str(place.number),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=CHECKOUT,
            env=os.environ | {"PYTHONPATH": python_path(), "PATH": _path()},
        )
    identity = identify("machine", process.pid)
    write_identities(place.process, [identity] if identity else [])
    _link(place, process)
    deadline = time.monotonic() + _START_SECONDS
    while not place.ready.exists():
        if process.poll() is not None:
            raise StartError(f"the cluster does not come up:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StartError(f"the cluster is not up within {_START_SECONDS:g} s:\n{tail(log)}")
        time.sleep(0.1)


def _link(place: Place, process: "subprocess.Popen[bytes]") -> None:
    """Join the machine to the cluster's network; the pair of links goes with the namespace."""
    ours, theirs = Path("/proc/self/ns/net").readlink(), Path(f"/proc/{process.pid}/ns/net")
    deadline = time.monotonic() + 10
    while theirs.readlink() == ours:
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError("no network namespace: does `unshare --net` work here?")
        time.sleep(0.01)
    for command in (
        (
            "link",
            "add",
            place.host_link,
            "type",
            "veth",
            "peer",
            "name",
            "machine",
            "netns",
            str(process.pid),
        ),
        ("address", "add", f"{place.host_address}/30", "dev", place.host_link),
        ("link", "set", place.host_link, "up"),
        ("route", "add", place.all_addresses, "via", place.inner_address),
    ):
        subprocess.run(["ip", *command], check=True, timeout=10, env=os.environ | {"PATH": _path()})


def _clear(place: Place) -> None:
    """End every process, then undo what no namespace holds."""
    if not place.root.exists():
        return
    _end_processes(place)
    if identity_alive(place):
        raise StartError(f"processes of {place.root} do not end")
    _remove_link(place)
    _remove_cgroups(place)
    _restore_sysctls(place)
    shutil.rmtree(place.root, ignore_errors=True)
    if place.root.exists():
        shutil.rmtree(place.root)


def _end_processes(place: Place) -> None:
    identities = read_identities(place.process)
    children: list[psutil.Process] = []
    for identity in identities:
        if process := identity.find():
            with contextlib.suppress(psutil.NoSuchProcess):
                children += process.children()
    _thaw(place)
    end(identities, seconds=1)
    for child in children:  # the first process in there: it ends after all others
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=30)


def _thaw(place: Place) -> None:
    """Frozen processes do not die."""
    for state in _CGROUPS.glob(f"freezer/{place.cgroup}/**/freezer.state"):
        with contextlib.suppress(OSError):
            state.write_text("THAWED")


def _weigh(place: Place) -> None:
    """Let the nodes weigh as the processors that they report, each of these as a process of the machine.

    All nodes together would weigh as one process, however much runs there: a busy control plane and busy
    clients took the processors from every pod, as nothing does to machines of their own. cgroup v1.
    """
    cpu = _CGROUPS / "cpu"
    if (cpu / "cpu.shares").exists():
        group = cpu / place.cgroup
        group.mkdir(exist_ok=True)
        (group / "cpu.shares").write_text(str(COUNT * (os.cpu_count() or 1) * ONE_PROCESSOR))


def _remove_cgroups(place: Place) -> None:
    """Remove the empty control groups, the innermost first."""
    deadline = time.monotonic() + 10
    for top in (*_CGROUPS.glob(f"*/{place.cgroup}"), *_CGROUPS.glob(place.cgroup)):
        while top.exists():
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
            if time.monotonic() > deadline:
                raise StartError(f"{top} cannot be removed: processes of the cluster still run")


def _remove_link(place: Place) -> None:
    """Remove the machine's end of the link, and its routes with it: the kernel would, but takes its time."""
    if _host_link(place).exists():
        command = ["ip", "link", "delete", place.host_link]
        # Not checked: the kernel may have been quicker.
        subprocess.run(
            command, capture_output=True, check=False, timeout=30, env=os.environ | {"PATH": _path()}
        )
    if _host_link(place).exists():
        raise StartError(f"{place.host_link} cannot be removed")


def _host_link(place: Place) -> Path:
    return _LINKS / place.host_link


def _save_sysctls(place: Place) -> None:
    """Remember the machine's settings, unless another cluster has changed and remembered them already."""
    with locked(_MACHINE / "lock"):
        saved = _MACHINE / "sysctls"
        if not saved.exists():
            found = ((name, _sysctl_file(name)) for name in SYSCTLS)
            lines = (f"{name}={file.read_text().strip()}\n" for name, file in found if file.exists())
            write_atomically(saved, "".join(lines))
        write_atomically(_MACHINE / f"{place.name}.user", str(place.root))


def _restore_sysctls(place: Place) -> None:
    """Set them back with the last cluster of the machine."""
    with locked(_MACHINE / "lock"):
        (_MACHINE / f"{place.name}.user").unlink(missing_ok=True)
        saved = _MACHINE / "sysctls"
        others = [user for user in _MACHINE.glob("*.user") if Path(user.read_text()).exists()]
        if saved.exists() and not others:
            for line in saved.read_text().splitlines():
                name, value = line.split("=")
                _sysctl_file(name).write_text(value)
            saved.unlink()


def _sysctl_file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")
