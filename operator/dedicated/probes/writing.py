"""Can users log in? The Core Services that only answer to who writes: a session, and a token (A-4).

The operator's system identity makes an empty session and ends it, and a machine user of its own gets a token
by a JWT that it signs. That user is the probe client: it is made once with the system
identity, under a fixed id in the first organization, holds no role, and its key is the public half of the
operator's own key pair. So there is nothing to keep in the cluster: a database that was restored has the
client, or it is made again.

Each round leaves four events or so in ZITADEL, hence once a minute. Making the client is no Core Service:
where that fails, tokens are not measured.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import aiohttp

from dedicated.api.probing import Outcome, Sample, Source
from dedicated.probes.service import Answer, NoAnswerError, Target, decoded, fetch, printable

CLIENT = "dedicated-operator-probe"
"""Id and name of the probe client."""
SESSION_LIFETIME = "60s"
"""A session that could not be ended goes by itself."""
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SESSIONS = "/v2/sessions"
MAIL = "/admin/v1/email/_search"
MAIL_ACTIVE = "EMAIL_PROVIDER_ACTIVE"
TOKEN = "/oauth/v2/token"  # noqa: S105 - a path


class RefusedError(Exception):
    """ZITADEL does not take us for who we are, or does not let us; the text says what was asked."""


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round; `refused`: our credentials were not taken, look at them again."""

    sample: Sample
    refused: bool = False


async def session_and_token(
    target: Target,
    *,
    system: str,
    assertion: str | None,
    session: aiohttp.ClientSession,
    at: datetime,
) -> Round:
    """Make and end a session with the system identity's token, and get a token by the client's assertion."""
    outcomes: dict[Source, Outcome] = {}
    details: dict[Source, str] = {}
    made = await _asked("Session", target, SESSIONS, _session(system), session, outcomes, details)
    refused = made is not None and made.status in (401, 403)
    if made is not None and made.status < 300:
        await _end(target, made, system, session)
    if assertion is not None:
        form = {"grant_type": GRANT, "assertion": assertion, "scope": "openid"}
        asked = (FORM, urlencode(form).encode())
        got = await _asked("Token", target, TOKEN, asked, session, outcomes, details)
        refused = refused or (got is not None and 400 <= got.status < 429)
    return Round(Sample(at, outcomes, details), refused)


async def probe_client(
    target: Target, *, system: str, public_pem: bytes, session: aiohttp.ClientSession
) -> str:
    """The id of the probe client's key; client and key are made where there are none.

    Raises `NoAnswerError`, or `RefusedError`.
    """
    call = _Call(target, {**JSON, "Authorization": f"Bearer {system}"}, session)
    query = {"filters": [{"userIdFilter": {"id": CLIENT}}]}
    found = await call.post("/v2/users/keys/search", query)
    keys = found.get("result")
    if isinstance(keys, list) and keys and isinstance(keys[-1], dict):
        return str(keys[-1].get("id", ""))
    organizations = (await call.post("/v2/organizations/_search", {})).get("result")
    first = organizations[0] if isinstance(organizations, list) and organizations else {}
    user = {
        "organizationId": first.get("id", "") if isinstance(first, dict) else "",
        "userId": CLIENT,
        "username": CLIENT,
        "machine": {"name": CLIENT, "description": "measures the service level"},
    }
    await call.post("/v2/users/new", user, allowed=(409,))
    key = {"publicKey": base64.b64encode(public_pem).decode()}
    return str((await call.post(f"/v2/users/{CLIENT}/keys", key)).get("keyId", ""))


async def has_mail(target: Target, *, system: str, session: aiohttp.ClientSession) -> bool:
    """Whether a mail provider is active. Raises `NoAnswerError`, or `RefusedError`."""
    call = _Call(target, {**JSON, "Authorization": f"Bearer {system}"}, session)
    found = (await call.post(MAIL, {})).get("result")
    providers = found if isinstance(found, list) else []
    return any(isinstance(item, dict) and item.get("state") == MAIL_ACTIVE for item in providers)


@dataclass(frozen=True, slots=True)
class _Call:
    target: Target
    headers: Mapping[str, str]
    session: aiohttp.ClientSession

    async def post(
        self, path: str, body: Mapping[str, object], *, allowed: tuple[int, ...] = ()
    ) -> Mapping[str, object]:
        url = f"{self.target.origin}{path}"
        answer = await fetch(
            url, self.headers, session=self.session, method="POST", body=json.dumps(body).encode()
        )
        if answer.status >= 300 and answer.status not in allowed:
            raise RefusedError(f"POST {url} answered {answer.status}: {printable(answer.body)}")
        return decoded(answer)


def _session(system: str) -> tuple[Mapping[str, str], bytes]:
    headers = {**JSON, "Authorization": f"Bearer {system}"}
    return headers, json.dumps({"lifetime": SESSION_LIFETIME}).encode()


async def _asked(
    source: Source,
    target: Target,
    path: str,
    asked: tuple[Mapping[str, str], bytes],
    session: aiohttp.ClientSession,
    outcomes: dict[Source, Outcome],
    details: dict[Source, str],
) -> Answer | None:
    """Ask a service and note what came of it. Who was not reached is the reading probes' business."""
    url = f"{target.origin}{path}"
    try:
        answer = await fetch(url, asked[0], session=session, method="POST", body=asked[1])
    except NoAnswerError as error:
        if error.source == "Service":
            outcomes[source], details[source] = "Failed", f"POST {url}: {error}"
        return None
    outcomes[source] = "Failed" if answer.status >= 500 else "Good"
    if answer.status >= 500:
        details[source] = f"POST {url} answered {answer.status}: {printable(answer.body)}"
    return answer


async def _end(target: Target, made: Answer, system: str, session: aiohttp.ClientSession) -> None:
    """End a session; one that stays ends by its lifetime."""
    found = decoded(made)
    headers, _ = _session(system)
    body = json.dumps({"sessionToken": found.get("sessionToken", "")}).encode()
    url = f"{target.origin}{SESSIONS}/{found.get('sessionId', '')}"
    try:
        await fetch(url, headers, session=session, method="DELETE", body=body)
    except NoAnswerError:
        return
