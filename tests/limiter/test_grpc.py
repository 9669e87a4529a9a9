"""A refusal as gRPC's own library sees it, and on the wire."""

import asyncio

from dedicated.contract.rate_limits import Policy, Threshold
from limiter import grpc_parts, http2
from limiter.http1 import burst, get, lines
from limiter.patterns import API
from limiter.stand import Stand, standing

POLICY = Policy(api=Threshold(202, 606))


def target(stand: Stand) -> str:
    """What a channel is opened to."""
    host, port = stand.endpoints[0]
    return f"{host}:{port}"


async def test_a_refused_call_is_exhausted_and_told_when_to_come_back() -> None:
    with standing(policy=POLICY) as stand:
        # A channel comes from 127.0.0.1; so does this burst, which uses up its budget.
        async with lines(stand.endpoints, source="127.0.0.1") as made:
            answers = await burst(made, get(API), 202)
        assert all(answer.admitted for answer in answers)
        with grpc_parts.calling(target(stand)) as call:
            limited = await asyncio.to_thread(call)
        async with lines(stand.endpoints, source="127.0.0.1") as made:
            answers = await burst(made, get(API), 406)
        assert answers[-1].reason == "banned"
        with grpc_parts.calling(target(stand)) as call:
            banned = await asyncio.to_thread(call)
    for outcome in (limited, banned):
        assert (outcome.code, outcome.details) == ("RESOURCE_EXHAUSTED", "rate limit exceeded")
        seconds = int(outcome.metadata["retry-after"])
        assert 1 <= seconds <= 60
        assert outcome.metadata["grpc-retry-pushback-ms"] == str(seconds * 1000)
    assert int(banned.metadata["retry-after"]) >= 55


async def test_the_refusal_is_429_on_the_wire() -> None:
    with standing(policy=POLICY) as stand:
        headers = http2.asked("/zitadel.auth.v1.AuthService/Ping", method="POST")
        grpc = (*headers, ("content-type", "application/grpc"), ("te", "trailers"))
        web = (*headers, ("content-type", "application/grpc-web+proto"))
        async with lines(stand.endpoints, source="127.0.0.1") as made:
            await burst(made, get(API), 202)
        async with http2.line(stand.endpoints[0], source="127.0.0.1") as line:
            answer, browser = await line.ask(grpc, b"x"), await line.ask(web, b"x")
    assert (answer.status, answer.body) == (429, b"")
    assert answer.header("content-type") == "application/grpc"
    assert answer.header("grpc-status") == "8"
    assert browser.status == 429
    assert browser.header("content-type") == "application/json"
    assert browser.header("access-control-allow-origin") == "*"


async def test_calls_and_streams_pass() -> None:
    with standing() as stand, grpc_parts.served(stand.origin):
        with grpc_parts.calling(target(stand)) as call:
            outcomes = [await asyncio.to_thread(call) for _ in range(20)]
        assert {outcome.code for outcome in outcomes} == {"OK"}
        parts = await asyncio.to_thread(grpc_parts.tail, target(stand), 500)
    assert len(parts) == 500
