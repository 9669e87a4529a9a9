"""The verification of a restored copy of a lab: the real process, and the verdict that it writes."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dedicated.contract.recovery.proof import Goal, Verdict, read_verdict
from dedicated.contract.recovery.report import SAMPLES
from lab.agent import NAMESPACE, UID
from lab.record_server import RecordServer, kill_at, plant_credentials, record_server
from lab.sealed import MASTERKEY
from lab.server import Server
from testbed.home import CHECKOUT

RESTORE, RECORD, SALT = "22222222-3333-4444-5555-666666666666", "drill-verdict", "0011223344556677"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a verification wrote and said, how it ended, and the most memory that it was seen with (bytes)."""

    verdict: Verdict | None
    log: str
    code: int
    memory: int


def verify(
    copy: Server,
    folder: Path,
    *,
    goal: Goal,
    samples: str,
    masterkey: bytes = MASTERKEY,
    user: str = "zitadel",
    within: float = 30,
    seconds: float = 120,
    killed: bool = False,
) -> Looked:
    """Let the real process look at a copy. `killed`: the first one is, as it writes its verdict."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "masterkey").write_bytes(masterkey)
    (folder / SAMPLES).write_text(samples)
    with record_server(namespace=NAMESPACE, name=RECORD) as record:
        options = _options(record, folder, goal, within)
        if killed:
            kill_at(_started(copy, user, options), record)
            assert record.writes == []
        process = _started(copy, user, options)
        log, memory = _watched(process, seconds)
        data = record.data or {}
    return Looked(read_verdict(data, restore=RESTORE), log, process.returncode, memory)


def _started(copy: Server, user: str, options: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dedicated", "agent", "verify", *options],
        env=_environment(copy, user),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _options(record: RecordServer, folder: Path, goal: Goal, within: float) -> Sequence[str]:
    return (
        f"--restore={RESTORE}",
        f"--record={RECORD}",
        f"--namespace={NAMESPACE}",
        f"--uid={UID}",
        f"--until={goal.at.isoformat()}",
        *(("--newest",) if goal.newest else ()),
        f"--samples={folder / SAMPLES}",
        f"--masterkey={folder / 'masterkey'}",
        f"--timeout={within}",
        f"--api-server={record.url}",
        f"--credentials={plant_credentials(folder / 'credentials')}",
    )


def _environment(copy: Server, user: str) -> dict[str, str]:
    return {
        "PYTHONPATH": str(CHECKOUT / "operator"),
        "PATH": "/usr/bin:/bin",
        "MALLOC_ARENA_MAX": "1",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(copy.port),
        "PGUSER": user,
        "PGDATABASE": "postgres",
        "MASTERKEY_SALT": SALT,
    }


def _watched(process: subprocess.Popen[str], seconds: float) -> tuple[str, int]:
    """What it says, and its largest memory, looked at every half second."""
    watched, most = psutil.Process(process.pid), 0
    for _ in range(int(seconds * 2)):
        try:
            log, _ = process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            most = max(most, watched.memory_info().rss)
        else:
            return log, most
    process.kill()
    log, _ = process.communicate()
    raise TimeoutError(f"no verdict within {seconds} s: {log[-2000:]}")
