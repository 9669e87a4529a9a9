"""An export at the customer's: downloaded, and brought to another server as its README says."""

import asyncio
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from dedicated.probes.objects import open_objects
from lab.export import BUCKET, IDENTITY, download, source
from lab.laboratory import Lab
from lab.s3 import S3
from lab.server import Server
from testbed.processes import free_port


def fetched(store: S3, into: Path) -> list[str]:
    """The export as a customer has it, downloaded."""

    async def ask() -> list[str]:
        async with open_objects(BUCKET, store.access()) as bucket:
            return await download(bucket, into)

    return asyncio.run(ask())


AGE = """#!{python}
import sys, pyrage
identity = pyrage.x25519.Identity.from_str(open(sys.argv[3]).read().strip())
pyrage.decrypt_file(sys.argv[6], sys.argv[5], [identity])
"""
"""As much of age as the README uses: `age -d -i IDENTITY -o OUT IN`."""


def followed(lab: Lab, folder: Path) -> Server:
    """Another server, and the export in it: every command of the README's steps 1 to 4, word by word."""
    pg, run_in = lab.folder / "pg", lab.folder / "run"
    server = Server("elsewhere", free_port(), pg / "elsewhere", run_in, lab.programs)
    server.make({"archive_mode": "off"})
    server.start()
    tools = folder.parent / "tools"
    tools.mkdir()
    (tools / "age").write_text(AGE.format(python=sys.executable))
    (tools / "age").chmod(0o755)
    (folder / "identity.txt").write_text(str(IDENTITY))
    environment = {
        "PATH": f"{tools}:{lab.programs.postgres}:{Path(sys.executable).parent}:/usr/bin:/bin",
        **source(lab, ""),
        "PGPORT": str(server.port),
    }
    del environment["PGDATABASE"]
    blocks = re.findall(r"(?:^ {7}.*\n)+", (folder / "README.md").read_text(), re.MULTILINE)
    commands = [block for block in blocks if "zitadel setup" not in block]
    assert len(commands) == 4
    for block in commands:
        script = "set -e\n" + textwrap.dedent(block)
        shell = ["/bin/sh", "-c", script]
        done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return server
