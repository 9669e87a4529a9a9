"""An object store for tests: SeaweedFS, which speaks S3 over TLS, on loopback.

It is a real store with real signatures and real refusals, from a wheel. What it does not answer as Amazon's
does (regions, replication, the block of public access), a front of ours answers in its place, as set by a
test; everything else the front passes on.

Identities: `owner` may do everything, `reader` only lists and reads the buckets whose names begin with
`shared-`, `writer` only writes those whose names begin with `keys-`: it can neither read nor list them.
"""

import json
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import aiohttp
from aiohttp import web

from dedicated.probes.objects import KEY, KEY_ID, Access, Objects, open_objects
from testbed.pki import Authority
from testbed.processes import free_port, free_ports, spawn, stop, tail

WEED = Path(sys.prefix) / "bin" / "weed"
REGION = "eu-central-1"
IDENTITIES = {
    "owner": ("lab-owner", "lab-owner-key"),
    "reader": ("lab-reader", "lab-reader-key"),
    "writer": ("lab-writer", "lab-writer-key"),
}
ACTIONS = {"owner": ["Admin"], "reader": ["Read:shared-*", "List:shared-*"], "writer": ["Write:keys-*"]}
START_SECONDS = 60.0
HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"})


@dataclass(frozen=True, slots=True)
class S3:
    """A running store. `endpoint` is HOST:PORT and speaks TLS; `plain` is the same without."""

    endpoint: str
    plain: str
    folder: Path
    ca_file: Path
    process: Popen[bytes]

    def access(self, identity: str = "owner", *, endpoint: str = "") -> Access:
        """The door for an identity, or for anybody that a test wrote a folder of credentials for."""
        return Access(endpoint or self.endpoint, REGION, self.folder / identity, self.ca_file)

    def pgbackrest(self, bucket: str, folder: str) -> dict[str, str]:
        """Options of pgBackRest for a repository in a bucket."""
        host, _, port = self.endpoint.partition(":")
        key_id, key = IDENTITIES["owner"]
        return {
            "repo1-type": "s3",
            "repo1-path": folder,
            "repo1-s3-bucket": bucket,
            "repo1-s3-endpoint": host,
            "repo1-s3-region": REGION,
            "repo1-s3-uri-style": "path",
            "repo1-s3-key": key_id,
            "repo1-s3-key-secret": key,
            "repo1-storage-port": port,
            "repo1-storage-ca-file": str(self.ca_file),
        }

    async def make_bucket(self, name: str, *, lock: bool = False) -> None:
        """A new bucket, with versions and a lock of 14 days where that is wanted."""
        async with open_objects(name, self.access()) as bucket:
            await put(bucket, "", "")
            if lock:
                await put(bucket, "versioning", VERSIONED)
                await put(bucket, "object-lock", LOCKED)


VERSIONED = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
LOCKED = (
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
    "<Mode>GOVERNANCE</Mode><Days>14</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
)


async def put(bucket: Objects, query: str, body: str) -> None:
    """Set something of a bucket; without a query, make it."""
    answer = await bucket.ask(query, method="PUT", body=body.encode())
    if answer.status >= 300:
        raise RuntimeError(f"{bucket.bucket} {query}: {answer.code}")


@contextmanager
def object_store(folder: Path) -> Iterator[S3]:
    """A store that keeps its data in a folder. Raises RuntimeError if it does not start."""
    authority = Authority(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority.create()
    certificate, key = authority.issue_files("s3", "s3", hosts=("127.0.0.1", "localhost"))
    for identity, (key_id, secret) in IDENTITIES.items():
        write_credentials(folder / identity, key_id, secret)
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [_identity(name) for name in IDENTITIES]}))
    log = folder / "weed.log"
    argv = [
        *(str(WEED), "-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"),
        *(f"-{name}={port}" for name, port in ports.items()),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-s3.autoCreateBucket=false"),
        *(f"-s3.cert.file={certificate}", f"-s3.key.file={key}", f"-s3.config={config}"),
        *(f"-dir={folder}", "-volume.max=100", "-master.volumeSizeLimitMB=64"),
    ]
    process = spawn(argv, log=log)
    store = S3(
        endpoint=f"localhost:{ports['s3.port.https']}",
        plain=f"localhost:{ports['s3.port']}",
        folder=folder,
        ca_file=authority.certificate,
        process=process,
    )
    try:
        _await_answer(store, log)
        yield store
    finally:
        stop([process], ask=signal.SIGKILL)


PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
    *("s3.port", "s3.port.https", "s3.port.grpc"),
)


def write_credentials(folder: Path, key_id: str, key: str) -> Path:
    """A folder as a mounted Secret is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / KEY_ID).write_text(key_id)
    (folder / KEY).write_text(key)
    return folder


def _identity(name: str) -> dict[str, object]:
    key_id, key = IDENTITIES[name]
    credentials = [{"accessKey": key_id, "secretKey": key}]
    return {"name": name, "credentials": credentials, "actions": ACTIONS[name]}


def _await_answer(store: S3, log: Path) -> None:
    """Wait until it refuses whom it does not know: then its doors and its filer are open."""
    context = ssl.create_default_context(cafile=str(store.ca_file))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and store.process.poll() is None:
        try:
            urllib.request.urlopen(f"https://{store.endpoint}/", context=context, timeout=5)
        except urllib.error.HTTPError as error:
            if error.code == 403:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the object store did not start:\n{tail(log)}")


@dataclass(slots=True)
class Front:
    """Stands before a store, and answers in its place what a test has set: (bucket, query) to status, text
    and headers. `endpoint` speaks TLS. `asked` has all that was asked, as method and path."""

    endpoint: str
    answers: dict[tuple[str, str], tuple[int, str, Mapping[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, bucket: str, query: str, status: int, text: str = "", **headers: str) -> None:
        """Set the answer to a question about a bucket."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[bucket, query] = (status, text, told)


@asynccontextmanager
async def front_of(store: S3) -> AsyncIterator[Front]:
    """A front before a store; the store checks signatures, so it is told the host that was signed."""
    front = Front(f"localhost:{free_port()}")

    async def handle(request: web.Request) -> web.Response:
        front.asked.append(f"{request.method} {request.rel_url}")
        bucket = request.path.split("/")[1]
        if request.method == "GET" and (set_ := front.answers.get((bucket, request.query_string))):
            return web.Response(status=set_[0], text=set_[1], headers=set_[2])
        async with session.request(
            request.method,
            f"http://{store.plain}{request.raw_path}",
            headers={**request.headers},
            data=await request.read(),
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(store.folder / "s3.crt", store.folder / "s3.key")
    runner = web.AppRunner(application, access_log=None)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        await runner.setup()
        try:
            host, _, port = front.endpoint.partition(":")
            await web.TCPSite(runner, host, int(port), ssl_context=context).start()
            yield front
        finally:
            await runner.cleanup()

