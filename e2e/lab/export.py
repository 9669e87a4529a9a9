"""An export of a lab: the real process beside PostgreSQL's own programs, as in the Job's pod."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyrage

from dedicated.api.objects import INSTANCE as INSTANCE_KIND
from dedicated.contract.transfer.export import Report, read_report
from dedicated.parts.export_programs import SCRIPT
from dedicated.parts.keys import fingerprint
from dedicated.probes.objects import Objects
from lab.agent import INSTANCE, NAMESPACE, UID
from lab.laboratory import Lab
from lab.record_server import RecordServer, plant_credentials, record_server
from lab.s3 import S3
from lab.sealed import MASTERKEY
from lab.server import until
from testbed.home import CHECKOUT

EXPORT, RECORD, BUCKET, FOLDER = "33333333-4444-5555-6666-777777777777", "out-export", "exports", "acme/out"
SALT = "0011223344556677"
MASTERKEY_SECRET, CONFIG = f"{INSTANCE}-masterkey", f"{INSTANCE}-config-1"
IDENTITY = pyrage.x25519.Identity.generate()
CONFIGURATION = "ExternalDomain: acme.example.com\n"


@dataclass
class Exporting:
    """An export under way. `memory` is the most that its process was seen with, in bytes; `more` are options
    beside those of a logical export, of which a `drill` has but a few."""

    lab: Lab
    store: S3
    record: RecordServer
    folder: Path
    scratch: Path
    database: str
    programs: subprocess.Popen[bytes]
    process: subprocess.Popen[bytes] | None = None
    memory: int = 0
    folder_of_store: str = FOLDER
    more: dict[str, str] = field(default_factory=dict)
    drill: bool = False

    @property
    def report(self) -> Report | None:
        """What it last reported."""
        return read_report(self.record.data or {}, export=EXPORT)

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Start the process, anew where it was killed."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dedicated", "agent", "export", *self._options()],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def restart_programs(self, *, path: str) -> None:
        """Run PostgreSQL's programs anew, with a folder that is looked into before theirs."""
        self.programs.terminate()
        self.programs.wait(30)
        self.programs = run_programs(self.lab, self.scratch, self.database, path=f"{path}:")

    def kill(self) -> None:
        """End it without a warning."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self, *, seconds: float = 120) -> int:
        """Its exit code."""
        process = self.process
        assert process is not None
        watched = psutil.Process(process.pid)

        def ended() -> bool:
            if process.poll() is not None:
                return True
            try:
                self.memory = max(self.memory, watched.memory_info().rss)
            except psutil.NoSuchProcess:
                return True
            return False

        until(ended, f"the export ends: {self.log[-2000:]}", seconds=seconds)
        return process.wait()

    def _options(self) -> list[str]:
        few = {
            "export": EXPORT,
            "record": RECORD,
            "instance": INSTANCE,
            "namespace": NAMESPACE,
            "uid": UID,
            "zitadel": "v4.7.1",
            "scratch": str(self.scratch),
            "api-server": self.record.url,
            "credentials": str(plant_credentials(self.folder / "credentials")),
        }
        handed_over = {
            "recipient": str(IDENTITY.to_public()),
            "bucket": BUCKET,
            "folder": self.folder_of_store,
            "endpoint": self.store.endpoint,
            "region": "eu-central-1",
            "store-credentials": str(self.store.folder / "owner"),
            "ca-file": str(self.store.ca_file),
            "keys": str(self.folder / "keys"),
            "masterkey": f"{MASTERKEY_SECRET}/masterkey",
            "secret": MASTERKEY_SECRET,
            **self.more,
        }
        given = few if self.drill else few | handed_over
        return [f"--{name}={value}" for name, value in given.items()]

    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(CHECKOUT / "operator"),
            "PATH": "/usr/bin:/bin",
            "MALLOC_ARENA_MAX": "1",
            "MALLOC_MMAP_THRESHOLD_": "65536",
            "MALLOC_TRIM_THRESHOLD_": "131072",
            **source(self.lab, self.database),
        }


def source(lab: Lab, database: str) -> dict[str, str]:
    """libpq's variables of the primary."""
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(lab.primary.port),
        "PGUSER": "postgres",
        "PGDATABASE": database,
    }


def run_programs(lab: Lab, scratch: Path, database: str, *, path: str = "") -> subprocess.Popen[bytes]:
    """PostgreSQL's programs, as in their container."""
    user = lab.programs.user
    return subprocess.Popen(
        ["/bin/sh", "-c", SCRIPT, "programs", str(scratch)],
        env={"PATH": f"{path}{lab.programs.postgres}:/usr/bin:/bin", **source(lab, database)},
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
    )


def plant_keys(folder: Path) -> None:
    """What the Job has mounted of Secrets and ConfigMaps."""
    for path, data in {
        f"secrets/{MASTERKEY_SECRET}/masterkey": MASTERKEY,
        f"configmaps/{INSTANCE}-identity/salt": SALT.encode(),
        f"configmaps/{INSTANCE}-identity/masterkey": fingerprint(MASTERKEY, salt=SALT).encode(),
        f"configmaps/{CONFIG}/zitadel.yaml": CONFIGURATION.encode(),
    }.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def listed_instance() -> dict[str, list[object]]:
    """The instance, as the API server lists it."""
    path = f"/apis/{INSTANCE_KIND.api_version}/namespaces/{NAMESPACE}/{INSTANCE_KIND.plural}"
    return {path: [{"metadata": {"name": INSTANCE, "namespace": NAMESPACE, "uid": UID}, "spec": {}}]}


@contextmanager
def exporting(lab: Lab, store: S3, folder: Path, *, database: str = "postgres") -> Iterator[Exporting]:
    """An export that is not started yet, with PostgreSQL's programs beside it."""
    scratch, user = lab.folder / "export", lab.programs.user
    scratch.mkdir()
    if user is not None:
        os.chown(scratch, user, user)
        scratch.chmod(0o2770)  # as a volume with an fsGroup is: two users share it by their group
    plant_keys(folder / "keys")
    (folder / "log").touch()
    programs = run_programs(lab, scratch, database)
    with record_server(namespace=NAMESPACE, name=RECORD) as record:
        record.lists = listed_instance()
        found = Exporting(lab, store, record, folder, scratch, database, programs)
        try:
            yield found
        finally:
            if found.process is not None and found.process.poll() is None:
                found.kill()
            found.programs.terminate()
            found.programs.wait(30)


async def download(bucket: Objects, into: Path, *, folder: str = FOLDER) -> list[str]:
    """All objects of the export as files; their names."""
    names = []
    async for name, size in bucket.sizes(folder + "/"):
        path = into / name.removeprefix(folder + "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for begin in range(0, size, 4 * 1024 * 1024):
                end = min(size, begin + 4 * 1024 * 1024)
                file.write((await bucket.ask(key=name, span=(begin, end))).body)
        names.append(str(path.relative_to(into)))
    return names
