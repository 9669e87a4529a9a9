"""The client against a server in trouble: what it sends, what it repeats, what it makes of the answers."""

import asyncio
import socket
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from aiohttp import web

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import API_VERSION, FIELD_MANAGER
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, INSTANCE, NODE
from dedicated.cluster.client import Client, connect, path_of
from dedicated.cluster.errors import NO_ANSWER, NO_CONNECTION, NOT_SERVED, STALLED, ApiError
from dedicated.cluster.pace import RetryPolicy
from dedicated.cluster.transport import Login
from fakeapi import FakeApi, Script, answer, half_answer, refusal

SHORT = RetryPolicy(budget=0.3, first=0.01, longest=0.02)


def config_map(**metadata: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "a", "name": "x", **metadata}}


def test_paths_follow_group_scope_and_name() -> None:
    assert path_of(CONFIG_MAP, "a", "x") == "/api/v1/namespaces/a/configmaps/x"
    assert path_of(DEPLOYMENT, "a") == "/apis/apps/v1/namespaces/a/deployments"
    assert path_of(DEPLOYMENT) == "/apis/apps/v1/deployments"
    assert path_of(NODE, "ignored", "n1") == "/api/v1/nodes/n1"
    assert path_of(INSTANCE, "a", "x") == f"/apis/{API_VERSION}/namespaces/a/dedicatedinstances/x"


async def test_each_request_names_us_and_carries_the_token(api: FakeApi, client: Client) -> None:
    await client.get(CONFIG_MAP, "a", "x")
    (seen,) = api.requests
    assert seen.headers["User-Agent"] == "dedicated-operator/test"
    assert seen.headers["Authorization"] == "Bearer t0ken"


async def test_apply_is_a_forced_server_side_apply_under_our_name(api: FakeApi, client: Client) -> None:
    await client.apply(CONFIG_MAP, config_map())
    (seen,) = api.requests
    assert (seen.method, seen.path) == ("PATCH", "/api/v1/namespaces/a/configmaps/x")
    assert seen.query == {"fieldManager": FIELD_MANAGER, "force": "true"}
    assert seen.headers["Content-Type"] == "application/apply-patch+yaml"
    assert seen.body == config_map()


async def test_explicit_nulls_and_lists_reach_the_server(api: FakeApi, client: Client) -> None:
    await client.patch(CONFIG_MAP, "a", "x", {"metadata": {"labels": {"gone": None}}}, content="merge")
    removal: list[JsonValue] = [{"op": "remove", "path": "/data"}]
    await client.patch(CONFIG_MAP, "a", "x", removal, content="json", subresource="status")
    merge, steps = api.requests
    assert merge.body == {"metadata": {"labels": {"gone": None}}}
    assert merge.headers["Content-Type"] == "application/merge-patch+json"
    assert steps.body == removal
    assert steps.headers["Content-Type"] == "application/json-patch+json"
    assert steps.path.endswith("/x/status")


@pytest.mark.parametrize(
    ("status", "reason", "flag"),
    [
        (404, "NotFound", "not_found"),
        (409, "Conflict", "conflict"),
        (410, "Expired", "gone"),
        (403, "Forbidden", "forbidden"),
        (422, "Invalid", "invalid"),
    ],
)
async def test_refusals_are_told_at_once(
    api: FakeApi, client: Client, status: int, reason: str, flag: str
) -> None:
    api.scripts.append(refusal(status, reason, message="because"))
    with pytest.raises(ApiError) as caught:
        await client.apply(CONFIG_MAP, config_map())
    assert (caught.value.status, caught.value.reason, caught.value.message) == (status, reason, "because")
    assert getattr(caught.value, flag)
    assert not caught.value.retriable
    assert len(api.requests) == 1


async def test_field_errors_are_kept(api: FakeApi, client: Client) -> None:
    async def script(_: web.Request) -> web.StreamResponse:
        causes = [{"field": "spec.plan", "message": "must be Standard or Advanced", "reason": "Invalid"}]
        body = {"kind": "Status", "reason": "Invalid", "message": "bad", "details": {"causes": causes}}
        return web.json_response(body, status=422)

    api.scripts.append(script)
    with pytest.raises(ApiError) as caught:
        await client.create(INSTANCE, config_map())
    assert caught.value.causes == ("spec.plan: must be Standard or Advanced",)


async def test_busy_and_broken_servers_are_asked_again(api: FakeApi, client: Client) -> None:
    api.scripts.extend(
        [
            refusal(503, "ServiceUnavailable"),
            refusal(500, "InternalError"),
            half_answer(b'{"kind":"Conf'),
            answer({"kind": "ConfigMap", "data": {"a": "b"}}),
        ]
    )
    found = await client.get(CONFIG_MAP, "a", "x")
    assert found["data"] == {"a": "b"}
    assert len(api.requests) == 4


async def test_retry_after_is_obeyed(api: FakeApi, client: Client) -> None:
    api.scripts.append(refusal(429, "TooManyRequests", headers={"Retry-After": "1"}))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await client.apply(CONFIG_MAP, config_map())
    assert loop.time() - start >= 1.0
    assert len(api.requests) == 2


async def test_retries_end_with_the_budget_and_tell_the_last_error(api: FakeApi, client: Client) -> None:
    api.scripts.extend([refusal(503, "ServiceUnavailable")] * 1000)
    hurried = Client(client.transport, policy=SHORT)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(ApiError) as caught:
        await hurried.get(CONFIG_MAP, "a", "x")
    assert caught.value.status == 503
    assert loop.time() - start < 1.0
    assert len(api.requests) > 3


@pytest.mark.parametrize("trouble", [refusal(500, "InternalError"), half_answer(b"{")])
async def test_a_create_that_may_have_worked_is_not_repeated(
    api: FakeApi, client: Client, trouble: Script
) -> None:
    api.scripts.append(trouble)
    with pytest.raises(ApiError) as caught:
        await client.create(CONFIG_MAP, config_map())
    assert caught.value.retriable
    assert not caught.value.unsent
    assert len(api.requests) == 1


async def test_a_create_refused_at_the_door_is_repeated(api: FakeApi, client: Client) -> None:
    api.scripts.append(refusal(429, "TooManyRequests"))
    await client.create(CONFIG_MAP, config_map())
    assert [seen.method for seen in api.requests] == ["POST", "POST"]


@pytest.mark.parametrize(("op", "asked"), [("test", 2), ("add", 1)])
async def test_a_json_patch_is_repeated_only_behind_a_test(
    api: FakeApi, client: Client, op: str, asked: int
) -> None:
    api.scripts.append(refusal(503, "ServiceUnavailable"))
    patch = client.patch(CONFIG_MAP, "a", "x", [{"op": op, "path": "/data", "value": 1}], content="json")
    if asked == 1:
        with pytest.raises(ApiError):
            await patch
    else:
        await patch
    assert len(api.requests) == asked


async def test_words_of_strangers_are_not_quoted(api: FakeApi, client: Client) -> None:
    async def script(_: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="<html>hunter2</html>")

    api.scripts.append(script)
    with pytest.raises(ApiError) as caught:
        await client.get(CONFIG_MAP, "a", "x")
    assert caught.value.reason == "NotFromApiServer"
    assert "hunter2" not in str(caught.value)


async def test_a_kind_that_is_not_served_is_told_as_such(api: FakeApi, client: Client) -> None:
    async def script(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text="404 page not found\n")

    api.scripts.append(script)
    with pytest.raises(ApiError) as caught:
        await client.list(INSTANCE)
    assert caught.value.not_found
    assert caught.value.reason == NOT_SERVED


async def test_an_answer_that_is_no_json_is_no_answer(api: FakeApi, client: Client) -> None:
    async def script(_: web.Request) -> web.StreamResponse:
        return web.Response(text="welcome to the login page")

    api.scripts.append(script)
    with pytest.raises(ApiError) as caught:
        await client.update(CONFIG_MAP, config_map())
    assert caught.value.reason == NO_ANSWER


async def test_a_closed_door_is_told_as_such(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        login = Login(kubeconfig=FakeApi(port=closed.getsockname()[1]).kubeconfig(tmp_path / "config"))
        async with connect(login, user_agent="t") as client:
            with pytest.raises(ApiError) as caught:
                await Client(client.transport, policy=SHORT).create(CONFIG_MAP, config_map())
    assert caught.value.unavailable
    assert caught.value.reason == NO_CONNECTION


async def test_missing_credentials_are_told_with_their_source(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no credentials .*/absent: "):
        async with connect(Login(kubeconfig=str(tmp_path / "absent")), user_agent="t"):
            pass


async def test_a_rejected_token_is_read_again(api: FakeApi, client: Client, tmp_path: Path) -> None:
    (tmp_path / "config.token").write_text("fresh")
    api.scripts.append(refusal(401, "Unauthorized"))
    await client.get(CONFIG_MAP, "a", "x")
    assert [seen.headers["Authorization"] for seen in api.requests] == ["Bearer t0ken", "Bearer fresh"]


async def test_credentials_are_handed_on_without_showing_the_token(client: Client) -> None:
    credentials = await client.credentials()
    assert credentials.authorization == "Bearer t0ken"
    assert "t0ken" not in repr(credentials)


async def test_the_fence_is_asked_before_each_attempt(api: FakeApi, client: Client) -> None:
    asked = 0

    def fence() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise PermissionError("not the leader")

    api.scripts.append(refusal(503, "ServiceUnavailable"))
    with pytest.raises(PermissionError):
        await client.fenced(fence).apply(CONFIG_MAP, config_map())
    assert len(api.requests) == 1


async def test_the_fence_lets_reads_through_and_stops_every_change(api: FakeApi, client: Client) -> None:
    def fence() -> None:
        raise PermissionError("not the leader")

    fenced = client.fenced(fence)
    await fenced.get(CONFIG_MAP, "a", "x")
    await fenced.list(CONFIG_MAP)
    assert await fenced.can_i(CONFIG_MAP, "list") is False
    reads = len(api.requests)
    for change in (
        fenced.apply(CONFIG_MAP, config_map()),
        fenced.create(CONFIG_MAP, config_map()),
        fenced.update(CONFIG_MAP, config_map()),
        fenced.patch(CONFIG_MAP, "a", "x", {}, content="merge"),
        fenced.delete(CONFIG_MAP, "a", "x", uid="u"),
    ):
        with pytest.raises(PermissionError):
            await change
    assert len(api.requests) == reads


async def test_delete_says_which_object_and_how(api: FakeApi, client: Client) -> None:
    await client.delete(CONFIG_MAP, "a", "x", uid="u1", propagation="Foreground")
    (seen,) = api.requests
    assert seen.method == "DELETE"
    assert isinstance(seen.body, dict)
    assert seen.body["preconditions"] == {"uid": "u1"}
    assert seen.body["propagationPolicy"] == "Foreground"


async def test_lists_are_paged_and_items_know_their_kind(api: FakeApi, client: Client) -> None:
    for number in range(5):
        api.put(f"x{number}")
    items, version = await client.list(CONFIG_MAP, "a", selector="k=v", metadata_only=True, page=2)
    assert len(items) == 5
    assert {item["kind"] for item in items} == {"ConfigMap"}
    assert version == str(api.version)
    assert [seen.query.get("continue") for seen in api.requests] == [None, "2", "4"]
    assert {seen.query["labelSelector"] for seen in api.requests} == {"k=v"}
    assert all("as=PartialObjectMetadataList" in seen.headers["Accept"] for seen in api.requests)


async def test_a_list_whose_pages_expire_is_told_as_gone(api: FakeApi, client: Client) -> None:
    first = answer({"metadata": {"continue": "1", "resourceVersion": "1"}, "items": [api.put("x")]})
    api.scripts.extend([first, refusal(410, "Expired")])
    with pytest.raises(ApiError) as caught:
        await client.list(CONFIG_MAP, page=1)
    assert caught.value.gone


async def test_a_watch_gives_events_and_bookmarks_however_they_are_cut(api: FakeApi, client: Client) -> None:
    async with aclosing(client.watch(CONFIG_MAP, resource_version="7")) as events:
        pending = asyncio.ensure_future(anext(events))
        await api.until(lambda: bool(api.streams))
        raw = b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n{"type":"BOOKMARK","object":{}}\n'
        for start in range(0, len(raw), 20):
            await api.send(raw[start : start + 20])
            await asyncio.sleep(0)
        assert await pending == (
            "ADDED",
            {"metadata": {"name": "x"}, "apiVersion": "v1", "kind": "ConfigMap"},
        )
        assert (await anext(events))[0] == "BOOKMARK"
    (seen,) = api.requests
    assert seen.query["resourceVersion"] == "7"
    assert seen.query["allowWatchBookmarks"] == "true"
    assert 480 <= int(seen.query["timeoutSeconds"]) <= 600


async def test_lines_longer_than_any_buffer_come_through(api: FakeApi, client: Client) -> None:
    async with aclosing(client.watch(CONFIG_MAP, resource_version="7")) as events:
        pending = asyncio.ensure_future(anext(events))
        await api.until(lambda: bool(api.streams))
        await api.tell("ADDED", {"metadata": {"name": "x"}, "data": {"k": "v" * 3_000_000}})
        _, manifest = await pending
    assert len(str(manifest["data"])) > 3_000_000


async def test_a_broken_watch_ends_and_drops_half_an_event(api: FakeApi, client: Client) -> None:
    seen: list[str] = []

    async def consume() -> None:
        async with aclosing(client.watch(CONFIG_MAP, resource_version="7")) as events:
            async for event, _ in events:
                seen.append(event)

    task = asyncio.ensure_future(consume())
    await api.until(lambda: bool(api.streams))
    await api.send(b'{"type":"ADDED","object":{}}\n{"type":"MODIF')
    await asyncio.sleep(0.05)
    api.cut()
    await task
    assert seen == ["ADDED"]


async def test_an_error_event_is_an_error(api: FakeApi, client: Client) -> None:
    async with aclosing(client.watch(CONFIG_MAP, resource_version="7")) as events:
        pending = asyncio.ensure_future(anext(events))
        await api.until(lambda: bool(api.streams))
        await api.tell("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
        with pytest.raises(ApiError) as caught:
            await pending
    assert caught.value.gone


async def test_a_silent_watch_is_given_up(client: Client) -> None:
    async with aclosing(client.watch(CONFIG_MAP, resource_version="7", idle_timeout=0.05)) as events:
        with pytest.raises(ApiError) as caught:
            await anext(events)
    assert caught.value.reason == STALLED


async def test_open_watches_leave_room_for_requests(api: FakeApi, client: Client) -> None:
    async with AsyncExitStack() as stack:
        pending = []
        for _ in range(40):
            events = await stack.enter_async_context(aclosing(client.watch(CONFIG_MAP, resource_version="7")))
            pending.append(asyncio.ensure_future(anext(events)))
        await api.until(lambda: len(api.streams) == 40)
        async with asyncio.timeout(2):
            await client.get(CONFIG_MAP, "a", "x")
        await api.bookmark()
        assert {event for event, _ in await asyncio.gather(*pending)} == {"BOOKMARK"}


async def test_access_is_asked_with_group_verb_and_namespace(api: FakeApi, client: Client) -> None:
    api.scripts.append(answer({"status": {"allowed": True}}))
    assert await client.can_i(DEPLOYMENT, "patch", "a", subresource="status")
    (seen,) = api.requests
    assert isinstance(seen.body, dict)
    assert seen.body["spec"] == {
        "resourceAttributes": {
            "group": "apps",
            "resource": "deployments",
            "verb": "patch",
            "namespace": "a",
            "subresource": "status",
        }
    }


async def test_requests_are_counted_with_their_outcome(api: FakeApi, tmp_path: Path) -> None:
    counted: list[tuple[str, str, int]] = []

    def observe(verb: str, plural: str, code: int, seconds: float) -> None:
        assert seconds >= 0
        counted.append((verb, plural, code))

    login = Login(kubeconfig=api.kubeconfig(tmp_path / "config"))
    async with connect(login, user_agent="t", observe_request=observe) as client:
        api.scripts.append(refusal(503, "ServiceUnavailable"))
        await Client(client.transport, policy=SHORT).apply(CONFIG_MAP, config_map())
        api.scripts.append(half_answer(b""))
        with pytest.raises(ApiError):
            await client.update(CONFIG_MAP, config_map())
    applied = [("apply", "configmaps", 503), ("apply", "configmaps", 200)]
    assert counted == [*applied, ("update", "configmaps", 0)]
