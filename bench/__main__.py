"""`python -m bench [--only NAME]`: one JSON line per figure on standard output, progress on standard error.

Run in the checkout with PYTHONPATH=operator:e2e:tests:. ; the testbed is started if none is up.
Exit code 1 where a target was missed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from bench import creation, drift, recovery, rest
from bench.figure import Figure
from bench.stage import Stage, set_up

MEASUREMENTS: dict[str, Callable[[Stage], Iterator[Figure]]] = {
    "idle": rest.idle_memory,
    "creation": creation.one_instance,
    "crowd": creation.many_instances,
    "rest": rest.requests_at_rest,
    "metadata": rest.foreign_metadata,
    "drift": drift.repairs,
    "restart": rest.restart,
    "recovery": recovery.status_writes,
}
"""In this order: instances made for one stay for the next."""
ALONE = {
    "plan": "bench.plan",
    "simulate": "bench.simulate",
    "probes": "bench.probes",
    "limiter": "bench.limiter",
}
"""Each in a process of its own, where nothing else has warmed or filled the memory."""


def main() -> int:
    """Measure; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=(*MEASUREMENTS, *ALONE), help="one measurement")
    only = parser.parse_args().only
    started = time.monotonic()
    missed = 0

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", file=sys.stderr, flush=True)

    for figure in _figures(only, say):
        print(figure.line(), flush=True)
        missed += figure.met is False
    say(f"done; {missed} targets missed")
    return 1 if missed else 0


def _figures(only: str | None, say: Callable[[str], None]) -> Iterator[Figure]:
    for name, module in ALONE.items():
        if only in (None, name):
            say(name)
            yield from _figures_of(module)
    if only in ALONE:
        return
    with set_up(say) as stage:
        for name, measure in MEASUREMENTS.items():
            if only in (None, name):
                say(name)
                yield from measure(stage)


def _figures_of(module: str) -> Iterator[Figure]:
    done = subprocess.run([sys.executable, "-m", module], check=False, capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: a target was missed
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stderr}")
    for line in done.stdout.splitlines():
        yield Figure(**json.loads(line))


if __name__ == "__main__":
    sys.exit(main())
