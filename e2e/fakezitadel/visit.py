"""A request to an instance, and what its handlers ask of it: who calls, and what the body says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from fakezitadel import access, auth
from fakezitadel.database import Pool
from fakezitadel.instance import Instance
from fakezitadel.runtime import Json, Runtime
from fakezitadel.settings import Settings
from fakezitadel.web import ApiError, Request

LOGIN_ROLES = ("IAM_LOGIN_CLIENT", "IAM_OWNER")
INVALID_ARGUMENT = 3


@dataclass(frozen=True, slots=True)
class Service:
    """What a running server holds. `started` is on the monotonic clock."""

    settings: Settings
    runtime: Runtime
    pool: Pool
    users: Mapping[str, auth.SystemUser]
    started: float


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to an instance, seen from outside as `origin`."""

    service: Service
    request: Request
    instance: Instance
    origin: str

    def body(self) -> dict[str, Json]:
        """The body's object, empty if it is something else; ApiError 400 if it is not JSON."""
        try:
            found = json.loads(self.request.body or b"{}")
        except ValueError as error:
            raise ApiError(INVALID_ARGUMENT, "proto: syntax error") from error
        return found if isinstance(found, dict) else {}

    def require_login_client(self) -> None:
        """ApiError 401 or 403."""
        auth.require(self._granted(), *LOGIN_ROLES)

    def require_owner(self) -> None:
        """ApiError 401 or 403."""
        auth.require(self._granted(), "IAM_OWNER")

    async def require_user(self, user: str) -> None:
        """That the user calls by an access token, or an owner for it; ApiError 401 or 403."""
        token = self.request.headers.get("authorization", "").removeprefix("Bearer ")
        if not access.is_access_token(token):
            self.require_owner()
            return
        self._refuse_by_switch()
        check = partial(access.user_of, self.instance, token, datetime.now(UTC))
        caller = await self.service.pool.run(check)
        if caller is None:
            raise ApiError(auth.UNAUTHENTICATED, "Errors.Token.Invalid")
        if caller != user:
            raise ApiError(auth.PERMISSION_DENIED, "No matching permissions found")

    def _granted(self) -> frozenset[str]:
        service = self.service
        self._refuse_by_switch()
        return auth.roles(
            self.request.headers.get("authorization", ""),
            users=service.users,
            audience=service.settings.external_url,
            instance=self.instance,
            now=datetime.now(UTC),
        )

    def _refuse_by_switch(self) -> None:
        if self.service.runtime.faults.get("auth.rejectAll"):
            raise ApiError(auth.UNAUTHENTICATED, "Errors.Token.Invalid")
