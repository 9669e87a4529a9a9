"""What of an agent's knowledge outlives a restart: samples and known damage, compact, beside the report.

Kept as JSON: `[milliseconds, position, timeline]` for each sample, so that a day of them is some 15 KB.
What cannot be read, or is of another incarnation of the instance, is as if nothing had been kept.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dedicated.api.json import JsonValue, get_int, get_list, get_str
from dedicated.contract.recovery.report import REPORT, SAMPLES, Failover, from_json
from dedicated.contract.recovery.repository import Damage
from dedicated.contract.recovery.sampling import Sample
from dedicated.contract.recovery.wal import SEGMENT, segment_in, segment_name


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept. `segment_size` is 0 where it never became known."""

    samples: tuple[Sample, ...] = ()
    segment_size: int = 0
    failover: Failover | None = None
    damage: Damage = field(default_factory=Damage)


def to_text(
    samples: tuple[Sample, ...], *, segment_size: int, incarnation: str, damage: Damage | None = None
) -> str:
    """What is kept beside the report, as one line. Times are cut to the millisecond, never rounded up."""
    rows = [[int(one.at.timestamp() * 1000), one.position, one.timeline] for one in samples]
    bad = damage or Damage()
    value = {
        "incarnation": incarnation,
        "segmentSize": segment_size,
        "samples": rows,
        "badBackups": sorted(bad.backups),
        "badSegments": [segment_name(one, size=segment_size or SEGMENT) for one in sorted(bad.segments)],
    }
    return json.dumps(value, separators=(",", ":"))


def from_data(data: dict[str, str], *, incarnation: str) -> Kept:
    """What a ConfigMap's data hold for an incarnation."""
    try:
        value: JsonValue = json.loads(data.get(SAMPLES, ""))
    except ValueError:
        return Kept()
    if get_str(value, "incarnation") != incarnation:
        return Kept()
    samples = [_sample(row) for row in get_list(value, "samples")]
    report = from_json(data.get(REPORT, ""))
    return Kept(
        samples=tuple(sorted(one for one in samples if one is not None)),
        segment_size=get_int(value, "segmentSize"),
        failover=report.failover if report and report.incarnation == incarnation else None,
        damage=_damage(value),
    )


def _damage(value: JsonValue) -> Damage:
    size = get_int(value, "segmentSize") or SEGMENT
    names = (name for name in get_list(value, "badSegments") if isinstance(name, str))
    segments = (segment_in(name, size=size) for name in names)
    return Damage(
        backups=frozenset(label for label in get_list(value, "badBackups") if isinstance(label, str)),
        segments=frozenset(one for one in segments if one is not None),
    )


def _sample(row: JsonValue) -> Sample | None:
    match row:
        case [int(at), int(position), int(timeline)] if at > 0 and position > 0 and timeline > 0:
            return Sample(datetime.fromtimestamp(at / 1000, UTC), position, timeline)
    return None
