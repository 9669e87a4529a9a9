"""A term that does not end: the process does, at once and with an error, whatever goes on in it."""

import asyncio
import os
import sys
from pathlib import Path

from fakeapi import fake_api
from testbed.processes import free_port

PROGRAM = """
import asyncio, sys
from dedicated.cli.main import main
from dedicated.controllers import leadership, term

async def endless(self, stop):
    print("leading", flush=True)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

leadership.END_SECONDS = 0.2
term.Term.run = endless
sys.exit(main(sys.argv[1:]))
"""
CATALOGUE = """
images: {server: images.example.test/zitadel, login: images.example.test/login}
versions: [{version: v4.15.2}]
"""
LEASE_SECONDS = 3.0


async def test_the_process_ends_although_its_term_does_not(tmp_path: Path) -> None:
    (tmp_path / "releases.yaml").write_text(CATALOGUE)
    async with fake_api() as api:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "run"),
            f"--releases={tmp_path / 'releases.yaml'}",
            f"--kubeconfig={api.kubeconfig(tmp_path / 'config')}",
            f"--lease-seconds={LEASE_SECONDS:g}",
            f"--http=127.0.0.1:{free_port()}",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        said = ""
        async with asyncio.timeout(20):
            while "leading\n" not in said and not process.stdout.at_eof():
                said += (await process.stdout.readline()).decode()
    try:
        async with asyncio.timeout(LEASE_SECONDS + 5):
            said += (await process.stdout.read()).decode()
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()
    assert "the term has not ended within 0.2 s of its loss: ending the process" in said
