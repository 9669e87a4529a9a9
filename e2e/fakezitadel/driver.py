"""Runs the fake for tests: files below a root, commands in this process or in one of their own, requests.

A command that ends by itself is called in this process, which saves the start of an interpreter;
what is to be killed, or serves, gets its own.
"""

import contextlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg import sql

from fakezitadel.__main__ import main
from fakezitadel.auth import system_token
from fakezitadel.runtime import Json

DOMAIN = "acme.example"
AUDIENCE = f"https://{DOMAIN}"
MASTERKEY = "0123456789abcdef0123456789abcdef"
WAIT_SECONDS = 20.0
SOURCES = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it wrote, stdout before stderr."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Fake:
    """One database and a configuration. `replace` the fields for a variant of it."""

    root: Path
    config: dict[str, Json]
    steps: dict[str, Json] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    version: str = "v4.15.0"
    masterkey: str = MASTERKEY
    faults: Mapping[str, Json] = field(default_factory=dict)

    def with_config(self, **keys: Json) -> "Fake":
        """The same with other top-level keys."""
        return replace(self, config={**self.config, **keys})

    def with_postgres(self, **keys: Json) -> "Fake":
        """The same with other keys of `Database.postgres`."""
        return self.with_config(Database={"postgres": {**self.postgres, **keys}})

    @property
    def postgres(self) -> dict[str, Any]:
        """`Database.postgres` of the configuration."""
        database: Any = self.config["Database"]
        return dict(database["postgres"])

    def environment(self) -> dict[str, str]:
        """What a process of it is started with."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(SOURCES),
            "FAKEZ_ROOT": str(self.root),
            "FAKEZ_BIND": "127.0.0.1",
            "FAKEZ_VERSION": self.version,
            "FAKEZ_POLL_SECONDS": "0.05",
            "FAKEZ_FAULTS": json.dumps(self.faults),
            "FAKEZ_RESOLVE_FILE": str(self.root / "resolve.json"),
            "ZITADEL_MASTERKEY": self.masterkey,
            **self.env,
        }

    def argv(self, *words: str) -> list[str]:
        """The words with configuration, steps and masterkey as the command needs them."""
        (self.root / "config").mkdir(parents=True, exist_ok=True)
        (self.root / "config/zitadel.yaml").write_text(json.dumps(self.config))
        (self.root / "config/steps.yaml").write_text(json.dumps({"FirstInstance": self.steps}))
        argv = [*words, "--config", "/config/zitadel.yaml"]
        runs_steps = words[0] == "setup" and "cleanup" not in words
        argv += ["--steps", "/config/steps.yaml"] if runs_steps else []
        return argv + (["--masterkeyFromEnv"] if runs_steps or words[0] == "start" else [])

    def call(self, *words: str) -> Outcome:
        """Run a command here."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = main(["server", *self.argv(*words)], self.environment())
        return Outcome(code, output.getvalue() + errors.getvalue())

    def run(self, *words: str) -> Outcome:
        """Run a command in its own process; the code of a killed one is negative."""
        process = self.spawn(*words)
        text, _ = process.communicate(timeout=WAIT_SECONDS)
        return Outcome(process.returncode, text)

    def spawn(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command in its own process."""
        return self._spawn(["server", *self.argv(*words)])

    def spawn_login(self, **env: str) -> "subprocess.Popen[str]":
        """Start the login program with these variables."""
        return replace(self, env={**self.env, **env})._spawn(["login"])

    def _spawn(self, argv: list[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "fakezitadel", *argv],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def port(self) -> int:
        """Where the server listens."""
        return int(str(self.config["Port"]))

    @contextlib.contextmanager
    def serving(self, *, ready: bool = True) -> Iterator["subprocess.Popen[str]"]:
        """A started server; killed at the end if it still runs."""
        process = self.spawn("start")
        path = "/debug/ready" if ready else "/debug/healthz"
        with ended(process):
            until(lambda: request(self.port, path).status == 200, process)
            yield process

    def connection(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """The service user's own connection."""
        postgres = self.postgres
        return psycopg.connect(
            host=postgres["Host"],
            port=postgres["Port"],
            dbname=postgres["Database"],
            user=postgres["User"]["Username"],
            password=postgres["User"]["Password"],
            autocommit=True,
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query returns."""
        with self.connection() as connection:
            return connection.execute(sql.SQL(statement)).fetchall()

    def states(self) -> dict[str, str]:
        """The newest event of each step, without its prefix."""
        rows = self.rows(
            "select distinct on (payload->>'name') payload->>'name', event_type from eventstore.events2"
            " where aggregate_id = 'SYSTEM' order by payload->>'name', \"sequence\" desc"
        )
        return {name: event.removeprefix("system.migration.") for name, event in rows}

    def events(self) -> int:
        """How many events there are."""
        return int(self.rows("select count(*) from eventstore.events2")[0][0])

    def instance(self) -> dict[str, Any]:
        """The one instance's row."""
        (row,) = self.rows("select data from projections.instances")
        return dict(row[0])

    def token(self, user: str = "login-client", *, audience: str = AUDIENCE) -> str:
        """A system user's JWT, signed with the key `keys/tls.key` below the root."""
        key = (self.root / "keys/tls.key").read_bytes()
        return system_token(user=user, private_key=key, audience=audience, now=datetime.now(UTC))


@contextlib.contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """The process does not outlive the block."""
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def until(holds: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    """Wait for a condition; a refused connection is false. AssertionError after 20 s or a dead process."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds():
                return
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()[0]}")
        time.sleep(0.02)
    raise AssertionError(f"not true within {WAIT_SECONDS:.0f} s")


def request(
    port: int,
    path: str,
    *,
    host: str = DOMAIN,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    body: Json = None,
    form: Mapping[str, str] | None = None,
    method: str = "",
) -> Reply:
    """GET, or POST with a body or a form, over HTTP/1.1 on loopback."""
    sent = {"Host": host, **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    with contextlib.closing(connection):
        data = urlencode(form) if form else None if body is None else json.dumps(body)
        connection.request(method or ("GET" if data is None else "POST"), path, body=data, headers=sent)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, names, response.read().decode())


@contextlib.contextmanager
def h2_client(port: int) -> Iterator[Callable[..., tuple[dict[str, str], bytes]]]:
    """An HTTP/2 connection with prior knowledge, for one exchange.

    Call it with a path, `host`, `headers` and `body`: headers and trailers together, and the body.
    """
    import h2.config
    import h2.connection
    import h2.events

    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as channel:

        def exchange(
            path: str, *, host: str = DOMAIN, headers: Mapping[str, str] | None = None, body: bytes = b""
        ) -> tuple[dict[str, str], bytes]:
            pseudo = {":method": "POST" if body else "GET", ":scheme": "http", ":path": path}
            sent = {**pseudo, ":authority": host, **(headers or {})}
            connection.initiate_connection()
            connection.send_headers(1, list(sent.items()), end_stream=not body)
            if body:
                connection.send_data(1, body, end_stream=True)
            found: dict[str, str] = {}
            data = b""
            while True:
                channel.sendall(connection.data_to_send())
                for event in connection.receive_data(channel.recv(65536)):
                    match event:
                        case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                            found |= {str(name): str(value) for name, value in event.headers}
                        case h2.events.DataReceived():
                            data += event.data
                        case h2.events.StreamEnded():
                            return found, data

        yield exchange
