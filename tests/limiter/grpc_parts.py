"""gRPC's own library on both ends: what a customer's program sees."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import grpc


class _Details(Protocol):
    method: str


def _ping(request: bytes, context: object) -> bytes:
    return b"pong"


def _tail(request: bytes, context: object) -> Iterator[bytes]:
    for number in range(int(request)):
        yield b"%d" % number


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # the library has no types
    def service(self, details: _Details) -> object:
        if details.method.endswith("/Tail"):
            return grpc.unary_stream_rpc_method_handler(_tail)
        return grpc.unary_unary_rpc_method_handler(_ping)


@contextmanager
def served(address: str, port: int = 8081) -> Iterator[None]:
    """A gRPC server, where the fast origin passes calls on to."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((_Handlers(),))
    server.add_insecure_port(f"{address}:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop(0).wait()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended."""

    code: str
    details: str
    metadata: dict[str, str]


@contextmanager
def calling(target: str) -> Iterator[Callable[[], Outcome]]:
    """A channel that does not retry, and a call over it."""
    with grpc.insecure_channel(target, options=[("grpc.enable_retries", 0)]) as channel:
        ping = channel.unary_unary("/zitadel.auth.v1.AuthService/Ping")

        def call() -> Outcome:
            try:
                ping(b"x", timeout=10)
            except grpc.RpcError as error:
                found = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
                return Outcome(error.code().name, error.details(), {key: str(value) for key, value in found})
            return Outcome("OK", "", {})

        yield call


def tail(target: str, count: int) -> list[bytes]:
    """A server's stream, whole."""
    with grpc.insecure_channel(target) as channel:
        stream = channel.unary_stream("/zitadel.auth.v1.AuthService/Tail")
        return list(stream(b"%d" % count, timeout=30))
