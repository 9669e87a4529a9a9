"""Does an instance answer through its public name, as a user's browser would reach it?

Five questions over HTTPS. Three say whether it is available: is it ready, is its discovery document its own,
has it keys to sign with. For the service level each Core Service is asked (A-4): discovery, keys, the login
page, SAML's metadata; what counts as failed is the contract's (A-3), so that an answer can be wrong without
having failed. Nothing is changed and nothing secret is sent or kept. A reading says what was asked and what
came back, because whoever reads it must decide whether the name, the certificate, the edge or the instance is
at fault.

All questions of a reading share a connection, and no two readings do: each is that of a stranger, who is
shown today's certificate, and a pod that serves today. Kept from reading to reading, connections would save
a fifth of the processor time of a probe, and cost 63 KB of memory each (`bench/probes.py`).

Limits: redirects are not followed, bodies end at `BODY_LIMIT`, and after a question without an answer the
rest are not asked: they would only wait as long. A name that does not resolve here is not measured: the
failure may be ours. Of two vantage points (A-3) this is one.
"""

import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

import aiohttp

from dedicated.api.probing import Entry, Outcome, Sample, Source, Trouble
from dedicated.probes.resolver import ResolveRule, RuleResolver

BODY_LIMIT = 256 * 1024
QUOTED = 200
KEEP_ALIVE = 0.2
"""Seconds between the questions of one reading, at most."""
ANSWER_SECONDS = 10.0
"""Without an answer in this time a probe has failed (A-3)."""
CONNECT_PART = 0.9
"""Part of that time in which a connection is made: a little less, so that it can be told which was late."""
USER_AGENT = "dedicated-operator-probe"

READY = "/debug/ready"
DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/oauth/v2/keys"
LOGIN = "/ui/v2/login/loginname"
SAML = "/saml/v2/metadata"


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
    """All questions of one moment: whether it is available (`ok`), and how each Core Service answered."""

    at: datetime
    checks: tuple[Check, ...]
    sample: Sample | None = None
    entry: Entry = field(default_factory=Entry)
    ok: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ok", all(check.ok for check in self.checks))

    @property
    def detail(self) -> str:
        """The first wrong answer in words, or empty."""
        return next((check.detail for check in self.checks if not check.ok), "")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer, and until when the certificate is good under which it came."""

    status: int
    body: bytes
    certificate_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """A path, and what is wrong with its answer in words (empty: nothing).

    `failed` says why an answer of 200 is a failed request of the service (A-3). What is not `essential` has
    no say in whether the instance is available.
    """

    name: str
    path: str
    judge: Callable[[Target, Answer], str] = lambda *_: ""
    source: Source | None = None
    failed: Callable[[Answer], str] = lambda _: ""
    essential: bool = True


class NoAnswerError(Exception):
    """The question could not be asked, or was not answered; the text says why.

    `source` is what failed: the entry where nobody was reached, "" where that cannot be told from here.
    `trouble` is what of the entry was seen to be wrong.
    """

    def __init__(
        self, text: str, source: Literal["Entry", "Service", ""] = "Service", trouble: Trouble = ""
    ) -> None:
        super().__init__(text)
        self.source = source
        self.trouble = trouble


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime:
    """A time of a certificate; a reading sees the same one five times."""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


class _Response(aiohttp.ClientResponse):
    """Notes the certificate: a short answer has given its connection back before anybody can look."""

    certificate_until: datetime | None = None

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Read the head of the answer."""
        transport = connection.transport
        shown = (transport.get_extra_info("peercert") if transport is not None else None) or {}
        if "notAfter" in shown:
            self.certificate_until = _instant(shown["notAfter"])
        return await super().start(connection)


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
        response_class=_Response,
    ) as session:
        yield session


async def read(
    target: Target,
    *,
    session: aiohttp.ClientSession,
    now: Callable[[], datetime],
    seconds: float = ANSWER_SECONDS,
) -> Reading:
    """Ask all questions, each within `seconds`. Never raises but when cancelled."""
    checks: list[Check] = []
    outcomes: dict[Source, Outcome] = {}
    details: dict[Source, str] = {}
    entry = Entry()
    at = now().replace(microsecond=0)
    for question in _QUESTIONS:
        last = question is _QUESTIONS[-1]
        asked = await _ask(target, question, session=session, seconds=seconds, last=last)
        checks += [asked.check] if question.essential else []
        entry = asked.entry or entry
        if asked.source is not None:
            outcomes[asked.source] = asked.outcome
            details |= {asked.source: asked.check.detail} if asked.outcome == "Failed" else {}
        if not asked.answered:
            break
        outcomes.setdefault("Entry", "Good")
    return Reading(at, tuple(checks), Sample(at, outcomes, details), entry)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What became of a question. `source` is whose probe it was, None: nobody's; `entry` None: not seen."""

    check: Check
    answered: bool
    source: Source | None
    outcome: Outcome
    entry: Entry | None


async def _ask(
    target: Target, question: _Question, *, session: aiohttp.ClientSession, seconds: float, last: bool
) -> _Asked:
    start = time.monotonic()
    asked = f"GET {target.origin}{question.path}"
    headers = {"Connection": "close"} if last else {}
    try:
        answer = await fetch(target.origin + question.path, headers, session=session, seconds=seconds)
    except NoAnswerError as error:
        took = time.monotonic() - start
        check = Check(question.name, ok=False, seconds=took, detail=f"{asked}: {error}")
        # An unanswered question about readiness is one that any service would have left unanswered.
        whose: Source | None = question.source or "Discovery"
        whose = whose if error.source == "Service" else "Entry" if error.source else None
        entry = Entry(None, error.trouble, str(error)) if error.trouble else None
        return _Asked(check, False, whose, "Failed", entry)
    took = time.monotonic() - start
    failed = question.failed(answer) if answer.status == 200 else ""
    wrong = question.judge(target, answer) or failed
    detail = f"{asked} answered {answer.status}" + (f": {wrong}" if wrong else "")
    check = Check(question.name, ok=not wrong, seconds=took, detail=detail)
    outcome: Outcome = "Failed" if failed or answer.status >= 500 else "Good"
    return _Asked(check, True, question.source, outcome, Entry(answer.certificate_until))


async def fetch(
    url: str,
    headers: Mapping[str, str],
    *,
    session: aiohttp.ClientSession,
    seconds: float = ANSWER_SECONDS,
    method: str = "GET",
    body: bytes | None = None,
) -> Answer:
    """One request. Raises `NoAnswerError`."""
    limits = aiohttp.ClientTimeout(total=seconds, sock_connect=seconds * CONNECT_PART)
    try:
        async with session.request(
            method, url, headers=headers, data=body, timeout=limits, allow_redirects=False
        ) as response:
            found = b""
            while len(found) <= BODY_LIMIT and (chunk := await response.content.readany()):
                found += chunk
            if len(found) > BODY_LIMIT:
                # Leaving the block with a body unread closes the connection.
                raise NoAnswerError(f"the answer is longer than {BODY_LIMIT // 1024} KiB")
            until = response.certificate_until if isinstance(response, _Response) else None
            return Answer(response.status, found, until)
    except aiohttp.ConnectionTimeoutError as error:
        raise NoAnswerError(f"no connection within {seconds:g} s", "Entry") from error
    except TimeoutError as error:
        raise NoAnswerError(f"no answer within {seconds:g} s") from error
    except aiohttp.ClientConnectorCertificateError as error:
        text = f"the certificate is not trusted: {_certificate(error)}"
        raise NoAnswerError(text, "Entry", "Certificate") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise NoAnswerError("the name does not resolve", "", "Name") from error
    except aiohttp.ClientConnectorError as error:
        text = f"no connection: {error.os_error.strerror or error.os_error}"
        raise NoAnswerError(text, "Entry") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = printable(str(error) or type(error).__name__)
        raise NoAnswerError(f"the connection broke: {why}") from error


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)


def _judge_ready(_target: Target, answer: Answer) -> str:
    return "" if answer.status == 200 else f"must be 200; body: {printable(answer.body)}"


def _judge_discovery(target: Target, answer: Answer) -> str:
    if wrong := _judge_ready(target, answer):
        return wrong
    issuer = decoded(answer).get("issuer")
    if issuer == target.origin:
        return ""
    found = printable(issuer) if isinstance(issuer, str) else "absent"
    return f"issuer is {found}, must be {target.origin}"


def _judge_keys(target: Target, answer: Answer) -> str:
    if wrong := _judge_ready(target, answer):
        return wrong
    keys = decoded(answer).get("keys")
    return "" if isinstance(keys, list) and keys else "no keys, at least 1 is needed"


def _no_issuer(answer: Answer) -> str:
    return "" if "issuer" in decoded(answer) else "no discovery document"


def _no_keys(answer: Answer) -> str:
    return "" if decoded(answer).get("keys") else "no keys"


def _no_form(answer: Answer) -> str:
    return "" if b"<form" in answer.body else "a login page without its form"


def _no_metadata(answer: Answer) -> str:
    """SAML's errors come with 200 and a status in the body."""
    return "" if b"EntityDescriptor" in answer.body else f"no SAML metadata; body: {printable(answer.body)}"


_QUESTIONS = (
    _Question("ready", READY, _judge_ready),
    _Question("discovery", DISCOVERY, _judge_discovery, "Discovery", _no_issuer),
    _Question("keys", KEYS, _judge_keys, "Keys", _no_keys),
    _Question("login", LOGIN, source="Login", failed=_no_form, essential=False),
    _Question("saml", SAML, source="SAML", failed=_no_metadata, essential=False),
)


def decoded(answer: Answer) -> Mapping[str, object]:
    """The JSON object of a body; empty where it is none."""
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
