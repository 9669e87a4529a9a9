"""The link between replicas: made once, kept secret, and never broken by a renewal."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builders import instance
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import Kind
from dedicated.cluster.errors import ApiError
from dedicated.controllers.peers import peers_secret
from dedicated.controllers.secrets_reader import decoded
from dedicated.parts.limiter import peers
from dedicated.reconcile.actions import CreatePeers

NOW = datetime.now(UTC).replace(microsecond=0)


class Secrets:
    """Secrets that can be read."""

    def __init__(self) -> None:
        self.held: dict[str, Manifest] = {}

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object."""
        assert (kind.kind, namespace) == ("Secret", "acme-ns")
        if name not in self.held:
            raise ApiError(status=404, reason="NotFound", message="not found")
        return self.held[name]

    async def make(self, name: str, before: str = "") -> dict[str, bytes]:
        """What the operator does."""
        made = await peers_secret(self, instance(), CreatePeers(name, before), now=NOW)
        assert get_str(made, "metadata", "name") == name
        assert made["immutable"] is True
        self.held[name] = made
        return decoded(made)


def context(data: dict[str, bytes], folder: Path, *, server: bool) -> ssl.SSLContext:
    """TLS as HAProxy speaks it on the link: both ends show a certificate and ask for one."""
    for key in peers.MOUNTED:
        (folder / key).write_bytes(data[key])
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname = False
    found.verify_mode = ssl.CERT_REQUIRED
    found.load_cert_chain(folder / peers.CERTIFICATE, folder / peers.KEY)
    found.load_verify_locations(folder / peers.TRUSTED)
    return found


async def meets(one: dict[str, bytes], other: dict[str, bytes], folder: Path) -> bool:
    """Whether a replica with one Secret is let in by a replica with the other."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(2))
        await writer.drain()
        writer.close()

    accepting = await asyncio.start_server(
        serve, "127.0.0.1", 0, ssl=context(other, folder, server=True)
    )
    port = accepting.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context(one, folder, server=False)
        )
        writer.write(b"hi")
        found = await reader.read(2)
        writer.close()
    except (ssl.SSLError, ConnectionError):
        return False
    finally:
        accepting.close()
    return found == b"hi"




async def test_pods_of_neighbouring_secrets_meet_and_those_of_others_do_not(tmp_path: Path) -> None:
    secrets = Secrets()
    first = await secrets.make("acme-limiter-peers-202611")
    second = await secrets.make("acme-limiter-peers-202711", "acme-limiter-peers-202611")
    third = await secrets.make("acme-limiter-peers-202811", "acme-limiter-peers-202711")
    strange = await Secrets().make("acme-limiter-peers-202611")
    for one, other in ((first, first), (first, second), (second, third)):
        assert await meets(one, other, tmp_path)
        assert await meets(other, one, tmp_path)
    assert not await meets(first, strange, tmp_path)
    assert not await meets(strange, first, tmp_path)
    assert third[peers.TRUSTED].count(b"BEGIN CERTIFICATE") == 3, "what is two years old is left behind"
    assert len({data[peers.KEY] for data in (first, second, third)}) == 3


async def test_a_secret_that_is_gone_is_made_without_it() -> None:
    made = await Secrets().make("acme-limiter-peers-202711", "acme-limiter-peers-202611")
    assert made[peers.TRUSTED].count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("current", "now", "name"),
    [
        ("", datetime(2026, 11, 29, tzinfo=UTC), "acme-limiter-peers-202611"),
        ("acme-limiter-peers-202611", datetime(2027, 10, 31, 23, 59, tzinfo=UTC), ""),
        ("acme-limiter-peers-202611", datetime(2027, 11, 1, tzinfo=UTC), "acme-limiter-peers-202711"),
        ("acme-limiter-peers-202612", datetime(2027, 12, 1, tzinfo=UTC), "acme-limiter-peers-202712"),
    ],
)
def test_when_a_secret_is_due(current: str, now: datetime, name: str) -> None:
    assert peers.due("acme", current, now) == name


def test_the_newest_one_is_in_force_and_foreign_names_are_none() -> None:
    names = ["acme-limiter-peers-202611", "acme-limiter-peers-202711", "acme-limiter-peers-999999", "acme-x"]
    assert peers.newest("acme", names) == "acme-limiter-peers-202711"
    assert peers.newest("acme", ["acme-limiter-peers-2026a1", "b-limiter-peers-202611"]) == ""


def test_certificates_outlive_a_renewal_that_waits_for_years() -> None:
    assert timedelta(days=peers.GOOD_FOR_DAYS) > timedelta(days=3 * 365)
