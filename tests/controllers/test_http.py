"""What the kubelet and Prometheus are told."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import pytest

from dedicated.api.json import JsonValue
from dedicated.controllers.http import LoopLag, Vitals, WatchState, serve, silence
from dedicated.controllers.metrics import make_metrics
from virtual_time import run_virtual


@dataclass
class Patient:
    """An operator whose vital signs are set by the test."""

    watches: dict[str, WatchState] = field(default_factory=dict)
    oldest: float = 0.0
    stuck: float = 0.0
    missing: list[str] = field(default_factory=list)

    def vitals(self) -> Vitals:
        return Vitals(
            watches=lambda: self.watches,
            queue_oldest=lambda: self.oldest,
            queue_stuck=lambda: self.stuck,
            missing=lambda: self.missing,
        )


async def ask(patient: Patient, path: str) -> tuple[int, dict[str, JsonValue]]:
    async with (
        serve(("127.0.0.1", 0), vitals=patient.vitals(), registry=make_metrics().registry) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.json()


@pytest.mark.parametrize(("seconds", "told"), [(60.0, ()), (61.0, ("API server: no answer for 61 s",))])
def test_whoever_does_not_reach_the_api_server_for_a_minute_is_not_ready(
    seconds: float, told: tuple[str, ...]
) -> None:
    assert silence(seconds) == told


async def test_a_standby_is_healthy_and_ready() -> None:
    assert await ask(Patient(), "/readyz") == (200, {"ready": True, "missing": []})
    status, body = await ask(Patient(), "/healthz")
    assert (status, body["ok"], body["failed"]) == (200, True, [])


async def test_a_watch_that_is_silent_without_knowing_why_is_sick() -> None:
    patient = Patient(watches={"secrets": WatchState(200.0), "jobs": WatchState(20.0)})
    status, body = await ask(patient, "/healthz")
    assert status == 503
    assert body["failed"] == ["watch secrets silent for 200 s, limit 180 s"]
    assert body["watches"] == {
        "jobs": {"ageSeconds": 20.0, "problem": None},
        "secrets": {"ageSeconds": 200.0, "problem": None},
    }


async def test_a_watch_that_knows_its_trouble_is_no_reason_to_restart() -> None:
    patient = Patient(watches={"secrets": WatchState(900.0, "secrets: 403 Forbidden: no")})
    status, body = await ask(patient, "/healthz")
    assert (status, body["ok"]) == (200, True)
    assert "403" in str(body["watches"])


async def test_a_queue_in_which_nothing_ends_is_sick_a_long_one_is_not() -> None:
    status, body = await ask(Patient(oldest=5000.0, stuck=3.0), "/healthz")
    assert (status, body["queueOldestSeconds"]) == (200, 5000.0)
    status, body = await ask(Patient(oldest=5000.0, stuck=700.0), "/healthz")
    assert status == 503
    assert body["failed"] == ["no pass has ended for 700 s, limit 600 s"]


async def test_what_is_not_ready_is_named() -> None:
    patient = Patient(missing=["informer jobs has not synced", "may not list secrets in acme"])
    assert await ask(patient, "/readyz") == (503, {"ready": False, "missing": patient.missing})


async def test_metrics_are_served_in_the_text_format() -> None:
    metrics = make_metrics()
    metrics.leader.set(1)
    async with (
        serve(("127.0.0.1", 0), vitals=Patient().vitals(), registry=metrics.registry) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        assert response.headers["Content-Type"].startswith("text/plain")
        assert "dedicated_operator_leader 1.0" in await response.text()


@pytest.mark.parametrize(("blocked", "overdue"), [(0.0, 0.0), (15.0, 14.5)])
def test_lag_is_seen_while_the_loop_stands_and_after(blocked: float, overdue: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        skew = 0.0
        lag = LoopLag(monotonic=lambda: loop.time() + skew)
        measuring = asyncio.create_task(lag.run())
        await asyncio.sleep(3.5)
        skew = blocked
        assert lag.seconds == pytest.approx(overdue)
        await asyncio.sleep(0.6)
        assert lag.seconds == pytest.approx(blocked)
        measuring.cancel()

    run_virtual(main())
