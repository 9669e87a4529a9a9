"""Moving out, to the end: an export is ZITADEL's again on another server, under the bundled masterkey."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dedicated.agents.export.folder import manifest_in
from fakezitadel.driver import DOMAIN, Fake, request
from fakezitadel.runtime import Json
from lab.export import BUCKET, MASTERKEY_SECRET, Exporting, exporting
from lab.laboratory import Lab
from lab.moved import fetched, followed
from lab.s3 import S3, object_store
from lab.sealed import MASTERKEY, OTHER_MASTERKEY
from testbed.processes import free_port

DATABASE = "zitadel"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[S3]:
    with object_store(tmp_path) as running:
        asyncio.run(running.make_bucket(BUCKET))
        yield running


@pytest.fixture
def export(lab: Lab, store: S3, tmp_path: Path) -> Iterator[Exporting]:
    with exporting(lab, store, tmp_path, database=DATABASE) as made:
        yield made


def zitadel(root: Path, port: int, masterkey: bytes) -> Fake:
    """ZITADEL's programs, on the database of this server."""
    (root / "keys").mkdir(parents=True)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (root / "keys/tls.key").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (root / "keys/tls.pub").write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    user: dict[str, Json] = {"Username": DATABASE, "Password": "service-secret"}
    return Fake(
        root=root,
        masterkey=masterkey.decode(),
        config={
            "Port": free_port(),
            "ExternalDomain": DOMAIN,
            "ExternalPort": 443,
            "TLS": {"Enabled": False},
            "Machine": {"Identification": {"Hostname": {"Enabled": True}, "Webhook": {"Enabled": False}}},
            "SystemAPIUsers": {"operator": {"Path": "/keys/tls.pub"}},
            "Database": {
                "postgres": {
                    "Host": "127.0.0.1",
                    "Port": port,
                    "Database": DATABASE,
                    "User": user,
                    "Admin": {"Username": "postgres"},
                }
            },
        },
    )


def test_zitadel_goes_on_elsewhere_with_the_bundled_masterkey_and_with_no_other(
    export: Exporting, store: S3, tmp_path: Path
) -> None:
    here = zitadel(tmp_path / "here", export.lab.primary.port, MASTERKEY)
    assert here.call("init").code == 0
    assert here.call("setup", "--init-projections").code == 0
    before = here.instance()
    export.start()
    assert export.end() == 0, export.log
    assert export.report is not None
    out = tmp_path / "out"
    fetched(store, out)
    manifest_in(out, sha256=export.report.manifest_sha256)
    server = followed(export.lab, out)
    bundled = (out / "keys/secrets" / MASTERKEY_SECRET / "masterkey").read_bytes()
    there = zitadel(tmp_path / "there", server.port, bundled)
    other = replace(there, masterkey=OTHER_MASTERKEY.decode()).call("setup", "--init-projections")
    assert (other.code, "unable to decrypt key" in other.text) == (1, True)
    assert there.call("setup", "--init-projections").code == 0
    with there.serving():
        keys = request(there.port, "/oauth/v2/keys").json
    assert keys == {"keys": [before["signing_jwk"]]}
    assert there.instance() == before
