"""A public name on loopback: TLS, and pages that a test can change."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dedicated.probes.resolver import ResolveRule
from dedicated.probes.service import Reading, Target, open_session, read

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOMAIN = "login.acme.example"

ANSWERS = {
    "/debug/ready": "ok",
    "/.well-known/openid-configuration": f'{{"issuer": "https://{DOMAIN}"}}',
    "/oauth/v2/keys": '{"keys": [{"kid": "1"}]}',
    "/ui/v2/login/loginname": "<html><form></form></html>",
    "/saml/v2/metadata": "<EntityDescriptor/>",
}
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
        if request.path in ANSWERS:
            return web.Response(text=ANSWERS[request.path])
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


def make_certificate(path: Path) -> Path:
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
