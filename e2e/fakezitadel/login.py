"""The login program: a page with a form, and a readiness that is true only when ZITADEL takes its credential.

Who posts the form with a good name and password gets a session, and a cookie for the page `signedin`.
`/ui/v2/login/security` also wants the server not to be older than the login (a rule of the fake): a release
rolls its servers out first, and the login of the release before has to serve until its turn comes.
Answers close the connection, so a stop never waits for an idle client.
"""

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakezitadel.calls import Answer, ask
from fakezitadel.runtime import FatalError, Runtime, log

DEFAULT_PORT = 3000
BASE = "/ui/v2/login"
GRACE_SECONDS = 5.0
CLIENT_SECONDS = 10.0
"""A client that sends nothing for so long is left."""
MAX_FORM_BYTES = 1 << 16
BACKLOG = 128
COOKIE = "session"
PAGE = (
    '<!doctype html><title>Login</title><form method="post"><input name="loginName">'
    '<input name="password" type="password"></form>'
)
SIGNED_IN = "<!doctype html><title>Signed in</title>"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a path answers."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = BACKLOG


def main(runtime: Runtime) -> int:
    """Serve until SIGTERM. FatalError without a credential or the API's address."""
    env = runtime.env
    if not env.get("ZITADEL_API_URL"):
        raise FatalError("ZITADEL_API_URL is not set")
    token = credential(runtime)
    token()
    if not (env.get("PORT") or "0").isdecimal():
        raise FatalError("PORT is not a number")
    port = int(env.get("PORT") or DEFAULT_PORT)
    # Before any thread starts, so that only sigwait below sees them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        server = _Server((runtime.bind, port), partial(_Handler, runtime, token))
    except OSError as error:
        raise FatalError(f"cannot listen on {runtime.bind}:{port}: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    log(f"login listens on {runtime.bind}:{port}")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.shutdown()
    closing = threading.Thread(target=server.server_close, daemon=True)
    closing.start()
    closing.join(GRACE_SECONDS)
    return 1 if closing.is_alive() else 0


def credential(runtime: Runtime) -> Callable[[], str]:
    """What makes the bearer token, from the first credential configured. FatalError if there is none."""
    env = runtime.env
    if env.get("AUDIENCE") and env.get("SYSTEM_USER_ID") and _given(runtime, "SYSTEM_USER_PRIVATE_KEY"):
        key = partial(_given, runtime, "SYSTEM_USER_PRIVATE_KEY")
        return partial(_sign, runtime, env["SYSTEM_USER_ID"], key)
    if env.get("ZITADEL_LOGINCLIENT_KEYFILE"):
        path = runtime.path(env["ZITADEL_LOGINCLIENT_KEYFILE"])
        return partial(_sign, runtime, "login-client", path.read_text)
    if _given(runtime, "ZITADEL_SERVICE_USER_TOKEN"):
        return partial(_given, runtime, "ZITADEL_SERVICE_USER_TOKEN")
    raise FatalError("no credential: set ZITADEL_LOGINCLIENT_KEYFILE and AUDIENCE, or another one")


def _given(runtime: Runtime, name: str) -> str:
    """A value given by itself or in a file; empty if neither is set."""
    file = runtime.env.get(f"{name}_FILE")
    if not file:
        return runtime.env.get(name, "")
    try:
        return runtime.path(file).read_text().strip()
    except OSError as error:
        raise FatalError(f"cannot read the file of {name}_FILE: {error.strerror}") from error


def _sign(runtime: Runtime, user: str, key: Callable[[], str]) -> str:
    import jwt

    audience = runtime.env.get("AUDIENCE")
    if not audience:
        raise FatalError("AUDIENCE is not set")
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": user, "sub": user, "aud": audience, "iat": now, "exp": now + 3600}
    try:
        return jwt.encode(claims, key(), algorithm="RS256")
    except (OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
        # AttributeError: PyJWT takes a public key and then misses its `sign`.
        raise FatalError(f"the private key of {user} cannot be used") from error


def request_headers(text: str) -> Mapping[str, str]:
    """`CUSTOM_REQUEST_HEADERS`: `name:value` pairs, comma separated."""
    pairs = (pair.partition(":") for pair in text.split(",") if ":" in pair)
    return {name.strip(): value.strip() for name, _, value in pairs}


def security(runtime: Runtime, token: Callable[[], str]) -> Reply:
    """Whether the API takes the credential, and is not older than the login."""
    try:
        answer = _call(runtime, token, "GET", "/v2/settings")
    except (OSError, HTTPException) as error:
        return Reply(500, f"ZITADEL does not answer: {type(error).__name__}")
    if answer.status != 200:
        return Reply(500, f"ZITADEL answers {answer.status}")
    version = answer.headers.get("x-fakez-version", "none")
    if _numbers(version) < _numbers(runtime.version):
        return Reply(500, f"ZITADEL has version {version}, the login {runtime.version}")
    return Reply(200, "ok")


def _numbers(version: str) -> tuple[int, ...]:
    """`v4.15.2` as what it compares by; of what is no version, none."""
    return tuple(int(part) for part in version.removeprefix("v").split(".") if part.isdecimal())


def _call(
    runtime: Runtime, token: Callable[[], str], method: str, path: str, *, body: bytes | None = None
) -> Answer:
    env = runtime.env
    headers = {**request_headers(env.get("CUSTOM_REQUEST_HEADERS", "")), "Authorization": f"Bearer {token()}"}
    verify = env.get("NODE_TLS_REJECT_UNAUTHORIZED") != "0"
    url = env["ZITADEL_API_URL"].rstrip("/") + path
    return ask(runtime, method, url, headers=headers, body=body, verify=verify)


def signed_in(runtime: Runtime, token: Callable[[], str], *, cookie: str) -> Reply:
    """The page of a session that ZITADEL knows; the form for anybody else."""
    found = SimpleCookie(cookie).get(COOKIE)
    if found is None or not found.value.isdecimal():
        return Reply(302, headers={"location": f"{BASE}/loginname"})
    try:
        status = _call(runtime, token, "GET", f"/v2/sessions/{found.value}").status
    except (OSError, HTTPException) as error:
        return Reply(500, f"ZITADEL does not answer: {type(error).__name__}")
    match status:
        case 200:
            return Reply(200, SIGNED_IN)
        case 404:
            return Reply(302, headers={"location": f"{BASE}/loginname"})
        case _:
            return Reply(500, f"ZITADEL answers {status}")


def sign_in(runtime: Runtime, token: Callable[[], str], *, form: str) -> Reply:
    """A session for the form's user, with a cookie and the way to the next page; 400 for a wrong password."""
    given = {name: values[0] for name, values in parse_qs(form).items()}
    user, password = ({key: given.get(key, "")} for key in ("loginName", "password"))
    body = json.dumps({"checks": {"user": user, "password": password}}).encode()
    try:
        answer = _call(runtime, token, "POST", "/v2/sessions", body=body)
    except (OSError, HTTPException) as error:
        return Reply(500, f"ZITADEL does not answer: {type(error).__name__}")
    match answer.status:
        case 201:
            session = json.loads(answer.body)["sessionId"]
            cookie = f"{COOKIE}={session}; Path={BASE}; Secure; HttpOnly; SameSite=Lax"
            return Reply(302, headers={"location": f"{BASE}/signedin", "set-cookie": cookie})
        case 400:
            return Reply(400, PAGE)
        case _:
            return Reply(500, f"ZITADEL answers {answer.status}")


def reply(runtime: Runtime, token: Callable[[], str], path: str) -> Reply:
    """The answer to a GET."""
    base, slash, page = path.rpartition("/")
    match page if base == BASE and slash else None:
        case "healthy":
            return Reply(200, "ok")
        case "security":
            return security(runtime, token)
        case "loginname" | "login" | "":
            state = security(runtime, token)
            return Reply(200, PAGE) if state.status == 200 else state
        case _:
            return Reply(404, "not found")


def _guarded(found: Callable[[], Reply]) -> Reply:
    """The reply, or that the credential is of no use any more."""
    try:
        return found()
    except FatalError as error:
        return Reply(500, str(error))


class _Handler(BaseHTTPRequestHandler):
    def __init__(
        self, runtime: Runtime, token: Callable[[], str], request: Any, address: Any, server: BaseServer
    ) -> None:
        self._runtime, self._token = runtime, token
        super().__init__(request, address, server)

    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        """A page."""
        path, cookie = urlsplit(self.path).path, self.headers.get("cookie", "")
        if path == f"{BASE}/signedin":
            self._answer(path, lambda: signed_in(self._runtime, self._token, cookie=cookie))
        else:
            self._answer(path, lambda: reply(self._runtime, self._token, path))

    def do_POST(self) -> None:
        """The form."""
        path = urlsplit(self.path).path
        length = self.headers.get("content-length", "")
        if path != f"{BASE}/loginname" or not length.isdecimal() or int(length) > MAX_FORM_BYTES:
            self._answer(path, lambda: Reply(404, "not found"))
            return
        form = self.rfile.read(int(length)).decode(errors="replace")
        self._answer(path, lambda: sign_in(self._runtime, self._token, form=form))

    def _answer(self, path: str, found: Callable[[], Reply]) -> None:
        fault = self._runtime.faults.http(path, draw=random.random())
        time.sleep(fault.delay_seconds)
        if fault.silent:
            # Until the client leaves.
            self.connection.settimeout(None)
            self.connection.recv(1)
            return
        answer = (
            Reply(fault.status, "failed by a fault switch")
            if fault.status is not None
            else _guarded(found)
        )
        body = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Requests are not logged."""
