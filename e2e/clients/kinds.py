"""What a client does in one turn of each kind, and what counts as a good answer."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TypeAlias
from urllib.parse import urlencode
from uuid import uuid4

import jwt

from clients.rows import Kind
from clients.session import Answer, Session
from clients.target import Identity

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN = "/ui/v2/login/loginname"
ASSERTION_SECONDS = 1800
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
REFUSED = 429
UNAUTHORIZED = 401


class WrongError(Exception):
    """Another answer than the right one, with its status."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"{what} answered {status}")
        self.status = status


@dataclass(slots=True)
class Credentials:
    """The identity, its assertion (signed anew in time), and the access token that writes use."""

    identity: Identity
    access: str = ""
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one write that fetches the token for all."""
    _assertion: str = ""
    _until: float = 0.0

    def assertion(self, audience: str) -> str:
        """A JWT of the machine user, good for minutes at least."""
        now = time.time()
        if now > self._until - ASSERTION_SECONDS:
            self._until = now + 2 * ASSERTION_SECONDS
            user = self.identity.user
            claims = {"iss": user, "sub": user, "aud": audience, "iat": int(now), "exp": int(self._until)}
            headers = {"kid": self.identity.key_id}
            self._assertion = jwt.encode(claims, self.identity.private_pem, "RS256", headers=headers)
        return self._assertion


@dataclass(frozen=True, slots=True)
class Done:
    """A good turn: the status of its last answer, and the token it wrote."""

    status: int
    token: str = ""


async def login(session: Session, credentials: Credentials) -> Done:
    """The page, the form, and the page of the one who is signed in, as a browser follows them."""
    page = _right("the login page", await session.ask("GET", LOGIN), 200)
    if b"<form" not in page.body:
        raise WrongError("the login page without its form", page.status)
    identity = credentials.identity
    form = urlencode({"loginName": identity.login_name, "password": identity.password})
    posted = _right("the login form", await session.ask("POST", LOGIN, headers=FORM, body=form), 302)
    cookies = SimpleCookie(posted.headers.get("set-cookie", ""))
    sent = {"Cookie": "; ".join(f"{name}={found.value}" for name, found in cookies.items())}
    location = posted.headers.get("location", "/")
    last = _right("the page after login", await session.ask("GET", location, headers=sent), 200)
    return Done(last.status)


async def token(session: Session, credentials: Credentials) -> Done:
    """An access token by the JWT profile grant."""
    answer, _ = await _access_token(session, credentials)
    return Done(answer.status)


async def write(session: Session, credentials: Credentials) -> Done:
    """Metadata of the machine user, its key unique, with a token that is fetched when there is none."""
    async with credentials.fetching:
        if not credentials.access:
            _, credentials.access = await _access_token(session, credentials)
    unique = str(uuid4())
    body = json.dumps({"metadata": [{"key": unique, "value": base64.b64encode(b"1").decode()}]})
    path = f"/v2/users/{credentials.identity.user}/metadata"
    headers = {**JSON, "Authorization": f"Bearer {credentials.access}"}
    answer = await session.ask("POST", path, headers=headers, body=body)
    if answer.status == UNAUTHORIZED:
        credentials.access = ""
    return Done(_right("the write", answer, 200).status, unique)


async def _access_token(session: Session, credentials: Credentials) -> tuple[Answer, str]:
    assertion = credentials.assertion(session.target.origin)
    form = urlencode({"grant_type": GRANT, "assertion": assertion, "scope": "openid"})
    asked = await session.ask("POST", "/oauth/v2/token", headers=FORM, body=form)
    answer = _right("the token endpoint", asked, 200)
    try:
        return answer, str(json.loads(answer.body)["access_token"])
    except (ValueError, KeyError, TypeError) as error:
        raise WrongError("the token endpoint without a token", answer.status) from error


def _right(what: str, answer: Answer, status: int) -> Answer:
    if answer.status != status:
        raise WrongError(what, answer.status)
    return answer


Turn: TypeAlias = Callable[[Session, Credentials], Awaitable[Done]]
TURNS: dict[Kind, Turn] = {
    "login": login,
    "token": token,
    "write": write,
}
