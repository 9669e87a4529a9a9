"""Does an instance answer through its public name, as a user's browser would reach it?

Three questions over HTTPS: is it ready, is its discovery document its own, has it keys to sign with. Nothing
is changed and nothing secret is sent or kept. A reading says what was asked and what came back, because
whoever reads it must decide whether the name, the certificate, the edge or the instance is at fault.

Limits: redirects are not followed, bodies end at `BODY_LIMIT`, and after a question without an answer the
rest are not asked: they would only wait as long.
"""

import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp

from dedicated.probes.resolver import ResolveRule, RuleResolver

BODY_LIMIT = 256 * 1024
QUOTED = 200
KEEP_ALIVE = 0.2
"""Seconds between the questions of one reading, at most. Each reading has a connection of its own: it is that
of a stranger, who is shown today's certificate; and a TLS connection that is kept costs memory."""
USER_AGENT = "dedicated-operator-probe"

READY = "/debug/ready"
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/oauth/v2/keys"


@dataclass(frozen=True, slots=True)
class Target:
    """A public name, and the port it is served on."""

    domain: str
    port: int = 443

    @property
    def origin(self) -> str:
        """The URL prefix, which is also the issuer: no port where it is the usual one."""
        return f"https://{self.domain}" + ("" if self.port == 443 else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Check:
    """One question: whether the answer was right, after how many seconds, and in words what happened."""

    name: str
    ok: bool
    seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All questions of one moment."""

    at: datetime
    checks: tuple[Check, ...]
    ok: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ok", all(check.ok for check in self.checks))

    @property
    def detail(self) -> str:
        """The first wrong answer in words, or empty."""
        return next((check.detail for check in self.checks if not check.ok), "")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Question:
    """A path, and what is wrong with its answer in words (empty: nothing)."""

    name: str
    path: str
    judge: Callable[[Target, _Answer], str]
    headers: Mapping[str, str] = field(default_factory=dict)


class _NoAnswerError(Exception):
    """The question could not be asked, or was not answered; the text says why."""


@asynccontextmanager
async def open_session(
    *, resolve: Sequence[ResolveRule] = (), ca_file: Path | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for any number of targets.

    `ca_file` is trusted besides the system's authorities. Raises `OSError` (`ssl.SSLError`) if it is no use.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    connector = aiohttp.TCPConnector(
        limit=0,
        limit_per_host=2,
        keepalive_timeout=KEEP_ALIVE,
        resolver=RuleResolver(resolve),
        use_dns_cache=False,
        ssl=context,
    )
    # No environment proxy and no cookies: each reading is that of a stranger.
    async with aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
    ) as session:
        yield session


async def read(
    target: Target,
    *,
    session: aiohttp.ClientSession,
    now: Callable[[], datetime],
    seconds: float = 5.0,
) -> Reading:
    """Ask all questions, each within `seconds`. Never raises but when cancelled."""
    checks: list[Check] = []
    for question in _QUESTIONS:
        check, answered = await _ask(target, question, session=session, seconds=seconds)
        checks.append(check)
        if not answered:
            break
    return Reading(at=now(), checks=tuple(checks))


async def _ask(
    target: Target, question: _Question, *, session: aiohttp.ClientSession, seconds: float
) -> tuple[Check, bool]:
    start = time.monotonic()
    asked = f"GET {target.origin}{question.path}"
    try:
        url = target.origin + question.path
        answer = await _fetch(url, question.headers, session=session, seconds=seconds)
    except _NoAnswerError as error:
        took = time.monotonic() - start
        return Check(question.name, ok=False, seconds=took, detail=f"{asked}: {error}"), False
    took = time.monotonic() - start
    wrong = question.judge(target, answer)
    detail = f"{asked} answered {answer.status}" + (f": {wrong}" if wrong else "")
    return Check(question.name, ok=not wrong, seconds=took, detail=detail), True


async def _fetch(
    url: str, headers: Mapping[str, str], *, session: aiohttp.ClientSession, seconds: float
) -> _Answer:
    limits = aiohttp.ClientTimeout(total=seconds)
    try:
        async with session.get(url, headers=headers, timeout=limits, allow_redirects=False) as response:
            body = b""
            while len(body) <= BODY_LIMIT and (chunk := await response.content.readany()):
                body += chunk
            if len(body) > BODY_LIMIT:
                # Leaving the block with a body unread closes the connection.
                raise _NoAnswerError(f"the answer is longer than {BODY_LIMIT // 1024} KiB")
            return _Answer(response.status, body)
    except TimeoutError as error:
        raise _NoAnswerError(f"no answer within {seconds:g} s") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise _NoAnswerError(f"the certificate is not trusted: {_certificate(error)}") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise _NoAnswerError("the name does not resolve") from error
    except aiohttp.ClientConnectorError as error:
        raise _NoAnswerError(f"no connection: {error.os_error.strerror or error.os_error}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = printable(str(error) or type(error).__name__)
        raise _NoAnswerError(f"the connection broke: {why}") from error


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)


def _judge_ready(_target: Target, answer: _Answer) -> str:
    return "" if answer.status == 200 else f"must be 200; body: {printable(answer.body)}"


def _judge_discovery(target: Target, answer: _Answer) -> str:
    if wrong := _judge_ready(target, answer):
        return wrong
    issuer = _json(answer).get("issuer")
    if issuer == target.origin:
        return ""
    found = printable(issuer) if isinstance(issuer, str) else "absent"
    return f"issuer is {found}, must be {target.origin}"


def _judge_keys(target: Target, answer: _Answer) -> str:
    if wrong := _judge_ready(target, answer):
        return wrong
    keys = _json(answer).get("keys")
    return "" if isinstance(keys, list) and keys else "no keys, at least 1 is needed"


_QUESTIONS = (
    _Question("ready", READY, _judge_ready),
    _Question("discovery", DISCOVERY, _judge_discovery),
    _Question("keys", KEYS, _judge_keys, {"Connection": "close"}),
)


def _json(answer: _Answer) -> Mapping[str, object]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def printable(text: str | bytes) -> str:
    """The first `QUOTED` characters, quoted, without anything unprintable: fit for a status message."""
    decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
    shown = "".join(char if char.isprintable() else " " for char in decoded[:QUOTED])
    return json.dumps(" ".join(shown.split()), ensure_ascii=False)
