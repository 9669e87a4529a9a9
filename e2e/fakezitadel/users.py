"""Users and their keys, tokens and metadata: the part of the management API that probes and clients need."""

import asyncio
import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from urllib.parse import parse_qs

from fakezitadel import access, auth, events
from fakezitadel import instance as instances
from fakezitadel.database import Connection
from fakezitadel.events import Aggregate
from fakezitadel.instance import Instance, User, UserKey
from fakezitadel.runtime import Json
from fakezitadel.visit import INVALID_ARGUMENT, Visit
from fakezitadel.web import ApiError, Response, json_response

NOT_FOUND, ALREADY_EXISTS = 5, 6


async def organizations(visit: Visit) -> Response:
    visit.require_owner()
    organization: Json = {"id": visit.instance.organization_id, "name": visit.instance.organization}
    return json_response({"result": [organization]})


async def mail_providers(visit: Visit) -> Response:
    visit.require_owner()
    provider: Json = {"id": "1", "state": "EMAIL_PROVIDER_ACTIVE", "smtp": {}}
    return json_response({"result": [provider] if visit.instance.mail else []})


async def create(visit: Visit) -> Response:
    """A machine user, or a human with a password."""
    visit.require_owner()
    body = visit.body()
    if body.get("organizationId") != visit.instance.organization_id:
        raise ApiError(INVALID_ARGUMENT, "organizationId is needed")
    user = await _user(body)
    try:
        await visit.service.pool.run(lambda connection: instances.add_user(connection, visit.instance, user))
    except events.ConflictError as error:
        raise ApiError(ALREADY_EXISTS, "Errors.User.AlreadyExisting") from error
    return json_response({"id": user.id})


async def _user(body: dict[str, Json]) -> User:
    name, made = str(body.get("username", "")), str(body.get("userId") or instances.new_id())
    match body:
        case {"machine": dict()}:
            return User(made, name, name)
        case {"human": {"email": {"email": str(email)}, "password": {"password": str(password)}}}:
            kept = await asyncio.to_thread(instances.hash_password, password)
            return User(made, name, name, email=email, password_hash=kept)
    raise ApiError(INVALID_ARGUMENT, "machine is needed, or human with email and password")


async def find_keys(visit: Visit) -> Response:
    visit.require_owner()
    wanted = json.dumps(visit.body())
    keys: list[Json] = [
        {"id": key.id, "userId": key.user} for key in visit.instance.user_keys if f'"{key.user}"' in wanted
    ]
    return json_response({"result": keys})


async def add_key(visit: Visit) -> Response:
    visit.require_owner()
    user = visit.request.path.split("/")[3]
    if all(known.id != user for known in visit.instance.users):
        raise ApiError(NOT_FOUND, "Errors.User.NotFound")
    public = base64.b64decode(str(visit.body().get("publicKey", ""))).decode()
    key = UserKey(instances.new_id(), user, public)
    await visit.service.pool.run(lambda connection: instances.add_key(connection, visit.instance, key))
    return json_response({"keyId": key.id})


async def token(visit: Visit) -> Response:
    """The JWT profile grant of a machine user."""
    form = {name: values[0] for name, values in parse_qs(visit.request.body.decode()).items()}
    user = auth.machine_user(form.get("assertion", ""), visit.instance, audience=visit.origin)
    if form.get("grant_type") != auth.JWT_PROFILE or user is None:
        return json_response({"error": "invalid_grant"}, status=400)
    made = await visit.service.pool.run(partial(access.issue, visit.instance, user, datetime.now(UTC)))
    lifetime = int(access.LIFETIME.total_seconds()) - 1
    return json_response({"access_token": made, "token_type": "Bearer", "expires_in": lifetime})


async def set_metadata(visit: Visit) -> Response:
    """Keys and values (base64), set by the user or an owner: an event each, committed before the answer."""
    user = visit.request.path.split("/")[3]
    await visit.require_user(user)
    if all(known.id != user for known in visit.instance.users):
        raise ApiError(NOT_FOUND, "Errors.User.NotFound")
    match visit.body():
        case {"metadata": list(entries)} if entries:
            payloads = [_metadata(entry) for entry in entries]
        case _:
            raise ApiError(INVALID_ARGUMENT, "metadata is needed")
    now = datetime.now(UTC)
    await visit.service.pool.run(partial(_set_metadata, visit.instance, user, payloads))
    return json_response({"setDate": now.isoformat()})


def _metadata(entry: Json) -> dict[str, Json]:
    match entry:
        case {"key": str(key), "value": str(value)} if key and value:
            return {"key": key, "value": value}
    raise ApiError(INVALID_ARGUMENT, "key and value are needed")


def _set_metadata(
    instance: Instance, user: str, payloads: Sequence[dict[str, Json]], connection: Connection
) -> None:
    about = Aggregate(instance.id, "user", user, instance.organization_id)
    for payload in payloads:
        events.push(connection, about, "user.metadata.set", payload, creator=user)
