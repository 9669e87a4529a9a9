"""What of an agent's knowledge outlives a restart: the samples, compact, beside the report.

Kept as JSON: `[milliseconds, position, timeline]` for each sample, so that a day of them is some 15 KB.
What cannot be read, or is of another incarnation of the instance, is as if nothing had been kept.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from dedicated.api.json import JsonValue, get_int, get_list, get_str
from dedicated.contract.recovery.report import Failover, from_json
from dedicated.contract.recovery.sampling import Sample

REPORT, SAMPLES = "report", "samples"
"""Keys of the ConfigMap."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept. `segment_size` is 0 where it never became known."""

    samples: tuple[Sample, ...] = ()
    segment_size: int = 0
    failover: Failover | None = None


def to_text(samples: tuple[Sample, ...], *, segment_size: int, incarnation: str) -> str:
    """The samples as one line. Times are cut to the millisecond before, so that none promises more."""
    rows = [[int(one.at.timestamp() * 1000), one.position, one.timeline] for one in samples]
    value = {"incarnation": incarnation, "segmentSize": segment_size, "samples": rows}
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
    )


def _sample(row: JsonValue) -> Sample | None:
    match row:
        case [int(at), int(position), int(timeline)] if at > 0 and position > 0 and timeline > 0:
            return Sample(datetime.fromtimestamp(at / 1000, UTC), position, timeline)
    return None
