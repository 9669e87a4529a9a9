"""The token bucket and the retries, in virtual time."""

import asyncio

import pytest

from dedicated.cluster.errors import NO_ANSWER, NO_CONNECTION, ApiError
from dedicated.cluster.pace import DEFAULT_POLICY, TokenBucket, with_retries
from virtual_time import now, run_virtual


def test_the_bucket_lets_a_burst_through_and_then_one_by_one() -> None:
    async def main() -> None:
        bucket = TokenBucket(qps=10, burst=5, monotonic=asyncio.get_running_loop().time)
        times = []
        for _ in range(8):
            await bucket.take()
            times.append(round(now(), 3))
        assert times == [0, 0, 0, 0, 0, 0.1, 0.2, 0.3]
        await asyncio.sleep(60)
        resumed = now()
        for _ in range(5):
            await bucket.take()
        assert now() == pytest.approx(resumed)

    run_virtual(main())


def test_those_who_wait_for_the_bucket_are_served_in_order() -> None:
    async def main() -> None:
        bucket = TokenBucket(qps=10, burst=1, monotonic=asyncio.get_running_loop().time)
        served: list[int] = []

        async def one(number: int) -> None:
            await bucket.take()
            served.append(number)

        await asyncio.gather(*(one(number) for number in range(10)))
        assert served == list(range(10))
        assert now() == pytest.approx(0.9)

    run_virtual(main())


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
