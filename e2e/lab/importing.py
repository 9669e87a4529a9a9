"""An import of a lab: the real process beside PostgreSQL's own programs, as in the Job's pod."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dedicated.contract.transfer.import_report import Report, read_report
from dedicated.parts.import_programs import SCRIPT, TARGET
from dedicated.parts.importing import SOURCE_DSN
from lab.agent import NAMESPACE, UID
from lab.export import BUCKET, FOLDER, IDENTITY
from lab.laboratory import Lab
from lab.record_server import RecordServer, plant_credentials, record_server
from lab.s3 import S3
from lab.sealed import MASTERKEY
from lab.server import until
from testbed.home import CHECKOUT

RECORD = "acme-import"
OWNER = "zitadel_app"
"""Who owns the instance's database: no superuser."""


@dataclass
class Importing:
    """An import under way, into a database of the lab's primary."""

    lab: Lab
    record: RecordServer
    folder: Path
    scratch: Path
    programs: subprocess.Popen[bytes]
    environment: dict[str, str]
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def report(self) -> Report | None:
        """What it last reported."""
        return read_report((self.record.data or {}).get("report", ""), incarnation=UID)

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "import-log").read_text()

    def start(self) -> None:
        """Start the process, anew where it was killed."""
        with (self.folder / "import-log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dedicated", "agent", "import", *self._options()],
                env={"PYTHONPATH": str(CHECKOUT / "operator"), "PATH": "/usr/bin:/bin", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it without a warning."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self, *, seconds: float = 120) -> int:
        """Its exit code."""
        process = self.process
        assert process is not None
        until(lambda: process.poll() is not None, f"the import ends: {self.log[-2000:]}", seconds=seconds)
        return process.wait()

    def _options(self) -> list[str]:
        given = {
            "uid": UID,
            "record": RECORD,
            "namespace": NAMESPACE,
            "zitadel": "v4.7.1",
            "masterkey": str(self.folder / "masterkey"),
            "scratch": str(self.scratch),
            "api-server": self.record.url,
            "credentials": str(plant_credentials(self.folder / "import-credentials")),
            **self.options,
        }
        return [f"--{name}={value}" for name, value in given.items()]


def of_export(store: S3, folder: Path, manifest_sha256: str) -> dict[str, str]:
    """The arguments that name an export of the lab."""
    (folder / "identity").write_text(str(IDENTITY))
    return {
        "bucket": BUCKET,
        "folder": FOLDER,
        "endpoint": store.endpoint,
        "region": "eu-central-1",
        "store-credentials": str(store.folder / "owner"),
        "ca-file": str(store.ca_file),
        "manifest-sha256": manifest_sha256,
        "identity": str(folder / "identity"),
    }


@contextmanager
def importing(lab: Lab, folder: Path, *, database: str, source: str = "") -> Iterator[Importing]:
    """An import that is not started yet, with PostgreSQL's programs beside it and an empty database that a
    role of its own owns; `source` is the database of the primary that is read, if one is."""
    scratch, user = lab.folder / "import", lab.programs.user
    scratch.mkdir()
    if user is not None:
        os.chown(scratch, user, user)
        scratch.chmod(0o2770)  # as a volume with an fsGroup is: two users share it by their group
    (folder / "masterkey").write_bytes(MASTERKEY)
    (folder / "import-log").touch()
    port = str(lab.primary.port)
    lab.primary.ask(f"create role {OWNER} login")
    lab.primary.ask(f"create database {database} owner {OWNER}")
    environment = {
        f"{TARGET}PGHOST": "127.0.0.1",
        f"{TARGET}PGPORT": port,
        f"{TARGET}PGUSER": OWNER,
        f"{TARGET}PGDATABASE": database,
    }
    if source:
        environment[SOURCE_DSN] = f"postgresql://postgres@127.0.0.1:{port}/{source}"
    programs = subprocess.Popen(
        ["/bin/sh", "-c", SCRIPT, "programs", str(scratch)],
        env={"PATH": f"{lab.programs.postgres}:/usr/bin:/bin", **environment},
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
    )
    with record_server(namespace=NAMESPACE, name=RECORD) as record:
        found = Importing(lab, record, folder, scratch, programs, environment)
        try:
            yield found
        finally:
            if found.process is not None and found.process.poll() is None:
                found.kill()
            programs.terminate()
            programs.wait(30)
