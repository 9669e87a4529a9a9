"""The agent as a process: killed in a change, without its API server, small, and silent of who asks."""

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import psutil
import pytest

from dedicated.agents.limiter import work
from dedicated.agents.limiter.files import Folder
from dedicated.contract.limiter_report import Report, from_json
from dedicated.contract.rate_limits import Policy, policy_hash
from limiter.agents import Agents, agents_of, raised, shadowed
from limiter.config_server import config_server, plant_credentials
from limiter.haproxy import find, until
from limiter.stand import FORWARDED, Stand, standing

MEMORY = 60 * 2**20
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""As in the image."""
CLIENT = "203.0.113.77"


@dataclass
class Process:
    """An agent in a process of its own."""

    agents: Agents
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = self.agents.settings(0)
        host, port = settings.probe
        arguments = [
            *(sys.executable, "-m", "dedicated", "agent", "limiter"),
            *("--instance", "acme", "--namespace", "acme-ns", "--api-server", settings.api_server),
            *("--credentials", str(settings.credentials), "--files", str(settings.files)),
            *("--sockets", str(settings.sockets), "--secrets", *map(str, settings.secrets)),
            *("--haproxy", find(), "--probe", f"{host}:{port}", "--http", f"{host}:8408"),
        ]
        with self.log.open("ab") as output:
            self.running = subprocess.Popen(
                arguments,
                env=dict(os.environ) | ALLOCATOR | {"HOSTNAME": "acme-limiter-0"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def proven(self, policy: Policy) -> None:
        def is_proven() -> bool:
            assert self.running is not None
            assert self.running.poll() is None, self.log.read_text()
            report = self.agents.server.report(0)
            return report is not None and report.proven and report.policy_hash == policy_hash(policy)

        until(is_proven, "the policy is proven", seconds=60)

    def kill(self) -> None:
        assert self.running is not None
        self.running.send_signal(signal.SIGKILL)
        self.running.wait()

    def stop(self) -> int:
        assert self.running is not None
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(20)


@contextmanager
def agent_process(stand: Stand) -> Iterator[Process]:
    with config_server() as server:
        agents = Agents(stand, server, plant_credentials(stand.folder / "pod"))
        agents.want()
        made = Process(agents, stand.folder / "agent.log")
        try:
            yield made
        finally:
            if made.running is not None and made.running.poll() is None:
                made.kill()


def test_killed_at_any_moment_of_a_change_it_takes_it_when_it_comes_back() -> None:
    policies = [raised(Policy(), "203.0.113.0/26", factor) for factor in (2, 3, 4)] + [shadowed(Policy())]
    with standing() as stand, agent_process(stand) as process:
        process.start()
        process.proven(stand.policy)
        for policy, delay in zip(policies, (0.0, 0.02, 0.08, 0.15), strict=True):
            process.agents.want(policy)
            time.sleep(delay)
            process.kill()
            process.agents.server.told.clear()
            process.start()
            process.proven(policy)
        assert process.stop() == 0
        assert stand.serves(0)


@pytest.mark.slow
def test_it_is_small_and_idle() -> None:
    with standing() as stand, agent_process(stand) as process:
        process.start()
        process.proven(stand.policy)
        assert process.running is not None
        seen = psutil.Process(process.running.pid)
        before, start = sum(seen.cpu_times()[:2]), time.monotonic()
        time.sleep(10)
        used = (sum(seen.cpu_times()[:2]) - before) / (time.monotonic() - start)
        memory = seen.memory_info().rss
        logging.getLogger(__name__).info("memory %.1f MB, processor %.2f %%", memory / 2**20, used * 100)
    assert memory < MEMORY, f"{memory / 2**20:.1f} MB"
    assert used < 0.02, f"{used * 100:.2f} % of a processor at rest"


def test_prepared_files_are_those_that_run(tmp_path: Path) -> None:
    with standing() as stand, agent_process(stand) as process:
        folder = tmp_path / "made"
        settings = process.agents.settings(0)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "dedicated", "agent", "limiter", "--prepare", "--replica", "0"),
                *("--instance", "acme", "--namespace", "acme-ns", "--api-server", settings.api_server),
                *("--credentials", str(settings.credentials), "--files", str(folder)),
                *("--sockets", str(tmp_path / "run")),
            ],
            check=False,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        made = {file.name: file.read_text() for file in folder.iterdir()}
        expected = stand.files(0)
    assert {name: made[name] for name in expected} == expected
    assert (tmp_path / "run" / "server-state").read_text() == "1\n"
    assert made["content"]


async def ask(stand: Stand, path: str, times: int) -> list[int]:
    """A client behind a proxy that tells its address."""
    headers = {"X-Forwarded-For": CLIENT}
    async with aiohttp.ClientSession(headers=headers) as session:
        found = []
        for _ in range(times):
            async with session.get(f"http://{stand.address(0)}:8080{path}") as answer:
                found.append(answer.status)
        return found


async def test_no_address_of_a_client_leaves_the_process(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with standing(client_address=FORWARDED) as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            statuses = await ask(stand, f"/ui/{CLIENT}/secret", 700)
            report = await agents.told(
                0, lambda one: one.refused.ui_limited > 0 and one.p99 is not None, "refusals"
            )
            async with aiohttp.ClientSession() as session:
                page = await session.get(f"http://127.0.0.1:{agents.ports[0]}/metrics")
                metrics = await page.text()
            written = " ".join(text for _, _, text in agents.server.writes)
    assert (statuses.count(200), statuses.count(429)) == (606, 94)
    assert (report.requests.ui, report.refused.ui_limited) == (700, 94)
    assert [(one.path, one.refused) for one in report.top_paths] == [("/ui/*", 94)]
    labels = 'class="ui",name="acme",namespace="acme-ns",reason="limited",replica="0"'
    assert f"dedicated_limiter_refused_total{{{labels}}} 94.0" in metrics
    for place, text in (("reports", written), ("metrics", metrics), ("log", caplog.text)):
        assert CLIENT not in text, place


async def test_a_haproxy_that_is_started_anew_is_proven_anew() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            (before,) = await agents.proven()
            stand.replicas[0].kill()
            await asyncio.to_thread(stand.start, 0)
            after = await agents.told(
                0,
                lambda one: one.proven and one.proof is not None and one.proof.at > _at(before),
                "a new proof",
            )
    assert after.content == before.content


async def test_a_secret_that_changes_is_taken_by_a_reload() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            (before,) = await agents.proven()
            worker = stand.replicas[0].worker
            file = stand.folder / "link" / "ca.crt"
            file.write_bytes(file.read_bytes() + b"\n")
            await agents.told(
                0, lambda one: one.proven and one.proof is not None and one.proof.at > _at(before), "again"
            )
            assert stand.replicas[0].worker != worker


async def test_a_secret_that_is_refused_stays_refused_until_a_good_one_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "AGAIN", 0.5)
    with standing() as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            worker, file = stand.replicas[0].worker, stand.folder / "link" / "ca.crt"
            good = file.read_bytes()
            file.write_bytes(b"no certificate")
            await agents.told(0, lambda one: one.phase == "Rejected", "refused")
            for _ in range(2):
                agents.server.writes.clear()
                await agents.told(0, lambda one: one.phase != "Rejected", "tried again")
                await agents.told(0, lambda one: one.phase == "Rejected", "refused again")
                told = [from_json(text) for _, _, text in agents.server.writes]
                assert {one.phase for one in told if one} <= {"Applying", "Rejected"}
            assert stand.replicas[0].worker == worker
            file.write_bytes(good)
            await agents.told(0, lambda one: one.proven, "taken")
            assert stand.replicas[0].worker != worker


async def test_a_full_disk_is_told_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "RETRY", 0.2)
    with standing() as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            with monkeypatch.context() as patched:
                patched.setattr(Folder, "write", full)
                agents.want(raised(Policy(), "203.0.113.0/25", 3))
                report = await agents.told(0, lambda one: bool(one.message), "no room")
                assert stand.serves(0)
            await agents.proven()
    assert (report.phase, report.message) == (
        "Applying",
        "the files cannot be written: No space left on device",
    )


def full(_: Folder, __: dict[str, str]) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_no_request_fails_while_structure_is_taken() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            stop = asyncio.Event()
            clients = [asyncio.create_task(_keep_asking(stand, stop)) for _ in range(4)]
            for policy in (shadowed(Policy()), Policy(), raised(Policy(), "203.0.113.0/26", 2)):
                agents.want(policy)
                await agents.proven()
            stop.set()
            found = [status for statuses in await asyncio.gather(*clients) for status in statuses]
    assert len(found) > 100
    assert set(found) == {200}


async def _keep_asking(stand: Stand, stop: asyncio.Event) -> list[int]:
    """At some 40 a second, with a connection for each request."""
    found = []
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        while not stop.is_set():
            async with session.get(f"http://{stand.address(0)}:8080/oauth/v2/keys") as answer:
                found.append(answer.status)
            await asyncio.sleep(0.1)
    return found


async def test_without_its_api_server_it_goes_on_and_proves() -> None:
    with standing() as stand:
        async with agents_of(stand, prove_every=timedelta(seconds=3)) as agents:
            (before,) = await agents.proven()
            agents.server.away = True
            await asyncio.sleep(0.5)
            agents.want(raised(Policy(), "203.0.113.0/26", 2))
            agents.server.away = False
            (after,) = await agents.proven()
    assert after.content != before.content


def _at(report: Report) -> datetime:
    assert report.proof is not None
    return report.proof.at
