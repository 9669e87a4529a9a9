"""As much of an API server as our agents use: one ConfigMap, a GET and a merge patch of it, and lists.

It keeps every write with its time, so that a trial can ask what was published at any moment. Whether a real
API server takes the same requests is tested on one.
"""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dedicated.contract.recovery.report import REPORT, Report, from_json

TOKEN = "planted-token-of-the-pod"


@dataclass(frozen=True, slots=True)
class Write:
    """A write: when it arrived, and the data after it."""

    at: float
    data: dict[str, str]

    @property
    def report(self) -> Report:
        """The report in it."""
        found = from_json(self.data[REPORT])
        assert found is not None, "a report that the operator could not read"
        return found


@dataclass
class RecordServer:
    """The ConfigMap (`data` is None while it does not exist), and what became of it."""

    path: str
    url: str = ""
    data: dict[str, str] | None = field(default_factory=dict)
    away: bool = False
    writes: list[Write] = field(default_factory=list)
    refused: int = 0
    lists: dict[str, list[object]] = field(default_factory=dict)
    """Objects by the path of their list."""
    takes: Callable[[], bool] = lambda: True
    """Asked before a write is kept; one that is not comes to nothing."""

    @property
    def published(self) -> Report | None:
        """The report of now."""
        return self.writes[-1].report if self.writes else None

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, dict[str, object]]:
        """Status and body."""
        if self.away or (method == "PATCH" and not self.takes()):
            return 503, {}
        if token != f"Bearer {TOKEN}":
            self.refused += 1
            return 401, {}
        if method == "GET" and (listed := self.lists.get(path.partition("?")[0])) is not None:
            return 200, {"items": listed}
        if path.partition("?")[0] != self.path:
            self.refused += 1
            return 403, {}
        if self.data is None:
            return 404, {}
        if method == "PATCH":
            self.data |= json.loads(body)["data"]
            self.writes.append(Write(time.time(), dict(self.data)))
        return 200, {"data": self.data}


@contextmanager
def record_server(*, namespace: str, name: str) -> Iterator[RecordServer]:
    """A server for one ConfigMap, on a free port of loopback."""
    state = RecordServer(f"/api/v1/namespaces/{namespace}/configmaps/{name}")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, found = state.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            text = json.dumps(found).encode()
            with suppress(ConnectionError):  # who asked is dead
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        do_GET = do_PATCH = answer  # noqa: N815 - the base class asks for these names

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def kill_at(process: subprocess.Popen[str], server: RecordServer, *, write: int = 1) -> None:
    """End a process without a warning as its n-th write arrives, of which nothing is kept. Waits for it."""
    left = write

    def takes() -> bool:
        nonlocal left
        left -= 1
        if left == 0:
            process.send_signal(signal.SIGKILL)
        return left > 0

    server.takes = takes
    try:
        log, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        server.takes = lambda: True
    assert process.returncode == -signal.SIGKILL, log


def plant_credentials(folder: Path) -> Path:
    """A folder as a pod has it."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(TOKEN)
    return folder
