"""Sessions and tokens as they are asked for, and what comes of the answers."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from aiohttp import web

from controllers.public_name import DOMAIN, NOON, Page, Service, make_certificate, say, serving
from dedicated.api.json import Manifest
from dedicated.api.objects import Key, Kind
from dedicated.api.probing import Sample
from dedicated.cluster.errors import ApiError
from dedicated.controllers.material import new_key_pair
from dedicated.controllers.writes import MAIL_KNOWN, READINGS, Writes
from dedicated.probes import tokens, writing
from dedicated.probes.service import Target, open_session

PAIR = new_key_pair()
TARGET = Target(DOMAIN)
KEY = Key("acme", "acme")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "service.pem")


@dataclass
class Zitadel:
    """The part of ZITADEL that is written to."""

    service: Service
    asked: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service.pages = {
            "/v2/sessions": self.page(201, {"sessionId": "1", "sessionToken": "t"}),
            "/v2/sessions/1": self.page(200, {}),
            "/v2/organizations/_search": self.page(200, {"result": [{"id": "o"}]}),
            "/v2/users/new": self.page(409, {}),
            "/v2/users/keys/search": self.found,
            f"/v2/users/{writing.CLIENT}/keys": self.made,
            writing.MAIL: self.page(200, {}),
            "/oauth/v2/token": self.page(200, {"access_token": "a"}),
        }

    def page(self, status: int, answer: dict[str, object]) -> Page:
        async def page(request: web.Request) -> web.StreamResponse:
            self.asked.append((request.method, request.path))
            return web.json_response(answer, status=status)

        return page

    async def found(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"result": [{"id": key} for key in self.keys]})

    async def made(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"].startswith("Bearer ")
        self.keys.append("k1")
        return web.json_response({"keyId": "k1"})

    async def round(self) -> writing.Round:
        rules, certificate = self.service.rules(), self.service.certificate
        async with open_session(resolve=rules, ca_file=certificate) as session:
            return await writing.session_and_token(
                TARGET, system="s", assertion="a", session=session, at=NOON
            )


@pytest.fixture
async def zitadel(certificate: Path) -> AsyncIterator[Zitadel]:
    async with serving(certificate) as service:
        yield Zitadel(service)


async def test_a_session_is_made_and_ended_and_a_token_got(zitadel: Zitadel) -> None:
    done = await zitadel.round()
    assert done == writing.Round(Sample(NOON, {"Session": "Good", "Token": "Good"}, {}))
    assert zitadel.asked == [
        ("POST", "/v2/sessions"),
        ("DELETE", "/v2/sessions/1"),
        ("POST", "/oauth/v2/token"),
    ]


@pytest.mark.parametrize(("path", "source"), [("/v2/sessions", "Session"), ("/oauth/v2/token", "Token")])
async def test_a_server_error_has_failed_and_a_refusal_has_not(
    zitadel: Zitadel, path: str, source: str
) -> None:
    zitadel.service.pages[path] = say(503, "no database")
    done = await zitadel.round()
    assert {name for name, outcome in done.sample.outcomes.items() if outcome == "Failed"} == {source}
    assert f'POST https://{DOMAIN}{path} answered 503: "no database"' in done.sample.details.values()
    assert not done.refused
    zitadel.service.pages[path] = say(401, "")
    refused = await zitadel.round()
    assert set(refused.sample.outcomes.values()) == {"Good"}
    assert refused.refused


async def test_who_is_not_reached_says_nothing_of_the_services(certificate: Path) -> None:
    async with serving(certificate) as gone:
        zitadel = Zitadel(gone)
    assert (await zitadel.round()).sample.outcomes == {}


async def test_a_token_is_what_zitadel_takes() -> None:
    now = datetime.now(UTC)
    text = tokens.signed(
        subject="operator", audience="https://a.example", private_pem=PAIR.private_pem, now=now, key_id="k"
    )
    claims = jwt.decode(text, PAIR.public_pem, algorithms=["RS256"], audience="https://a.example")
    assert claims["iss"] == claims["sub"] == "operator"
    assert claims["exp"] - claims["iat"] < 3600
    assert jwt.get_unverified_header(text) == {"alg": "RS256", "typ": "JWT", "kid": "k"}
    with pytest.raises(ValueError, match="PEM"):
        tokens.signed(subject="a", audience="b", private_pem=b"none", now=now)


@dataclass
class Secrets:
    """The operator's key pair, and how often it was read."""

    read: int = 0
    gone: bool = False

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        assert (kind.plural, namespace, name) == ("secrets", "acme", "acme-operator-key")
        self.read += 1
        if self.gone:
            raise ApiError(status=404, reason="NotFound", message="gone")
        pems = {"private.pem": PAIR.private_pem, "public.pem": PAIR.public_pem}
        return {"data": {name: _encoded(pem) for name, pem in pems.items()}}


def _encoded(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


async def samples(zitadel: Zitadel, secrets: Secrets, number: int) -> list[Sample]:
    """The first samples of an instance."""
    found: asyncio.Queue[Sample] = asyncio.Queue()
    rules = zitadel.service.rules()
    async with open_session(resolve=rules, ca_file=zitadel.service.certificate) as session:
        writes = Writes(
            client=secrets,
            session=session,
            measure=lambda _, sample: found.put_nowait(sample),
            wake=lambda _: None,
            now=lambda: datetime.now(UTC),
            wall=lambda: datetime.now(UTC),
            reading_interval=0.02 / READINGS,
        )
        writes.ask(KEY, DOMAIN)
        try:
            return [await asyncio.wait_for(found.get(), 10) for _ in range(number)]
        finally:
            await writes.close()


async def test_the_client_is_made_once_and_the_key_pair_read_once(zitadel: Zitadel) -> None:
    secrets = Secrets()
    found = await samples(zitadel, secrets, 3)
    assert all(sample.outcomes == {"Session": "Good", "Token": "Good"} for sample in found)
    assert (secrets.read, zitadel.keys) == (1, ["k1"])
    await samples(zitadel, secrets, 1)
    assert (secrets.read, zitadel.keys) == (2, ["k1"]), "another operator finds the client"


async def test_without_a_client_sessions_are_measured_all_the_same(zitadel: Zitadel) -> None:
    zitadel.service.pages["/v2/users/keys/search"] = say(403, "")
    (found,) = await samples(zitadel, Secrets(), 1)
    assert found.outcomes == {"Session": "Good"}


async def test_who_is_refused_looks_at_the_key_pair_again(zitadel: Zitadel) -> None:
    zitadel.service.pages["/oauth/v2/token"] = say(400, json.dumps({"error": "invalid_grant"}))
    secrets = Secrets()
    await samples(zitadel, secrets, 3)
    assert secrets.read >= 3


async def test_tokens_are_signed_anew_before_they_end(zitadel: Zitadel) -> None:
    clock = [datetime.now(UTC)]
    seen: list[str] = []

    async def session_page(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        clock[0] += timedelta(minutes=26)
        return web.json_response({"sessionId": "1"}, status=201)

    zitadel.service.pages["/v2/sessions"] = session_page
    found: asyncio.Queue[Sample] = asyncio.Queue()
    rules = zitadel.service.rules()
    async with open_session(resolve=rules, ca_file=zitadel.service.certificate) as session:
        writes = Writes(
            client=Secrets(),
            session=session,
            measure=lambda _, sample: found.put_nowait(sample),
            wake=lambda _: None,
            now=lambda: datetime.now(UTC),
            wall=lambda: clock[0],
            reading_interval=0.02 / READINGS,
        )
        writes.ask(KEY, DOMAIN)
        for _ in range(3):
            await asyncio.wait_for(found.get(), 10)
        await writes.close()
    assert seen[0] == seen[1] != seen[2]


@dataclass
class Mailing:
    """A round after the other, and whom it woke. `clock` is the wall's."""

    writes: Writes
    found: asyncio.Queue[Sample]
    woken: list[Key]
    clock: list[datetime]

    async def rounds(self, number: int = 2) -> bool | None:
        """What is known after so many rounds more; the last one may still be asking."""
        for _ in range(number):
            await asyncio.wait_for(self.found.get(), 10)
        return self.writes.mail(KEY)


@pytest.fixture
async def mailing(zitadel: Zitadel) -> AsyncIterator[Mailing]:
    found: asyncio.Queue[Sample] = asyncio.Queue()
    woken: list[Key] = []
    clock = [datetime.now(UTC)]
    rules = zitadel.service.rules()
    async with open_session(resolve=rules, ca_file=zitadel.service.certificate) as session:
        writes = Writes(
            client=Secrets(),
            session=session,
            measure=lambda _, sample: found.put_nowait(sample),
            wake=woken.append,
            now=lambda: clock[0],
            wall=lambda: clock[0],
            reading_interval=0.02 / READINGS,
        )
        writes.ask(KEY, DOMAIN, mail=True)
        yield Mailing(writes, found, woken, clock)
        await writes.close()


def providers(*states: str) -> Page:
    return say(200, json.dumps({"result": [{"id": "1", "state": state} for state in states]}))


async def test_a_mail_provider_is_looked_for_until_one_is_active(zitadel: Zitadel, mailing: Mailing) -> None:
    assert await mailing.rounds() is False
    zitadel.service.pages[writing.MAIL] = providers("EMAIL_PROVIDER_INACTIVE")
    assert await mailing.rounds() is False
    zitadel.service.pages[writing.MAIL] = providers("EMAIL_PROVIDER_INACTIVE", writing.MAIL_ACTIVE)
    assert await mailing.rounds(3) is True
    assert mailing.woken == [KEY, KEY]


async def test_one_that_is_active_is_looked_for_once_an_hour(zitadel: Zitadel, mailing: Mailing) -> None:
    zitadel.service.pages[writing.MAIL] = providers(writing.MAIL_ACTIVE)
    assert await mailing.rounds(3) is True
    zitadel.service.pages[writing.MAIL] = providers()
    assert await mailing.rounds(3) is True
    mailing.clock[0] += MAIL_KNOWN
    assert await mailing.rounds(3) is False


async def test_what_is_refused_is_not_known(zitadel: Zitadel, mailing: Mailing) -> None:
    zitadel.service.pages[writing.MAIL] = say(403, "no")
    assert await mailing.rounds() is None
    assert mailing.woken == []


async def test_mail_is_not_looked_for_unasked(zitadel: Zitadel, mailing: Mailing) -> None:
    mailing.writes.ask(KEY, DOMAIN)
    zitadel.service.pages[writing.MAIL] = providers(writing.MAIL_ACTIVE)
    assert await mailing.rounds(3) is None
