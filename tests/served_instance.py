"""An instance over a lab's database, behind one public name with TLS."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from clients.enrol import Owner
from clients.target import Target
from fakezitadel.driver import DOMAIN, Fake, ended, request, until
from fakezitadel.runtime import Json
from lab.laboratory import Lab, laboratory
from testbed.front import serve_front
from testbed.pki import Authority
from testbed.processes import free_port

DATABASE, USER = ("database.acme.svc", 5432), "service"


@dataclass(frozen=True, slots=True)
class Place:
    """A serving instance, the database that it uses, and how clients reach it."""

    lab: Lab
    fake: Fake
    target: Target
    owner: Owner

    def point(self) -> None:
        """Let the database's name lead to the primary of now."""
        point(self.fake.root, self.lab)

    @property
    def dsn(self) -> str:
        """The instance's database on the primary of now."""
        return f"host=127.0.0.1 port={self.lab.primary.port} user=postgres dbname={USER}"


def point(root: Path, lab: Lab) -> None:
    name, port = DATABASE
    (root / "resolve.json").write_text(json.dumps({f"{name}:{port}": [f"127.0.0.1:{lab.primary.port}"]}))


@contextlib.contextmanager
def served_instance(root: Path) -> Iterator[Place]:
    """Two standbys, of which any one acknowledges; a server and a login; users may come. Files below `root`.

    Raises LookupError where the lab's programs are missing.
    """
    (root / "keys").mkdir()
    private = key_pair(root / "keys")
    authority = Authority(root / "pki")
    authority.create()
    front, login = free_port(), free_port()
    with laboratory(archive_timeout=60, standbys=2) as lab:
        point(root, lab)
        fake = Fake(root=root, config=config(front))
        for words in (("init",), ("setup",)):
            outcome = fake.call(*words)
            assert outcome.code == 0, outcome.text
        target = Target(DOMAIN, "127.0.0.1", front, str(authority.certificate))
        with fake.serving(), logging_in(fake, login, target), fronted(front, authority, fake.port, login):
            yield Place(lab, fake, target, Owner("operator", private))


def config(front: int) -> dict[str, Json]:
    """The runtime configuration as the operator writes it, as far as it matters here."""
    host, port = DATABASE
    roles: list[Json] = ["SYSTEM_OWNER", "IAM_OWNER"]
    user: Json = {"Path": "/keys/tls.pub", "Memberships": [{"MemberType": "System", "Roles": roles}]}
    database: Json = {
        "Host": host,
        "Port": port,
        "Database": USER,
        "MaxOpenConns": 5,
        "User": {"Username": USER, "Password": "unused"},
        "Admin": {"Username": "postgres"},
    }
    return {
        "Port": free_port(),
        "ExternalDomain": DOMAIN,
        "ExternalPort": front,
        "TLS": {"Enabled": False},
        "Machine": {"Identification": {"Hostname": {"Enabled": True}}},
        "SystemAPIUsers": {"operator": user, "login-client": user},
        "Database": {"postgres": database},
    }


def key_pair(folder: Path) -> bytes:
    """Write a key and its public half. Returns the key, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "tls.key").write_bytes(private)
    (folder / "tls.pub").write_bytes(public)
    return private


@contextlib.contextmanager
def logging_in(fake: Fake, port: int, target: Target) -> Iterator[None]:
    """The login program."""
    process = fake.spawn_login(
        ZITADEL_API_URL=f"http://127.0.0.1:{fake.port}",
        CUSTOM_REQUEST_HEADERS=f"Host:{DOMAIN}",
        ZITADEL_LOGINCLIENT_KEYFILE="/keys/tls.key",
        AUDIENCE=target.origin,
        PORT=str(port),
    )
    with ended(process):
        until(lambda: request(port, "/ui/v2/login/security").status == 200, process)
        yield


@contextlib.contextmanager
def fronted(port: int, authority: Authority, server: int, login: int) -> Iterator[None]:
    """The public name's TLS, in a thread."""
    stop, started = asyncio.Event(), threading.Event()
    loop = asyncio.new_event_loop()
    pods = {"zitadel": [f"10.0.0.1:{server}"], "zitadel-login": [f"10.0.0.1:{login}"]}

    async def serve() -> None:
        async with serve_front(f"127.0.0.1:{port}", authority, lambda _, program: pods[program]):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
