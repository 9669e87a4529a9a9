"""The probe of the public name over real TLS."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from controllers.public_name import DOMAIN, NOON, Page, Service, make_certificate, say, serving
from dedicated.api.probing import Entry
from dedicated.probes.resolver import ResolveRule, parse_host_port, parse_resolve
from dedicated.probes.service import BODY_LIMIT, Target, open_session, read


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "service.pem")


@pytest.fixture
async def service(certificate: Path) -> AsyncIterator[Service]:
    async with serving(certificate) as service:
        yield service


async def test_a_healthy_instance_answers_all_questions(service: Service) -> None:
    reading = await service.reading()
    assert reading.ok
    assert reading.at == NOON
    assert [(check.name, check.ok) for check in reading.checks] == [
        ("ready", True),
        ("discovery", True),
        ("keys", True),
    ]
    assert reading.checks[0].detail == f"GET https://{DOMAIN}/debug/ready answered 200"
    assert all(check.seconds >= 0 for check in reading.checks)


async def test_the_override_changes_the_address_and_nothing_else(service: Service) -> None:
    await service.reading()
    assert set(service.hosts) == {DOMAIN}
    assert set(service.names) == {DOMAIN}


async def test_each_reading_has_a_connection_of_its_own(service: Service) -> None:
    async with open_session(resolve=service.rules(), ca_file=service.certificate) as session:
        for _ in range(3):
            assert (await read(Target(DOMAIN), session=session, now=lambda: NOON)).ok
    assert len(service.names) == 3, "one handshake each"
    assert len(service.hosts) == 3 * 5


async def outcomes(service: Service, **pages: Page) -> dict[str, str]:
    service.pages.update(pages)
    sample = (await service.reading(seconds=0.5)).sample
    assert sample is not None
    assert set(sample.details) == {name for name, outcome in sample.outcomes.items() if outcome == "Failed"}
    return {str(name): str(outcome) for name, outcome in sample.outcomes.items()}


ALL_GOOD = dict.fromkeys(("Entry", "Discovery", "Keys", "Login", "SAML"), "Good")
PATHS = {
    "Discovery": "/.well-known/openid-configuration",
    "Keys": "/oauth/v2/keys",
    "Login": "/ui/v2/login/loginname",
    "SAML": "/saml/v2/metadata",
}


@pytest.mark.parametrize("failed", PATHS)
@pytest.mark.parametrize(("status", "text"), [(500, ""), (503, "<form>"), (200, "maintenance")])
async def test_server_errors_and_empty_pages_have_failed(
    service: Service, failed: str, status: int, text: str
) -> None:
    found = await outcomes(service, **{PATHS[failed]: say(status, text)})
    assert found == {**ALL_GOOD, failed: "Failed"}


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.parametrize("status", [302, 400, 404, 429])
async def test_what_the_client_could_have_done_wrong_has_not_failed(
    service: Service, path: str, status: int
) -> None:
    assert await outcomes(service, **{path: say(status, "")}) == ALL_GOOD


async def test_readiness_and_a_wrong_issuer_are_no_failure_of_a_core_service(service: Service) -> None:
    found = await outcomes(
        service,
        **{"/debug/ready": say(503, ""), PATHS["Discovery"]: say(200, '{"issuer": "https://other.example"}')},
    )
    assert found == ALL_GOOD


async def test_a_saml_error_with_200_has_failed(service: Service) -> None:
    status = '<Response><Status><StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/></Status>'
    assert (await outcomes(service, **{PATHS["SAML"]: say(200, status)}))["SAML"] == "Failed"


async def test_silence_is_the_services_and_what_follows_is_not_asked(service: Service) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    found = await outcomes(service, **{PATHS["Keys"]: silent})
    assert found == {"Entry": "Good", "Discovery": "Good", "Keys": "Failed"}


async def test_who_cannot_be_reached_has_failed_at_the_entry(certificate: Path) -> None:
    async with serving(certificate) as gone:
        assert await outcomes_untrusted(gone) == {"Entry": "Failed"}
    assert await outcomes(gone) == {"Entry": "Failed"}


async def outcomes_untrusted(service: Service) -> dict[str, str]:
    sample = (await service.reading(trusted=False)).sample
    assert sample is not None
    return {str(name): str(outcome) for name, outcome in sample.outcomes.items()}


async def test_a_name_that_does_not_resolve_here_is_not_measured(service: Service) -> None:
    async with open_session(resolve=service.rules(host="other.example")) as session:
        reading = await read(Target("absent.invalid"), session=session, now=lambda: NOON)
    assert reading.sample is not None
    assert reading.sample.outcomes == {}


async def test_a_service_that_is_not_ready_is_quoted(service: Service) -> None:
    service.pages["/debug/ready"] = say(503, "migrating:\n <step 12>\x00" + "x" * 1000)
    reading = await service.reading()
    assert not reading.ok
    assert len(reading.checks) == 3
    assert reading.detail.startswith(
        f'GET https://{DOMAIN}/debug/ready answered 503: must be 200; body: "migrating: <step 12> xx'
    )
    assert len(reading.detail) < 320


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (
            "/.well-known/openid-configuration",
            '{"issuer": "https://other.example"}',
            'issuer is "https://other.example", must be https://login.acme.example',
        ),
        (
            "/.well-known/openid-configuration",
            "<html>",
            "issuer is absent, must be https://login.acme.example",
        ),
        ("/oauth/v2/keys", '{"keys": []}', "no keys, at least 1 is needed"),
        ("/oauth/v2/keys", "[]", "no keys, at least 1 is needed"),
    ],
)
async def test_wrong_answers_are_told_exactly(service: Service, path: str, body: str, words: str) -> None:
    service.pages[path] = say(200, body)
    reading = await service.reading()
    assert not reading.ok
    assert reading.detail == f"GET https://{DOMAIN}{path} answered 200: {words}"


async def test_the_end_of_the_certificate_is_read(service: Service) -> None:
    entry = (await service.reading()).entry
    assert entry == Entry(certificate_end(service.certificate))
    service.pages["/debug/ready"] = say(503, "migrating")
    assert (await service.reading()).entry == entry


async def test_a_later_silence_leaves_the_certificate_known(service: Service) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    service.pages["/oauth/v2/keys"] = silent
    assert (await service.reading(seconds=0.3)).entry == Entry(certificate_end(service.certificate))


def certificate_end(path: Path) -> datetime:
    return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc


async def test_redirects_are_not_followed(service: Service) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("https://elsewhere.example/")

    service.pages["/debug/ready"] = page
    assert "answered 302" in (await service.reading()).detail


async def test_a_certificate_that_nobody_vouches_for_is_told(service: Service) -> None:
    reading = await service.reading(trusted=False)
    asked = f"GET https://{DOMAIN}/debug/ready"
    assert reading.detail.startswith(f"{asked}: the certificate is not trusted: self")
    assert len(reading.checks) == 1
    assert reading.entry.trouble == "Certificate"
    assert reading.detail == f"{asked}: {reading.entry.detail}"


async def test_a_certificate_for_another_name_is_told(service: Service) -> None:
    reading = await service.reading(domain="other.example")
    assert "the certificate is not trusted: Hostname mismatch" in reading.detail


async def test_a_closed_port_is_told_with_its_address(certificate: Path) -> None:
    async with serving(certificate) as gone:
        pass
    reading = await gone.reading()
    assert f"no connection: Connect call failed ('127.0.0.1', {gone.port})" in reading.detail
    assert reading.entry == Entry()


async def test_a_slow_service_is_given_up_in_time(service: Service) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response()

    service.pages["/debug/ready"] = page
    reading = await service.reading(seconds=0.1)
    assert reading.detail == f"GET https://{DOMAIN}/debug/ready: no answer within 0.1 s"
    assert reading.checks[0].seconds < 0.4


async def test_an_endless_body_is_cut_off(service: Service) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"x" * 65536)
            await asyncio.sleep(0)
        return response

    service.pages["/debug/ready"] = page
    reading = await service.reading()
    assert f"the answer is longer than {BODY_LIMIT // 1024} KiB" in reading.detail


async def test_a_name_that_does_not_resolve_is_told(service: Service) -> None:
    async with open_session(resolve=service.rules(host="other.example")) as session:
        reading = await read(Target("absent.invalid"), session=session, now=lambda: NOON)
    assert reading.detail == "GET https://absent.invalid/debug/ready: the name does not resolve"
    assert reading.entry.trouble == "Name"


def test_the_issuer_names_the_port_only_where_it_is_unusual() -> None:
    assert Target(DOMAIN).origin == f"https://{DOMAIN}"
    assert Target(DOMAIN, 8443).origin == f"https://{DOMAIN}:8443"


def test_rules_are_parsed_or_refused_with_an_example() -> None:
    assert parse_resolve("Login.Example.com:443=127.0.0.1:8443") == ResolveRule(
        "login.example.com", 443, "127.0.0.1", 8443
    )
    assert parse_resolve("*:443=[::1]:8443") == ResolveRule("*", 443, "::1", 8443)
    assert parse_host_port("0.0.0.0:8080") == ("0.0.0.0", 8080)
    ports = ("a:0=127.0.0.1:1", "a:99999=127.0.0.1:1", "a:443=127.0.0.1")
    for wrong in ("", "a:443", "a=b", "a:443=b:1", *ports):
        with pytest.raises(ValueError, match="is not HOST:PORT=ADDRESS:PORT"):
            parse_resolve(wrong)
