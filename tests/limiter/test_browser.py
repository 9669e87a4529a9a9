"""A login as a browser makes it: below the limit, at the right back end, and never for another's account."""

import asyncio
import re

from dedicated.probes import service
from limiter import http2
from limiter.http1 import burst, get, lines
from limiter.origin import Origin, remembering
from limiter.patterns import UI
from limiter.stand import DOMAIN, standing

STEPS = (
    ("/oauth/v2/authorize?client_id=1&redirect_uri=https%3A%2F%2Fapp%2Fcb&scope=openid", "server"),
    ("/ui/v2/login/login?authRequest=V2_1", "login"),
    *((f"/ui/v2/login/_next/static/chunks/{number}.js", "login") for number in range(30)),
    ("/ui/v2/login/loginname", "login"),
    ("/ui/v2/login/password", "login"),
    ("/ui/v2/login", "login"),
    ("/oauth/v2/token", "server"),
    ("/oidc/v1/userinfo", "server"),
    ("/ui/console/", "server"),
    *((f"/ui/console/assets/{number}.png", "server") for number in range(40)),
    ("/.well-known/openid-configuration", "server"),
    ("/zitadel.auth.v1.AuthService/GetMyUser", "server"),
)
LOGINS = 7
"""In a minute, of one address: with all that a browser loads, 560 requests of the stricter class."""


async def test_logins_pass_at_the_right_back_end() -> None:
    with standing(replicas=2, behind=remembering) as stand:
        assert isinstance(stand.behind, Origin)
        for number in range(LOGINS):
            endpoint = stand.endpoints[number % 2]
            async with http2.line(endpoint, source=f"{stand.network}.150") as line:
                answers = await asyncio.gather(*(line.ask(http2.asked(path)) for path, _ in STEPS))
            assert {answer.status for answer in answers} == {200}
            assert all(answer.header("strict-transport-security") for answer in answers)
        seen = {(one.one(":path"), one.at) for one in stand.behind.seen}
        assert seen == set(STEPS)
        hosts = {(one.one("x-forwarded-host"), one.one("x-forwarded-proto")) for one in stand.behind.seen}
        assert hosts == {(DOMAIN, "https")}
        assert len(stand.behind.seen) == LOGINS * len(STEPS)


async def test_what_the_operator_asks_by_the_public_name_is_answered() -> None:
    asked = (service.READY, service.DISCOVERY, service.KEYS, service.LOGIN, service.SAML)
    hidden = ("//debug/ready", "/debug/ready/", "/debug/healthz", "/debug/metrics", "/metrics")
    with standing(behind=remembering) as stand:
        async with http2.line(stand.endpoints[0], source=f"{stand.network}.150") as line:
            answers = [(await line.ask(http2.asked(path))).status for path in (*asked, *hidden)]
    assert answers == [200] * len(asked) + [404] * len(hidden)


async def test_a_refused_browser_is_told_why_and_for_how_long() -> None:
    with standing() as stand:
        limit = stand.rules("ui").limit
        async with lines(stand.endpoints, source=f"{stand.network}.150") as made:
            answers = await burst(made, get(UI), limit + 1)
            login = await made[0].ask(get("/ui/v2/login/x"))
            other = await made[0].ask(get("/oauth/v2/keys"))
    refused = answers[-1]
    assert [answer.status for answer in answers[-2:]] == [200, 429]
    assert login.status == 429, "one class, whichever back end"
    assert other.status == 200
    assert refused.header("content-type") == "application/json"
    assert refused.header("access-control-expose-headers") == "retry-after"
    assert refused.header("ratelimit-policy") == '"ui";q=600;w=60'
    assert refused.header("cache-control") == "no-store"
    assert 1 <= int(refused.header("retry-after") or 0) <= 60
    assert not re.search(stand.network.encode(), refused.head + refused.body), "no address"
