"""The public names of all instances: one TLS listener in the place of load balancer and gateway.

It ends TLS with a certificate made for the name asked for, and passes requests by HTTP/1.1 to a ready
pod of the instance that has the name: `/ui/v2/login` to the login pods, the rest to the server pods, in
turn. A pod that refuses the connection is passed over, as load balancers do. HTTP/2 is not offered.
"""

import asyncio
import contextlib
import itertools
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from testbed.pki import Authority
from testbed.podrunner.network import loopback

Backends = Callable[[str, str], Iterable[str]]
"""(public name, program) -> pod addresses `10.x.y.z:PORT`."""

LOGIN_PATH = "/ui/v2/login"
_OF_THE_CONNECTION = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "proxy-connection",
}
_LARGEST_BODY = 16 * 2**20


@dataclass(slots=True)
class Front:
    """Requests in, answers out."""

    backends: Backends
    session: aiohttp.ClientSession
    _turn: "itertools.count[int]" = field(default_factory=itertools.count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on; 503 if no pod can take it."""
        host = request.host.partition(":")[0]
        program = "zitadel-login" if _is_login(request.path) else "zitadel"
        addresses = sorted(self.backends(host, program))
        body = await request.read()
        first = next(self._turn)
        for number in range(len(addresses)):
            address = addresses[(first + number) % len(addresses)]
            with contextlib.suppress(aiohttp.ClientConnectorError):
                return await self._pass(request, body, address)
        return web.Response(status=503, text=f"no ready pod of {program} serves {host}\n")

    async def _pass(self, request: web.Request, body: bytes, address: str) -> web.StreamResponse:
        headers = [
            (name, value) for name, value in request.headers.items() if name.lower() not in _OF_THE_CONNECTION
        ]
        peer = request.remote or "127.0.0.1"
        headers += [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", peer)]
        async with self.session.request(
            request.method,
            f"http://{loopback(address)}{request.raw_path}",
            headers=headers,
            data=body or None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _OF_THE_CONNECTION:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response


def _is_login(path: str) -> bool:
    return path == LOGIN_PATH or path.startswith(f"{LOGIN_PATH}/")


@dataclass(slots=True)
class Certificates:
    """TLS contexts by server name, made when first asked for."""

    authority: Authority
    _made: dict[str, ssl.SSLContext] = field(default_factory=dict)

    def context(self, name: str) -> ssl.SSLContext:
        """The context whose certificate is valid for the name."""
        if name not in self._made:
            pair = self.authority.issue(name[:64], hosts=(name,))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "pair.pem"
                file.write_bytes(pair.certificate + pair.key)
                context.load_cert_chain(file)
            context.set_alpn_protocols(["http/1.1"])
            self._made[name] = context
        return self._made[name]

    def listener(self) -> ssl.SSLContext:
        """The context of the listener: changes to that of the name as soon as it is known."""
        base = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        default = self.authority.issue("localhost", hosts=("localhost", "127.0.0.1"))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pair.pem"
            file.write_bytes(default.certificate + default.key)
            base.load_cert_chain(file)
        base.set_alpn_protocols(["http/1.1"])

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name:
                connection.context = self.context(name)

        base.sni_callback = choose
        return base


@contextlib.asynccontextmanager
async def serve_front(address: str, authority: Authority, backends: Backends) -> AsyncIterator[None]:
    """Serve on `IP:PORT` for the time of the context."""
    host, _, port = address.rpartition(":")
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", Front(backends, session).handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        context = await asyncio.to_thread(Certificates(authority).listener)
        await web.TCPSite(runner, host, int(port), ssl_context=context).start()
        try:
            yield
        finally:
            await runner.cleanup()
