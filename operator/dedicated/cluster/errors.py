"""What can go wrong between us and the API server, as one exception.

The API server explains a refusal in a `Status` object; proxies and broken connections explain nothing.
Callers decide by status code, never by text, so both arrive as one `ApiError` with the same fields.
"""

import json
from collections.abc import Mapping

from dedicated.api.json import JsonValue, get_int, get_list, get_str

NO_CONNECTION = "NoConnection"
"""Reason of an error where the request was certainly not sent: repeating it is always safe."""
NO_ANSWER = "NoAnswer"
"""Reason of an error where the request may have been carried out."""
NOT_SERVED = "KindNotServed"
"""Reason of a 404 where the API server knows no such kind, as before its CRD is installed."""
STALLED = "Stalled"
"""Reason of an error where an open watch fell silent."""


class ApiError(Exception):
    """A request that the API server refused or did not answer.

    `status` is the HTTP status code, or 0 where there was no answer. `reason` is the API's word for it
    (`NotFound`, `Conflict`, `Expired`, ...) or one of the constants above. `retry_after` is in seconds.
    `causes` are the field errors of an invalid object, as `path: message`.
    """

    def __init__(
        self,
        *,
        status: int,
        reason: str,
        message: str,
        retry_after: float | None = None,
        causes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{status or 'no answer'} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes = causes

    @property
    def not_found(self) -> bool:
        """The object, or its whole kind, does not exist."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """The object exists already, or is newer than the one sent."""
        return self.status == 409

    @property
    def gone(self) -> bool:
        """The resourceVersion or the continue token is too old: list again."""
        return self.status == 410

    @property
    def forbidden(self) -> bool:
        """RBAC or an admission policy said no."""
        return self.status == 403

    @property
    def unauthorized(self) -> bool:
        """The credentials are not, or no longer, valid."""
        return self.status == 401

    @property
    def invalid(self) -> bool:
        """The object does not follow its schema, or a JSON patch its `test`."""
        return self.status in {400, 422}

    @property
    def unavailable(self) -> bool:
        """There was no answer at all."""
        return self.status == 0

    @property
    def retriable(self) -> bool:
        """The same request may succeed a little later."""
        return self.status in {0, 429, 500, 502, 503, 504}

    @property
    def unsent(self) -> bool:
        """The request was certainly not carried out: refused at the door, or never sent."""
        return self.status == 429 or self.reason == NO_CONNECTION


def error_from_answer(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error behind an HTTP answer of 300 or more. Only the API server's own words are quoted."""
    return error_from_status(_decode(body), status=status, header=headers.get("Retry-After", ""))


def error_from_status(answer: JsonValue, *, status: int = 0, header: str = "") -> ApiError:
    """The error in a `Status` object, which is also the object of a watch's ERROR event."""
    code = status or get_int(answer, "code") or 500
    if get_str(answer, "kind") != "Status":
        # For a group or version that it does not serve, the API server has a bare 404.
        unserved = code == 404
        return ApiError(
            status=code,
            reason=NOT_SERVED if unserved else "NotFromApiServer",
            message=(
                "the API server does not serve this kind"
                if unserved
                else f"HTTP {code} without a Status object: a proxy or load balancer answered"
            ),
            retry_after=_seconds(header),
        )
    causes = get_list(answer, "details", "causes")
    return ApiError(
        status=code,
        reason=get_str(answer, "reason") or f"Http{code}",
        message=get_str(answer, "message"),
        retry_after=_seconds(header) or float(get_int(answer, "details", "retryAfterSeconds")) or None,
        causes=tuple(f"{get_str(cause, 'field')}: {get_str(cause, 'message')}" for cause in causes),
    )


def _decode(body: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(body)
    except ValueError:
        return None
    return value


def _seconds(header: str) -> float | None:
    # Retry-After may also be a date; the API server never sends one.
    return float(header) if header.isdigit() else None
