"""The retries, in virtual time."""

import pytest

from dedicated.cluster.errors import NO_ANSWER, NO_CONNECTION, ApiError
from dedicated.cluster.pace import DEFAULT_POLICY, with_retries
from virtual_time import now, run_virtual


@pytest.mark.parametrize(
    ("error", "repeatable", "again"),
    [
        (ApiError(status=503, reason="x", message=""), True, True),
        (ApiError(status=503, reason="x", message=""), False, False),
        (ApiError(status=0, reason=NO_ANSWER, message=""), False, False),
        (ApiError(status=0, reason=NO_CONNECTION, message=""), False, True),
        (ApiError(status=429, reason="x", message="", retry_after=3.0), False, True),
        (ApiError(status=409, reason="x", message=""), True, False),
        (ApiError(status=429, reason="x", message="", retry_after=60.0), True, False),
    ],
)
def test_what_is_tried_again(error: ApiError, repeatable: bool, again: bool) -> None:
    async def main() -> int:
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            raise error

        with pytest.raises(ApiError):
            await with_retries(attempt, repeatable=repeatable, policy=DEFAULT_POLICY, monotonic=now)
        assert now() <= DEFAULT_POLICY.budget
        return attempts

    assert (run_virtual(main()) > 1) == again
