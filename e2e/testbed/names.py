"""A service behind every public name of simulated instances: one listener with a wildcard certificate.

The testbed's own listener serves real programs and makes a certificate per name; a thousand names asked every
ten seconds would be most of what a bench on two cores measures.
"""

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator

from testbed.pki import Authority
from testbed.processes import free_port

DOMAIN = "example.test"
LENGTH = "content-length: "


@contextlib.contextmanager
def serve_names(authority: Authority) -> Iterator[str]:
    """Serve `*.example.test` for the time of the block; the address."""
    certificate, key = authority.issue_files("names", f"*.{DOMAIN}", hosts=(f"*.{DOMAIN}",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = free_port()
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(_serve, "127.0.0.1", port, ssl=context))
    thread = threading.Thread(target=loop.run_forever, name="names", daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what the operator's probe asks, over and over."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next((line[16:] for line in head.lower().split("\r\n") if line.startswith(LENGTH)), "0")
            await reader.readexactly(int(length))
            host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
            answer = {"issuer": f"https://{host}", "keys": [{"kid": "1"}], "page": "<form> EntityDescriptor"}
            body = json.dumps(answer).encode()
            last = "connection: close" in head.lower()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body))
            writer.write((b"Connection: close\r\n\r\n" if last else b"\r\n") + body)
            await writer.drain()
            if last:
                break
    writer.close()
