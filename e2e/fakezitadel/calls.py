"""Outgoing HTTP calls: one request, to the first address of the name that can be reached."""

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fakezitadel.resolve import Address, addresses
from fakezitadel.runtime import Runtime

TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def get(runtime: Runtime, url: str, *, headers: Mapping[str, str], verify: bool = True) -> Answer:
    """GET a URL. OSError or http.client.HTTPException if no address answers."""
    return ask(runtime, "GET", url, headers=headers, verify=verify)


def ask(
    runtime: Runtime,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    verify: bool = True,
) -> Answer:
    """One request. OSError or http.client.HTTPException if no address answers."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    failure = OSError(f"no address for {parts.hostname}:{port}")
    sent = {"host": parts.netloc, **{name.lower(): value for name, value in headers.items()}}
    for address in addresses(runtime, parts.hostname or "", port):
        connection = _connection(address, secure=secure, verify=verify)
        try:
            connection.request(method, parts.path or "/", body=body, headers=sent)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        except ConnectionError as error:
            failure = error
        finally:
            connection.close()
    raise failure


def _connection(address: Address, *, secure: bool, verify: bool) -> http.client.HTTPConnection:
    if not secure:
        return http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context() if verify else ssl._create_unverified_context()
    return http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT_SECONDS, context=context)
