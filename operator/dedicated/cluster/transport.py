"""Bytes to and from the API server through `kubernetes.aio`, and the only module that knows that library.

The library is used raw: `call_api` with plain dicts. As shipped it would read the environment's proxies and
netrc on each request (`trust_env`), wait 300 s, retry by its own rules, raise nothing on 4xx and send no
token; each of that is set or done here. Watches have their own connection pool: they hold a connection for
minutes, and with many namespaces they would starve the pool of the requests. Who may ask next: see `slots`.
"""

import copy
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp

from dedicated.api.json import JsonValue
from dedicated.cluster.errors import NO_ANSWER, NO_CONNECTION, ApiError, error_from_answer
from dedicated.cluster.library import client, config
from dedicated.cluster.slots import PLACES, SLOW, Slots

CONNECT_TIMEOUT = 10.0

ObserveRequest = Callable[[str, str, int, float], None]
"""Called after each request with verb, plural, HTTP status (0: no answer) and seconds."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where the credentials come from: a kubeconfig file, or without one the pod's service account."""

    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What another HTTP client needs to act as the same user. Secrets stay out of `repr`."""

    server: str
    ca_path: str | None
    insecure: bool
    authorization: str | None = field(repr=False)
    certificate_path: str | None
    private_key_path: str | None
    proxy: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to the API server. `verb` and `plural` are what metrics call it."""

    verb: str
    plural: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: JsonValue = None
    content_type: str = "application/json"
    accept: str = "application/json"
    timeout: float = 30.0

    @property
    def url(self) -> str:
        """Path and query, relative to the server."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def namespace(self) -> str:
        """The namespace asked about; empty for all, or none."""
        return self.path.partition("/namespaces/")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Answered:
    """A 2xx answer."""

    headers: Mapping[str, str]
    body: bytes


class Transport:
    """One identity at one API server: credentials and connections. Made by `connect`, ended by `close`."""

    def __init__(
        self,
        *,
        login: Login,
        configuration: Any,
        user_agent: str,
        observe: ObserveRequest,
    ) -> None:
        self._login = login
        self._configuration = configuration
        self._user_agent = user_agent
        self._observe = observe
        self._slots = Slots()
        self._requests = client.ApiClient(configuration)
        unlimited = copy.deepcopy(configuration)
        unlimited.connection_pool_maxsize = 0
        self._streams = client.ApiClient(unlimited)

    @classmethod
    async def connect(cls, *, login: Login, user_agent: str, observe: ObserveRequest) -> Self:
        """Load the credentials; no request is made yet. Raises `ValueError` where there are none."""
        configuration = await _load(login)
        return cls(login=login, configuration=configuration, user_agent=user_agent, observe=observe)

    async def close(self) -> None:
        """Close all connections."""
        await self._requests.close()
        await self._streams.close()

    async def credentials(self, *, fresh: bool = False) -> Credentials:
        """The credentials in force; `fresh` reads them from their source again, as after an answer of 401."""
        if fresh:
            await self._reload()
        conf = self._configuration
        return Credentials(
            server=conf.host,
            ca_path=conf.ssl_ca_cert,
            insecure=not conf.verify_ssl,
            authorization=await self._authorization(),
            certificate_path=conf.cert_file,
            private_key_path=conf.key_file,
            proxy=conf.proxy,
        )

    async def send(self, request: Request, *, before_send: Callable[[], None] | None = None) -> Answered:
        """One attempt; a 2xx answer. Anything else raises `ApiError`.

        `before_send` may raise to forbid the request; it is called when nothing is left to wait for.
        An answer of 401 is worth a second attempt, with the credentials read anew.
        """
        try:
            return await self._attempt(request, before_send)
        except ApiError as error:
            if not error.unauthorized:
                raise
        await self._reload()
        return await self._attempt(request, before_send)

    async def _attempt(self, request: Request, before_send: Callable[[], None] | None) -> Answered:
        async with self._slots.place(request.namespace):
            headers = await self._headers(request)
            if before_send is not None:
                before_send()
            timeout = aiohttp.ClientTimeout(total=request.timeout, sock_connect=CONNECT_TIMEOUT)
            with self._exchange(request) as outcome:
                answer = await self._call(self._requests, request, headers, timeout)
                body: bytes = await answer.read()
                outcome.status = answer.status
        if answer.status >= 300:
            raise error_from_answer(answer.status, answer.headers, body)
        return Answered(answer.headers, body)

    @asynccontextmanager
    async def stream(self, request: Request, *, idle_timeout: float) -> AsyncIterator[aiohttp.StreamReader]:
        """An answer without end. Reading it raises `TimeoutError` after `idle_timeout` seconds of silence."""
        headers = await self._headers(request)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=idle_timeout)
        with self._exchange(request) as outcome:
            answer = await self._call(self._streams, request, headers, timeout)
            outcome.status = answer.status
            refusal = await answer.read() if answer.status >= 300 else b""
        try:
            if answer.status == 401:
                await self._reload()
            if answer.status >= 300:
                raise error_from_answer(answer.status, answer.headers, refusal)
            yield answer.response.content
        finally:
            answer.response.close()

    async def _call(self, api: Any, request: Request, headers: dict[str, str], limits: Any) -> Any:
        url = self._configuration.host + request.url
        return await api.call_api(request.method, url, headers, request.body, _request_timeout=limits)

    async def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "Accept": request.accept,
            "Content-Type": request.content_type,
            "User-Agent": self._user_agent,
        }
        # Built for each request: the token changes under us.
        authorization = await self._authorization()
        return headers | ({"Authorization": authorization} if authorization else {})

    async def _authorization(self) -> str | None:
        value = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return str(value).strip() if value else None

    async def _reload(self) -> None:
        try:
            loaded = await _load(self._login)
        except ValueError as error:
            raise ApiError(status=401, reason="Unauthorized", message=str(error)) from error
        self._configuration.api_key = loaded.api_key
        self._configuration.refresh_api_key_hook = loaded.refresh_api_key_hook

    @contextmanager
    def _exchange(self, request: Request) -> Iterator["_Outcome"]:
        """Reports how the request ended, and turns what aiohttp raises into `ApiError`."""
        outcome = _Outcome()
        start = time.monotonic()
        what = f"{request.method} {request.path}"
        try:
            yield outcome
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ApiError(status=0, reason=NO_CONNECTION, message=f"{what}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = str(error) or type(error).__name__
            raise ApiError(status=0, reason=NO_ANSWER, message=f"{what}: {text}") from error
        finally:
            self._observe(request.verb, request.plural, outcome.status, time.monotonic() - start)


def namespace_of(login: Login) -> str:
    """The namespace of a kubeconfig's context, or `default`. Raises `ValueError` for an unknown context."""
    try:
        contexts, current = config.kube_config.list_kube_config_contexts(login.kubeconfig)
    except (config.ConfigException, OSError) as error:
        raise ValueError(f"{login.kubeconfig or 'no kubeconfig'}: {error}") from error
    wanted = login.context or current["name"]
    for found in contexts:
        if found["name"] == wanted:
            return str(found["context"].get("namespace") or "default")
    raise ValueError(f"{login.kubeconfig}: has no context {wanted}")


@dataclass(slots=True)
class _Outcome:
    status: int = 0


async def _load(login: Login) -> Any:
    configuration = client.Configuration()
    try:
        if login.kubeconfig is None:
            config.load_incluster_config(configuration)
        else:
            await config.load_kube_config(
                config_file=login.kubeconfig,
                context=login.context,
                client_configuration=configuration,
                persist_config=False,
            )
    except (config.ConfigException, OSError) as error:
        source = login.kubeconfig or "the pod's service account"
        raise ValueError(f"no credentials for the API server in {source}: {error}") from error
    configuration.connection_pool_maxsize = PLACES + SLOW
    configuration.retries = None
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration
