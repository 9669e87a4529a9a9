"""`python -m scenarios list | run [NAME...] [--smoke] [--engine E] [--provider P] [--judge J] --report DIR`.

`run` uses the service that is up, or brings it up, and leaves it up. It writes `report.json` and
`report.html` after each scenario, so that a run that is cut short has told what it knows. Exit codes: 0 all
promises that were put to the test are kept, 1 one is not or a scenario failed, 2 wrong arguments or no
service. With `--judge losses` a target of time that is missed is told and ends with 0.
"""

import argparse
import json
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from images.build import ImageError
from scenarios import runner
from scenarios.catalogue import catalogue
from scenarios.live import LiveStage, now
from scenarios.model import Result, Scenario
from scenarios.page import page
from scenarios.report import JUDGES, missed, report
from scenarios.stage import Stage
from service import instance, providers, waiting
from service.provider import Provider, ProviderError
from service.steps import Service
from testbed.client import ApiError
from testbed.gobuild import BuildError

STORE_AWAY, STORE_AWAY_SMOKE = 600.0, 60.0
NO_SERVICE = (ApiError, BuildError, ImageError, LookupError, ProviderError, waiting.NotReadyError)


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say."""
    options = _parser().parse_args(argv)
    away = options.store_away or (STORE_AWAY_SMOKE if options.smoke else STORE_AWAY)
    known = catalogue(store_away=away)
    if options.command == "list":
        return _list(known)
    strange = sorted(set(options.names) - {one.name for one in known})
    if strange:
        print(f"no scenario is called {', '.join(strange)}: `list` has their names", file=sys.stderr)
        return 2
    chosen = [one for one in known if one.name in options.names or (options.smoke and one.smoke)]
    if not options.names and not options.smoke:
        chosen = list(known)
    signal.signal(signal.SIGTERM, _interrupted)
    return _run(options, known, chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scenarios", description="Promises put to the test on real nodes.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names, clauses and targets")
    run = commands.add_parser("run", help="run scenarios: those named, or all")
    run.add_argument("names", nargs="*", metavar="NAME")
    run.add_argument("--smoke", action="store_true", help="those of the smoke selection")
    run.add_argument("--provider", choices=providers.NAMES, default="nodes")
    run.add_argument("--engine", choices=instance.ENGINES, default="external")
    run.add_argument("--judge", choices=JUDGES, default="all", help="what ends with exit code 1")
    run.add_argument("--store-away", type=float, metavar="SECONDS", help=f"default {STORE_AWAY:g}")
    run.add_argument("--report", type=Path, required=True, metavar="DIR")
    parser.set_defaults(smoke=False, store_away=None)
    return parser


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    """A request to end is an interrupt: what is broken is healed first."""
    raise KeyboardInterrupt


def _list(scenarios: Sequence[Scenario]) -> int:
    for one in scenarios:
        print(f"{one.name:22} {one.clause:5} {'smoke' if one.smoke else '':6} {one.target}")
    return 0


def _run(options: argparse.Namespace, known: Sequence[Scenario], chosen: Sequence[Scenario]) -> int:
    begun = time.monotonic()
    options.report.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.1f} s] {text}", flush=True)

    try:
        stage, provider = _stage(options, chosen, say)
    except NO_SERVICE as error:
        print(f"scenarios: no service: {error}", file=sys.stderr)
        return 2

    def done(result: Result) -> None:
        results.append(result)
        for figure in result.figures:
            say(f"  {figure.name}: {figure.value} {figure.unit} ({figure.target}, {figure.met})")
        names = {one.scenario.name for one in results}
        about = {"provider": provider.name, "engine": options.engine, "machine": platform.platform()}
        left = [one for one in known if one.name not in names]
        told = report(results, unasked=left, about=about, seconds=time.monotonic() - begun)
        (options.report / "report.json").write_text(json.dumps(told, indent=1) + "\n")
        (options.report / "report.html").write_text(page(told))

    runner.run(stage, chosen, runner.Pace(now, time.sleep, waited=_waited), say=say, done=done)
    say(f"report in {options.report}")
    return 1 if missed(results, options.judge) else 0


def _waited() -> float:
    """As the kernel counts it (PSI); 0 where it does not."""
    try:
        told = Path("/proc/pressure/cpu").read_text()
    except OSError:
        return 0.0
    return int(told.partition("total=")[2].split()[0]) / 1e6


def _stage(
    options: argparse.Namespace, chosen: Sequence[Scenario], say: runner.Say
) -> tuple[Stage, Provider]:
    """The service without its instance where one of the chosen installs it, else with it."""
    provider = providers.cluster(options.provider).up()
    say("cluster up")
    service = Service(provider, options.engine)
    there = provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME) is not None
    if not there:
        installs = any(one.installs for one in chosen)
        for title, step in service.steps():
            if installs and title == "instance":
                break
            for line in step():
                say(f"{title}: {line}")
    return LiveStage(service, options.report), provider


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
