"""A stand-in for a program in tests of the pod runner: image `testbed-stub`.

`stub exit CODE`, `stub sleep`, `stub serve PORT` (GET `/env` the environment, `/file?path=P` a mounted file,
`/ready` and `/live` 200 unless the file `/flags/unready` or `/flags/dead` is mounted or written by
`POST /flags/NAME`), `stub dump` (environment as JSON on standard output).
"""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def _rooted(path: str) -> Path:
    return Path(os.environ["FAKEZ_ROOT"]) / path.lstrip("/")


class Handler(BaseHTTPRequestHandler):
    probed_as = ""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/env":
            self._answer(200, json.dumps({**os.environ, "PROBED_AS": Handler.probed_as}))
        elif url.path == "/file":
            path = _rooted(parse_qs(url.query)["path"][0])
            self._answer(200 if path.exists() else 404, path.read_text() if path.exists() else "")
        elif url.path in {"/ready", "/live"}:
            Handler.probed_as = self.headers.get("Host", "")
            flag = _rooted(f"/flags/{'unready' if url.path == '/ready' else 'dead'}")
            self._answer(503 if flag.exists() else 200, "")
        else:
            self._answer(404, "")

    def do_POST(self) -> None:
        flag = _rooted(self.path)
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
        self._answer(200, "")

    def do_DELETE(self) -> None:
        _rooted(self.path).unlink(missing_ok=True)
        self._answer(200, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, template: str, *args: object) -> None:
        """Say nothing: probes come often."""


def main(argv: list[str]) -> int:
    """Exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    match argv:
        case ["stub", "exit", code]:
            return int(code)
        case ["stub", "dump"]:
            print(json.dumps(dict(os.environ)), flush=True)
        case ["stub", "sleep"]:
            time.sleep(3600)
        case ["stub", "serve", port]:
            ThreadingHTTPServer((os.environ["FAKEZ_BIND"], int(port)), Handler).serve_forever()
        case _:
            print(f"unknown arguments: {argv}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
