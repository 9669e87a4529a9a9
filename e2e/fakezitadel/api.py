"""What the server answers: probes, public pages, discovery, and the two calls that the login makes."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import quote

import psycopg

from fakezitadel import events, hosts, users
from fakezitadel import instance as instances
from fakezitadel.database import Connection
from fakezitadel.events import Aggregate
from fakezitadel.instance import Instance, User
from fakezitadel.runtime import Json, version_key
from fakezitadel.steps import recorded_version
from fakezitadel.visit import INVALID_ARGUMENT, Service, Visit
from fakezitadel.web import ApiError, Request, Response, json_response, redirect

REQUEST_SECONDS = 4.5
"""A request that the database does not answer ends in this time."""
READY_SECONDS = 2.0
"""Less than what the kubelet waits for a probe."""
API_PREFIXES = ("/v2", "/zitadel.", "/admin/", "/auth/", "/management/", "/system/")
# One gRPC message: HealthCheckResponse{status: SERVING}.
GRPC_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
DEADLINE_EXCEEDED, NOT_FOUND, INTERNAL = 4, 5, 13
FIXED = {
    "/": redirect("/ui/login"),
    "/saml/v2/certificate": Response(200, b"stub: no certificate", "application/pkix-cert"),
}
METRICS = """\
# TYPE projection_events_processed_total counter
projection_events_processed_total{projection="fake_projection_1",success="true"} 1
# TYPE projection_handle_timer histogram
projection_handle_timer_count{projection="fake_projection_1"} 1
projection_handle_timer_sum{projection="fake_projection_1"} 0.001
# TYPE projection_state_latency histogram
projection_state_latency_count{projection="fake_projection_1"} 1
projection_state_latency_sum{projection="fake_projection_1"} 0
# TYPE go_goroutines gauge
go_goroutines 1
"""


async def answer(service: Service, request: Request) -> Response | None:
    """The response to one request, faults included; None is silence."""
    fault = service.runtime.faults.http(request.path, draw=random.random())
    if fault.delay_seconds:
        await asyncio.sleep(fault.delay_seconds)
    if fault.silent:
        return None
    if fault.status is not None:
        return Response(fault.status, b"failed by a fault switch")
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await _route(service, request)
    except TimeoutError:
        return ApiError(DEADLINE_EXCEEDED, "context deadline exceeded").response
    except ApiError as error:
        in_json = request.path.startswith(API_PREFIXES)
        return error.response if in_json else Response(error.response.status, str(error).encode())
    except psycopg.Error:
        return ApiError(INTERNAL, "database error").response


async def _route(service: Service, request: Request) -> Response:
    if request.path.startswith("/debug/"):
        return await _debug(service, request)
    if service.runtime.faults.get("db.lost"):
        raise ApiError(INTERNAL, "database error")
    if request.path == "/grpc.health.v1.Health/Check":
        return Response(200, GRPC_SERVING, "application/grpc", trailers={"grpc-status": "0"})
    if request.path == "/system/v1/healthz":
        return json_response({})
    instance, host = await _instance(service, request)
    if instance is None:
        raise hosts.not_found(host, service.settings)
    origin = hosts.public_origin(request.headers, service.settings, instance, host)
    handler = ROUTES.get((request.method, request.path)) or _by_pattern(request)
    if handler is not None:
        return await handler(Visit(service, request, instance, origin))
    if request.path in FIXED:
        return FIXED[request.path]
    if request.path.startswith(("/ui/login", "/ui/console")):
        return _page(f"{instance.name}: {request.path}")
    raise ApiError(NOT_FOUND, "Not Found")


async def _instance(service: Service, request: Request) -> tuple[Instance | None, str]:
    host = hosts.instance_host(request.headers, service.settings)
    try:
        return await service.pool.run(partial(instances.find, domain=host)) if host else None, host
    except psycopg.errors.UndefinedTable:
        return None, host


async def _debug(service: Service, request: Request) -> Response:
    if service.runtime.faults.get("debugHostStrict"):
        instance, host = await _instance(service, request)
        if instance is None:
            raise hosts.not_found(host, service.settings)
    match request.path:
        case "/debug/healthz":
            return Response(200, b"ok")
        case "/debug/ready":
            error = await readiness(service)
            return json_response(error or "ok", status=412 if error else 200)
        case "/debug/validate":
            error = await readiness(service)
            return json_response([error] if error else "ok")
        case "/debug/metrics":
            return Response(200, METRICS.encode(), "text/plain; version=0.0.4")
        case _:
            return Response(404, b"not found")


async def readiness(service: Service) -> str:
    """The first reason not to be ready, or nothing."""
    faults, age = service.runtime.faults, time.monotonic() - service.started
    period = faults.seconds("start.readyFlap")
    if age < faults.seconds("start.notReadyFor") or (period and int(age / period) % 2):
        return "not ready by a fault switch"
    if faults.get("db.lost"):
        return "DB CONNECTION ERROR"
    try:
        async with asyncio.timeout(READY_SECONDS):
            recorded = await service.pool.run(recorded_version)
    except psycopg.errors.UndefinedTable:
        recorded = ""
    except (psycopg.Error, TimeoutError):
        return "DB CONNECTION ERROR"
    # A newer version is fine: old pods serve on while the next one is set up.
    if version_key(recorded) < version_key(service.runtime.version):
        return f"setup of {service.runtime.version} is not completed"
    return ""


def _page(title: str) -> Response:
    return Response(200, f"<!doctype html><title>{title}</title>".encode(), "text/html; charset=utf-8")


async def _discovery(visit: Visit) -> Response:
    base = visit.origin
    return json_response(
        {
            "issuer": base,
            "authorization_endpoint": f"{base}/oauth/v2/authorize",
            "token_endpoint": f"{base}/oauth/v2/token",
            "introspection_endpoint": f"{base}/oauth/v2/introspect",
            "revocation_endpoint": f"{base}/oauth/v2/revoke",
            "userinfo_endpoint": f"{base}/oidc/v1/userinfo",
            "end_session_endpoint": f"{base}/oidc/v1/end_session",
            "jwks_uri": f"{base}/oauth/v2/keys",
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "response_types_supported": ["code", "id_token", "id_token token"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [visit.instance.signing_jwk["alg"]],
        }
    )


async def _keys(visit: Visit) -> Response:
    return json_response({"keys": [dict(visit.instance.signing_jwk)]})


async def _authorize(visit: Visit) -> Response:
    request_id = instances.new_id()
    if visit.instance.login_v2:
        base = visit.instance.login_base_uri or "/ui/v2/login"
        return redirect(f"{base}/login?authRequest=V2_{request_id}")
    return redirect(f"/ui/login/login?authRequestID={request_id}")


async def _saml_metadata(visit: Visit) -> Response:
    entity = quote(f"{visit.origin}/saml/v2/metadata", safe=":/")
    body = f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity}"/>'
    return Response(200, body.encode(), "text/xml; charset=utf-8")


async def _settings(visit: Visit) -> Response:
    visit.require_login_client()
    return json_response({"defaultOrganizationId": visit.instance.organization_id, "defaultLanguage": "en"})


async def _create_session(visit: Visit) -> Response:
    visit.require_login_client()
    session = instances.new_id()
    made: dict[str, Json] = {"sessionId": session, "sessionToken": instances.new_id()}
    if "checks" not in visit.body():
        await visit.service.pool.run(partial(_session_added, visit.instance, None, session))
        return json_response(made, status=201)
    login_name, password = _checks(visit.request.body)
    user = visit.instance.user(login_name)
    passed = user is not None and await asyncio.to_thread(instances.verify_password, user, password)
    if user is None or not passed:
        raise ApiError(INVALID_ARGUMENT, "Errors.User.Password.Invalid")
    await visit.service.pool.run(partial(_session_added, visit.instance, user, session))
    factor: dict[str, Json] = {"id": user.id, "loginName": login_name, "displayName": user.name}
    return json_response(
        {
            **made,
            "session": {"factors": {"user": factor}},
            "passwordChangeRequired": user.password_change_required,
        },
        status=201,
    )


async def _get_session(visit: Visit) -> Response:
    visit.require_login_client()
    session = visit.request.path.rpartition("/")[2]
    about = Aggregate(visit.instance.id, "session", session, visit.instance.id)
    newest = await visit.service.pool.run(partial(events.newest, about))
    if newest in {"", "session.terminated"}:
        raise ApiError(NOT_FOUND, "Errors.Session.NotExisting")
    return json_response({"session": {"id": session}})


async def _delete_session(visit: Visit) -> Response:
    visit.require_login_client()
    session = visit.request.path.rpartition("/")[2]
    await visit.service.pool.run(partial(_session_ended, visit.instance, session))
    return json_response({})


def _session_added(instance: Instance, user: User | None, session: str, connection: Connection) -> None:
    about = Aggregate(instance.id, "session", session, instance.id)
    events.push(connection, about, "session.added", {}, creator=user.id if user else "SYSTEM")
    if user is None:
        return
    payload: dict[str, Json] = {"userID": user.id}
    events.push(connection, about, "session.password.checked", payload, creator=user.id)


def _session_ended(instance: Instance, session: str, connection: Connection) -> None:
    events.push(connection, Aggregate(instance.id, "session", session, instance.id), "session.terminated", {})


def _by_pattern(request: Request) -> Callable[[Visit], Awaitable[Response]] | None:
    match request.method, request.path.split("/")[1:]:
        case "GET", ["v2", "sessions", _]:
            return _get_session
        case "DELETE", ["v2", "sessions", _]:
            return _delete_session
        case "POST", ["v2", "users", _, "keys"]:
            return users.add_key
        case "POST", ["v2", "users", _, "metadata"]:
            return users.set_metadata
    return None


def _checks(body: bytes) -> tuple[str, str]:
    try:
        checks = json.loads(body)["checks"]
        return str(checks["user"]["loginName"]), str(checks["password"]["password"])
    except (ValueError, KeyError, TypeError) as error:
        needed = "checks.user.loginName and checks.password.password are needed"
        raise ApiError(INVALID_ARGUMENT, needed) from error


ROUTES: Mapping[tuple[str, str], Callable[[Visit], Awaitable[Response]]] = {
    ("GET", "/.well-known/openid-configuration"): _discovery,
    ("GET", "/oauth/v2/keys"): _keys,
    ("GET", "/oauth/v2/authorize"): _authorize,
    ("GET", "/saml/v2/metadata"): _saml_metadata,
    ("GET", "/v2/settings"): _settings,
    ("POST", "/v2/sessions"): _create_session,
    ("POST", "/v2/organizations/_search"): users.organizations,
    ("POST", "/v2/users/new"): users.create,
    ("POST", "/admin/v1/email/_search"): users.mail_providers,
    ("POST", "/v2/users/keys/search"): users.find_keys,
    ("POST", "/oauth/v2/token"): users.token,
}
