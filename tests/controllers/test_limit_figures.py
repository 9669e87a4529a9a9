"""Metrics of the rate limits: what the status tells, and nothing of what it does not."""

from alerts.exported import STATUS
from dedicated.api.json import get_map
from dedicated.api.objects import Key
from dedicated.controllers.limit_figures import NAME, SINGLE, limit_families, limit_figures

KEY = Key("acme", "login")


def samples(status: str = "rateLimit") -> dict[tuple[str, tuple[str, ...]], float]:
    found = limit_families({KEY: limit_figures(get_map(STATUS, status))})
    return {
        (one.name.removeprefix(f"{NAME}_"), tuple(one.labels.values())[2:]): one.value
        for family in found
        for one in family.samples
    }


def test_every_figure_of_the_status() -> None:
    found = samples()
    assert found["requests", ("ui", "limit")] == 606
    assert found["requests", ("api", "ban")] == 9090
    assert found["replicas", ("Applied",)] == 1
    assert found["replicas_differing", ()] == 1
    assert found["refused_per_minute", ("ui", "limited")] == 20
    assert found["latency_p99_seconds", ()] == 0.04
    assert found["tracked_ratio", ()] == 1300 / 131072
    assert {name for name, labels in found if not labels} == SINGLE.keys()


def test_without_a_limiter_there_is_no_series() -> None:
    assert limit_figures({}) is None
    assert samples("nothing") == {}


def test_what_is_not_known_is_missing() -> None:
    found = limit_figures({"limits": {}, "policyHash": "a", "guarantee": "NotApplicable"})
    assert found is not None
    assert set(found.single) == {"overrides", "replicas_differing"}
