"""Time of `dedicated simulate` for ten years of one instance. Run: `python -m bench.simulate`.

Processor time of the whole command, its start and the reading of 400 records included; median of 5. It does
nothing but compute, so on a machine at rest this is how long a person waits.
Each month is asked and answered, refused or done, each third has an emergency, each failure is escalated.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import below, median
from cli.running import WINDOW, instance, record
from dedicated.api.json import Manifest

ROUNDS = 5
FIRST, YEARS = 2026, 10
ANSWERS = ("Refused", "Refused", "Refused", "Withdrawn", "Completed", "Permitted", "Refused", "Completed")


def records() -> Iterator[Manifest]:
    """The records of ten years."""
    yield record("started", f"{FIRST}-01-05T08:00:00Z", "ServiceStarted")
    months = [f"{FIRST + year}-{month:02}" for year in range(YEARS) for month in range(1, 13)][1:]
    for number, month in enumerate(months):
        request, answer = f"regular-{month}", ANSWERS[number % len(ANSWERS)]
        notice: Manifest = {"kind": "Regular", "duration": "2h"}
        yield record(f"asked-{month}", f"{month}-01T06:00:00Z", "Notified", request=request, notice=notice)
        slot: Manifest = {"start": f"{month}-20T01:00:00Z", "end": f"{month}-20T05:00:00Z"}
        said: Manifest = {"slot": slot} if answer == "Permitted" else {}
        yield record(f"said-{month}", f"{month}-10T08:00:00Z", answer, request=request, **said)
        yield record(f"escalated-{month}", f"{month}-12T08:00:00Z", "Escalated",
                     issue=f"regular-{months[max(0, number - 3)]}", reference="ticket")  # fmt: skip
        if number % 3 == 0:
            urgent: Manifest = {"kind": "Security", "duration": "2h"}
            yield record(f"cve-{month}", f"{month}-15T08:00:00Z", "Notified", request=f"cve-{month}",
                         reference="CVE", notice=urgent)  # fmt: skip


def measure(folder: Path) -> float:
    """Median seconds of processor time."""
    body = instance(maintenance={"approval": "Required", "windows": [WINDOW]})
    (folder / "instance.yaml").write_text(json.dumps(body))
    (folder / "records.yaml").write_text(json.dumps({"kind": "List", "items": [*records()]}, indent=2))
    files = ("-f", "instance.yaml", "--records", "records.yaml")
    span = ("--from", f"{FIRST}-01", "--to", f"{FIRST + YEARS}-01")
    command = [sys.executable, "-m", "dedicated", "simulate", *files, *span]
    took = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.stdout.count("issue ") < YEARS:
            raise RuntimeError("the replay of the bench has too few issues to be worth measuring")
    return median(took)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(below("simulate_ten_years", measure(Path(made)), "s", 2).line())
