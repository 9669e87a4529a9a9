"""As much of an API server as the limiter's agents use: one ConfigMap to follow, and one to write reports to.

Whether a real API server takes the same requests is tested on one.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dedicated.contract.limiter_report import Report, from_json, key_of

TOKEN = "planted-token-of-the-pod"
ROOT = "/api/v1/namespaces/acme-ns/configmaps"
WANTED, REPORT = "acme-limiter", "acme-limiter-report"


@dataclass
class ConfigServer:
    """`data` is what is wanted, with its version; `told` are the reports, `writes` each of them in order."""

    url: str = ""
    data: dict[str, str] = field(default_factory=dict)
    version: int = 1
    told: dict[str, str] = field(default_factory=dict)
    writes: list[tuple[float, str, str]] = field(default_factory=list)
    away: bool = False
    refused: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False

    def want(self, data: Mapping[str, str]) -> None:
        """Put what is wanted in place of what was."""
        with self.changed:
            self.data, self.version = dict(data), self.version + 1
            self.changed.notify_all()

    def report(self, replica: int) -> Report | None:
        """What a replica told last."""
        return from_json(self.told.get(key_of(replica), ""))

    def reports(self, replica: int) -> list[Report]:
        """All that it told."""
        found = [from_json(text) for _, key, text in self.writes if key == key_of(replica)]
        return [one for one in found if one is not None]

    def object(self) -> dict[str, object]:
        """The ConfigMap that is followed."""
        return {"metadata": {"name": WANTED, "resourceVersion": str(self.version)}, "data": self.data}


class _Handler(BaseHTTPRequestHandler):
    state: ConfigServer

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        if not self.allowed():
            return
        if asked.path == ROOT and query.get("fieldSelector") == f"metadata.name={WANTED}":
            if "watch" in query:
                self.watch(int(query["resourceVersion"]), float(query["timeoutSeconds"]))
            else:
                listed = {
                    "metadata": {"resourceVersion": str(self.state.version)},
                    "items": [self.state.object()],
                }
                self.send(200, listed)
        elif asked.path == f"{ROOT}/{REPORT}":
            self.send(200, {"data": self.state.told})
        else:
            self.state.refused += 1
            self.send(403, {})

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.allowed():
            return
        if urlsplit(self.path).path != f"{ROOT}/{REPORT}":
            self.state.refused += 1
            self.send(403, {})
            return
        for key, text in json.loads(body)["data"].items():
            self.state.told[key] = text
            self.state.writes.append((time.monotonic(), key, text))
        self.send(200, {"data": self.state.told})

    def allowed(self) -> bool:
        if self.state.away:
            self.send(503, {})
            return False
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.state.refused += 1
            self.send(401, {})
            return False
        return True

    def watch(self, seen: int, seconds: float) -> None:
        self.send_response(200)
        self.end_headers()
        end, state = time.monotonic() + seconds, self.state
        while not state.ended and not state.away and (left := end - time.monotonic()) > 0:
            with state.changed:
                state.changed.wait(0 if state.version > seen else min(left, 0.2))
                event = {"type": "MODIFIED", "object": state.object()} if state.version > seen else None
                seen = state.version
            if event is not None:
                with suppress(OSError):
                    self.wfile.write(json.dumps(event).encode() + b"\n")

    def send(self, status: int, found: Mapping[str, object]) -> None:
        text = json.dumps(found).encode()
        with suppress(ConnectionError):  # who asked is dead
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def config_server() -> Iterator[ConfigServer]:
    """A server on a free port of loopback."""
    state = ConfigServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.ended = True
        server.shutdown()
        server.server_close()


def plant_credentials(folder: Path) -> Path:
    """A folder as a pod has it."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(TOKEN)
    return folder
