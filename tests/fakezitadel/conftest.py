"""A PostgreSQL for these tests, and a fake with a database of its own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fakezitadel.driver import DOMAIN, Fake
from testbed.postgres import PostgresServer, running
from testbed.processes import free_port


@pytest.fixture(scope="session")
def fakez_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server for the session (one per worker)."""
    with running(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def key_pair() -> tuple[bytes, bytes]:
    """Private and public PEM of a system user."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


def make_fake(root: Path, server: PostgresServer, key_pair: tuple[bytes, bytes]) -> Fake:
    """A fake with files below a root, and a database name of its own."""
    (root / "keys").mkdir()
    (root / "keys/tls.key").write_bytes(key_pair[0])
    (root / "keys/tls.pub").write_bytes(key_pair[1])
    name = f"zitadel_{uuid4().hex[:12]}"
    return Fake(
        root=root,
        config={
            "Port": free_port(),
            "ExternalDomain": DOMAIN,
            "ExternalPort": 443,
            "TLS": {"Enabled": False},
            "Machine": {"Identification": {"Hostname": {"Enabled": True}, "Webhook": {"Enabled": False}}},
            "SystemAPIUsers": {
                "login-client": {
                    "Path": "/keys/tls.pub",
                    "Memberships": [{"MemberType": "System", "Roles": ["IAM_LOGIN_CLIENT"]}],
                },
                "operator": {"Path": "/keys/tls.pub"},
            },
            "Database": {
                "postgres": {
                    "Host": "127.0.0.1",
                    "Port": server.port,
                    "Database": name,
                    "MaxOpenConns": 3,
                    "User": {"Username": name, "Password": "service-secret"},
                    "Admin": {"Username": "postgres", "Password": server.password},
                }
            },
        },
    )


@pytest.fixture
def empty(fakez_postgres: PostgresServer, tmp_path: Path, key_pair: tuple[bytes, bytes]) -> Fake:
    """A fake whose role and database do not exist yet."""
    return make_fake(tmp_path, fakez_postgres, key_pair)


@pytest.fixture
def fresh(empty: Fake) -> Fake:
    """A fake after init."""
    assert empty.call("init").code == 0
    return empty


@pytest.fixture
def ready(fresh: Fake) -> Fake:
    """A fake after init and setup."""
    outcome = fresh.call("setup", "--init-projections")
    assert outcome.code == 0, outcome.text
    return fresh


@pytest.fixture(scope="module")
def served(
    fakez_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, key_pair: tuple[bytes, bytes]
) -> Iterator[Fake]:
    """A fake that serves, for tests that change nothing that others see."""
    fake = make_fake(tmp_path_factory.mktemp("served"), fakez_postgres, key_pair)
    assert fake.call("init").code == 0
    assert fake.call("setup").code == 0
    with fake.serving():
        yield fake
