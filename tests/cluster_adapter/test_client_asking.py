"""What a client asks without changing anything: who it is, and what a change would make."""

from datetime import UTC, datetime

import pytest
from aiohttp import web

from cluster_adapter.test_client import config_map
from dedicated.api.json import JsonValue
from dedicated.api.names import FIELD_MANAGER
from dedicated.api.objects import CONFIG_MAP
from dedicated.cluster.client import Client, Server
from fakeapi import FakeApi, answer


async def test_a_dry_run_says_so(api: FakeApi, client: Client) -> None:
    removal: list[JsonValue] = [{"op": "test", "path": "/data"}]
    await client.apply(CONFIG_MAP, config_map(), dry_run=True)
    await client.patch(CONFIG_MAP, "a", "x", removal, content="json", dry_run=True)
    await client.apply(CONFIG_MAP, config_map())
    applied, patched, real = (seen.query for seen in api.requests)
    assert applied == {"fieldManager": FIELD_MANAGER, "force": "true", "dryRun": "All"}
    assert patched == {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
    assert "dryRun" not in real


async def test_it_asks_the_api_server_for_its_own_name(api: FakeApi, client: Client) -> None:
    name = "system:serviceaccount:a:operator"
    api.scripts.append(answer({"status": {"userInfo": {"username": name}}}))
    assert await client.user_name() == name
    (seen,) = api.requests
    assert (seen.method, seen.path) == ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")


async def test_it_asks_the_api_server_for_version_and_time(api: FakeApi, client: Client) -> None:
    api.pages["/version"] = {"major": "1", "gitVersion": "v1.36.4"}
    server = await client.server()
    assert server.version == "v1.36.4"
    assert server.date is not None
    assert abs((datetime.now(UTC) - server.date).total_seconds()) < 5
    (seen,) = api.requests
    assert (seen.method, seen.path) == ("GET", "/version")


@pytest.mark.parametrize("date", ["", "yesterday"])
async def test_a_date_that_is_none_is_not_told(api: FakeApi, client: Client, date: str) -> None:
    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response({"gitVersion": "v1.36.4"}, headers={"Date": date})

    api.scripts.append(script)
    assert await client.server() == Server("v1.36.4", None)
