"""What Kubernetes is: asked once for all instances, and told only where it changed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from dedicated.cluster.client import Server
from dedicated.cluster.errors import ApiError
from dedicated.contract.prerequisites import Platform
from dedicated.controllers.platform import EVERY, SOON, PlatformReader
from virtual_time import now, run_virtual

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD = Server("v1.36.4", NOON)
FORBIDDEN = ApiError(status=403, reason="Forbidden", message="no")


class Kubernetes:
    """Gives its answers in order, the last for ever."""

    def __init__(self, *answers: Server | ApiError) -> None:
        self.answers = list(answers)
        self.asked_at: list[float] = []

    async def server(self) -> Server:
        self.asked_at.append(now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ApiError):
            raise answer
        return answer


async def living(
    kubernetes: Kubernetes, *, seconds: float, ahead: float = 0.0
) -> tuple[Sequence[Platform], Platform]:
    """What was told in that time, and what is known at its end."""
    told: list[Platform] = []
    reader = PlatformReader(
        client=kubernetes,
        wall=lambda: NOON + timedelta(seconds=ahead),
        changed=lambda: told.append(reader.platform),
    )
    await reader.read()
    running = asyncio.create_task(reader.run())
    await asyncio.sleep(seconds)
    running.cancel()
    return told, reader.platform


def test_it_is_asked_once_an_hour_and_told_once() -> None:
    kubernetes = Kubernetes(GOOD)
    told, known = run_virtual(living(kubernetes, seconds=3 * EVERY + 1))
    assert kubernetes.asked_at == [0, EVERY, 2 * EVERY, 3 * EVERY]
    assert [*told] == [known] == [Platform("v1.36.4")]


def test_a_new_version_is_told() -> None:
    kubernetes = Kubernetes(GOOD, Server("v1.37.0", NOON))
    told, _ = run_virtual(living(kubernetes, seconds=EVERY + 1))
    assert [platform.version for platform in told] == ["v1.36.4", "v1.37.0"]


def test_what_is_not_answered_is_unknown_and_asked_again_soon() -> None:
    kubernetes = Kubernetes(FORBIDDEN, FORBIDDEN, GOOD)
    told, known = run_virtual(living(kubernetes, seconds=EVERY))
    assert kubernetes.asked_at == [0, SOON, 2 * SOON]
    assert [*told] == [known] == [Platform("v1.36.4")]


@pytest.mark.parametrize(
    ("ahead", "rounded"), [(0.6, 0), (34.9, 30), (35.1, 40), (-3600.4, -4000), (4.0, 0), (8812345.0, 9000000)]
)
def test_the_distance_of_the_clocks_is_rounded(ahead: float, rounded: int) -> None:
    _, known = run_virtual(living(Kubernetes(GOOD), seconds=1, ahead=ahead))
    assert known.ahead == rounded


def test_clocks_that_are_apart_are_asked_for_again_soon() -> None:
    kubernetes = Kubernetes(GOOD)
    run_virtual(living(kubernetes, seconds=SOON + 1, ahead=60))
    assert kubernetes.asked_at == [0, SOON]


def test_without_a_date_nothing_is_said_of_clocks() -> None:
    _, known = run_virtual(living(Kubernetes(Server("v1.36.4", None)), seconds=1, ahead=60))
    assert known == Platform("v1.36.4")
