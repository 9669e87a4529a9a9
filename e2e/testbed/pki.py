"""The testbed's own certificate authority: throw-away keys, a week of life, ECDSA for speed."""

import base64
import datetime
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testbed.home import write_atomically

_LIFE = datetime.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, PEM."""

    certificate: bytes
    key: bytes


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _subject(name: str, groups: tuple[str, ...]) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        + [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    life: datetime.timedelta = _LIFE,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + life)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a directory: `ca.crt`, `ca.key`."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """Path of the authority's certificate."""
        return self.directory / "ca.crt"

    @property
    def key(self) -> Path:
        """Path of the authority's private key."""
        return self.directory / "ca.key"

    def create(self) -> None:
        """Make the authority and the key pair that signs ServiceAccount tokens (`sa.key`, `sa.pub`)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _subject("testbed", ())
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_atomically(self.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
        write_atomically(self.key, _pem(key))
        accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        write_atomically(self.directory / "sa.key", _pem(accounts))
        public = accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_atomically(self.directory / "sa.pub", public)

    def issue(
        self,
        name: str,
        *,
        groups: tuple[str, ...] = (),
        hosts: tuple[str, ...] = (),
        life: datetime.timedelta = _LIFE,
    ) -> Pair:
        """A certificate for a client (name = user) or, with hosts (names or addresses), for a server."""
        authority_key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not ECDSA")
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        builder = (
            _builder(_subject(name, groups), authority.subject, key.public_key(), life)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(identifier, critical=False)
            .add_extension(_usage(sign_certificates=False), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def issue_files(self, file: str, name: str, *, hosts: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """Issue into `FILE.crt` and `FILE.key` of the directory; returns both paths."""
        pair = self.issue(name, hosts=hosts)
        certificate, key = self.directory / f"{file}.crt", self.directory / f"{file}.key"
        write_atomically(certificate, pair.certificate)
        write_atomically(key, pair.key)
        return certificate, key


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def kubeconfig(
    path: Path, *, server: str, authority: Authority, user: dict[str, str], namespace: str = ""
) -> Path:
    """Write a kubeconfig (JSON is YAML) with one context; `user` is the kubeconfig's user entry."""
    cluster = {
        "server": server,
        "certificate-authority-data": base64.b64encode(authority.certificate.read_bytes()).decode(),
    }
    context = {"cluster": "testbed", "user": "user"} | ({"namespace": namespace} if namespace else {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "testbed", "context": context}],
        "current-context": "testbed",
    }
    write_atomically(path, json.dumps(config, indent=1) + "\n")
    return path


def client_user(pair: Pair) -> dict[str, str]:
    """The kubeconfig's user entry for a client certificate."""
    return {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
