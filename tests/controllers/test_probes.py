"""The probe of the public name over real TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dedicated.probes.resolver import ResolveRule, parse_host_port, parse_resolve
from dedicated.probes.service import BODY_LIMIT, Reading, Target, open_session, read

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOMAIN = "login.acme.example"

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Service:
    """A stand-in for an instance: its pages can be changed by the test."""

    certificate: Path
    port: int = 0
    pages: dict[str, Page] = field(default_factory=dict)
    names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.hosts.append(request.host)
        if request.path in self.pages:
            return await self.pages[request.path](request)
        match request.path:
            case "/debug/ready":
                return web.Response(text="ok")
            case "/.well-known/openid-configuration":
                return web.json_response({"issuer": f"https://{DOMAIN}"})
            case "/oauth/v2/keys":
                return web.json_response({"keys": [{"kid": "1"}]})
        return web.Response(status=404)

    def rules(self, host: str = "*") -> tuple[ResolveRule, ...]:
        return (ResolveRule(host, 443, "127.0.0.1", self.port),)

    async def reading(self, *, trusted: bool = True, seconds: float = 5.0, domain: str = DOMAIN) -> Reading:
        ca_file = self.certificate if trusted else None
        async with open_session(resolve=self.rules(), ca_file=ca_file) as session:
            return await read(Target(domain), session=session, now=lambda: NOON, seconds=seconds)


def say(status: int, text: str) -> Page:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    return page


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for the domain, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    start = datetime.now(UTC) - timedelta(hours=1)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(DOMAIN)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "service.pem"
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(encoded + signed.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def serving(certificate: Path) -> AsyncIterator[Service]:
    service = Service(certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: service.names.append(name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    service.port = runner.addresses[0][1]
    try:
        yield service
    finally:
        await runner.cleanup()


@pytest.fixture
async def service(certificate: Path) -> AsyncIterator[Service]:
    async with serving(certificate) as service:
        yield service


async def test_a_healthy_instance_answers_three_questions(service: Service) -> None:
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
    assert len(service.hosts) == 9


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
        ("/.well-known/openid-configuration", "<html>", "issuer is absent, must be https://login.acme.example"),
        ("/oauth/v2/keys", '{"keys": []}', "no keys, at least 1 is needed"),
        ("/oauth/v2/keys", "[]", "no keys, at least 1 is needed"),
    ],
)
async def test_wrong_answers_are_told_exactly(service: Service, path: str, body: str, words: str) -> None:
    service.pages[path] = say(200, body)
    reading = await service.reading()
    assert not reading.ok
    assert reading.detail == f"GET https://{DOMAIN}{path} answered 200: {words}"


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


async def test_a_certificate_for_another_name_is_told(service: Service) -> None:
    reading = await service.reading(domain="other.example")
    assert "the certificate is not trusted: Hostname mismatch" in reading.detail


async def test_a_closed_port_is_told_with_its_address(certificate: Path) -> None:
    async with serving(certificate) as gone:
        pass
    reading = await gone.reading()
    assert f"no connection: Connect call failed ('127.0.0.1', {gone.port})" in reading.detail


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
