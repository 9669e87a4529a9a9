"""What metrics say of an instance's rate limits, by the status decided for it.

As in the status, figures of traffic follow every 5 minutes, rounded; those of the second are HAProxy's and
the limiter agent's own. No address is a label, and no path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import Key
from dedicated.controllers.maintenance_figures import LABELS

NAME = "dedicated_instance_rate_limit"
CLASSES = ("ui", "api")


@dataclass(frozen=True, slots=True)
class LimitFigures:
    """Single figures by the name of their metric, in its unit; those with labels by their values.

    A figure that the status does not tell is missing.
    """

    single: Mapping[str, float]
    limits: Mapping[tuple[str, str], int]
    replicas: Mapping[str, int]
    refused: Mapping[tuple[str, str], int]


SINGLE = {
    "overrides": "Ranges of addresses with higher limits, or with none, by records in force.",
    "replicas_differing": "Replicas that hold to another policy than the one in force.",
    "proof_timestamp_seconds": "When the oldest of the replicas' last proofs was done.",
    "proof_success": "1 where all last proofs found the limits as the policy says, else 0.",
    "requests_per_minute": "Requests at the limiter.",
    "failed_per_minute": "Answers of 500 and above to requests that were let through.",
    "latency_p99_seconds": "In which 99 of 100 requests were answered, at the slowest replica.",
    "banned": "Clients that are banned.",
    "tracked_ratio": "Part of the clients that there is room for, at the fullest replica.",
    "guarantee_kept": "1 where the guaranteed load is kept, 0 where it is missed; absent where neither is.",
}


def limit_figures(found: Manifest) -> LimitFigures | None:
    """By `status.rateLimit`; None where there is none."""
    if not found:
        return None
    replicas = [get_map(item) for item in get_list(found, "replicas")]
    phases = [get_str(one, "phase") for one in replicas]
    return LimitFigures(
        single=dict(_single(found, replicas)),
        limits={
            (name, kind): get_int(found, "limits", name, kind)
            for name in CLASSES
            for kind in ("limit", "ban")
        },
        replicas={phase: phases.count(phase) for phase in sorted({*phases})},
        refused={
            (get_str(item, "class"), reason): get_int(item, reason)
            for item in get_list(found, "observed", "refusedPerMinute")
            for reason in ("limited", "banned")
        },
    )


def _single(found: Manifest, replicas: list[Manifest]) -> Iterator[tuple[str, float]]:
    yield "overrides", get_int(found, "overrides")
    hashes = [get_str(one, "observedHash") for one in replicas]
    yield "replicas_differing", sum(one not in ("", get_str(found, "policyHash")) for one in hashes)
    proof, seen = get_map(found, "lastProof"), get_map(found, "observed")
    if (at := parse_time(get_str(proof, "at"))) is not None:
        yield "proof_timestamp_seconds", at.timestamp()
        yield "proof_success", float(proof.get("passed") is True)
    if seen:
        yield "requests_per_minute", get_int(seen, "requestsPerMinute")
        yield "failed_per_minute", get_int(seen, "failedPerMinute")
        yield "banned", get_int(seen, "bans")
    if "p99Milliseconds" in seen:
        yield "latency_p99_seconds", get_int(seen, "p99Milliseconds") / 1000
    if room := get_int(seen, "room"):
        yield "tracked_ratio", get_int(seen, "tracked") / room
    kept = {"Kept": 1.0, "Missed": 0.0}.get(get_str(found, "guarantee"))
    if kept is not None:
        yield "guarantee_kept", kept


def limit_families(instances: Mapping[Key, LimitFigures | None]) -> tuple[Metric, ...]:
    """The series of all instances with a limiter."""
    single = {name: GaugeMetricFamily(f"{NAME}_{name}", text, labels=LABELS) for name, text in SINGLE.items()}
    threshold, phases, refused = (
        GaugeMetricFamily(f"{NAME}_{name}", text, labels=(*LABELS, *labels))
        for name, text, labels in (
            (
                "requests",
                "What an address may ask: limit in 60 seconds, ban above it in 180; tolerance included.",
                ("class", "threshold"),
            ),
            ("replicas", "Replicas of the limiter by what they say of themselves.", ("phase",)),
            ("refused_per_minute", "Requests refused, by class and reason.", ("class", "reason")),
        )
    )
    for key, found in instances.items():
        if found is None:
            continue
        labels = (key.namespace, key.name)
        for name, value in found.single.items():
            single[name].add_metric(labels, value)
        for family, values in ((threshold, found.limits), (refused, found.refused)):
            for kind, number in values.items():
                family.add_metric((*labels, *kind), number)
        for phase, count in found.replicas.items():
            phases.add_metric((*labels, phase), count)
    return (threshold, phases, refused, *single.values())
