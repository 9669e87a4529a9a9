"""`dedicated restore`: what a restore would reach, lose and take, then the object that asks for it, followed.

The plan is reckoned here by the operator's own rules, from the recovery agent's record at the time of the
call; the operator judges anew when it begins. The object is all that is written.
"""

from asyncio import sleep
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.duration import duration_text, parse_duration
from dedicated.api.instance_restore import Purpose
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import API_VERSION, LABEL_INSTANCE
from dedicated.api.objects import INSTANCE_RESTORE
from dedicated.cli.frame import App, Cluster, cluster_options, instant_in, output
from dedicated.cli.recovery import Sight, in_cluster
from dedicated.cli.terminal import FOUND, Failure, Output, emit, pairs, say, show
from dedicated.cli.words import length, utc, wall
from dedicated.contract.recovery.restore import (
    Refusal,
    Target,
    expected,
    loss_refused,
    past_target,
    replaced_at,
    target_of,
)
from dedicated.contract.recovery.sampling import FRESH
from dedicated.parts.database.engine import cluster_name

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

STEPS: dict[Purpose, tuple[str, ...]] = {
    "Recovery": (
        "a new database is made beside the old one, from the repository",
        "it is looked at: the point reached, its pages, the event store, the encryption keys",
        "ZITADEL's setup of the same version runs against it, while the old one serves if it can",
        "a record makes it the instance's database; server and login are rolled out to it",
        "a first full backup of it is made, to a place of its own",
    ),
    "Clone": (
        "a copy of one server is made beside the database; it archives nowhere",
        "it is looked at, and left beside: nothing connects to it",
    ),
    "Drill": (
        "a copy of one server is made beside the database; it archives nowhere",
        "it is looked at, and removed with its volumes",
    ),
}
WAITED: dict[str, frozenset[str]] = {
    "Recovery": frozenset({"Live", "Retained", "Removed"}),
    "Clone": frozenset({"Ready", "Removing", "Removed"}),
    "Drill": frozenset({"Removed"}),
}
"""Phases that `dedicated restore` waits for."""
PAUSE = 2.0
"""Seconds between two looks at the object."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for."""

    purpose: Purpose
    target: datetime | None
    accepted: datetime | None
    retain: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What would come of it, as of now. `part`: the database that served then, where it serves no more;
    `refused`: the word that is missing, since what is lost was not accepted."""

    asked: Asked
    sight: Sight
    target: Target
    expected: timedelta | None
    part: str = ""
    refused: str = ""

    @property
    def clamped(self) -> bool:
        """Whether a later point was asked for than can be reached."""
        return self.asked.target is not None and self.asked.target > self.target.point

    @property
    def lost(self) -> timedelta:
        """Between the point and now."""
        return max(timedelta(0), self.sight.now - self.target.point)


@click.command(short_help="Restore an instance's database into a new one (provider).")
@click.argument("name")
@click.option("--purpose", type=click.Choice([*STEPS]), default="Recovery", show_default=True,
              help="Recovery switches to it; Clone leaves it beside; Drill removes it.")  # fmt: skip
@click.option("--to", "target", metavar="TIME", help="The point in time; default: the newest recoverable.")
@click.option("--accept-loss-since", "accepted", metavar="TIME",
              help="All written since may be lost: needed while the old database answers.")  # fmt: skip
@click.option("--retain", default="72h", show_default=True, metavar="TIME",
              help="How long what is no longer needed is kept.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the plan, and ask for nothing.")
@click.option("--no-wait", is_flag=True, help="Ask for it, and do not follow it.")
@output
@cluster_options
@click.pass_obj
def restore(
    app: App, *, name: str, purpose: Purpose, target: str | None, accepted: str | None, retain: str,
    dry_run: bool, no_wait: bool, cluster: Cluster, output: Output,
) -> None:  # fmt: skip
    """Restore the database of instance NAME into a new one beside it: never over the old one.

    It prints what would be reached and lost, and how long it takes; then makes an InstanceRestore and follows
    it. Interrupted, the restore goes on: kubectl get ir tells how far it is.
    """
    sight = in_cluster(name, cluster, app.now())
    asked = _asked(sight, purpose, target, accepted, retain)
    carry_out(sight, asked, cluster=cluster, output=output, dry_run=dry_run, no_wait=no_wait)


def drilled(
    app: App, name: str, target: str | None, *, cluster: Cluster, output: Output, dry_run: bool, no_wait: bool
) -> None:
    """The same with a copy that is removed."""
    sight = in_cluster(name, cluster, app.now())
    asked = _asked(sight, "Drill", target, None, "0s")
    carry_out(sight, asked, cluster=cluster, output=output, dry_run=dry_run, no_wait=no_wait)


def carry_out(
    sight: Sight, asked: Asked, *, cluster: Cluster, output: Output, dry_run: bool, no_wait: bool
) -> None:
    """Print what would come of it; then ask for it and follow it, unless told otherwise. Raises Failure."""
    plan = plan_of(sight, asked)
    if output == "table":
        _print(plan)
    else:
        emit(as_json(plan), output)
    if plan.refused:
        raise Failure(plan.refused, exit_code=FOUND)
    if dry_run:
        return
    made = _make(plan, cluster)
    say(f"\nInstanceRestore {made} is made", "bold")
    if not no_wait:
        _follow(made, plan, cluster)


def _asked(
    sight: Sight, purpose: Purpose, target: str | None, accepted: str | None, retain: str
) -> Asked:
    zone = sight.source.zone
    try:
        parse_duration(retain)
    except ValueError as error:
        raise click.UsageError(f"--retain {error}") from error
    if accepted is not None and purpose != "Recovery":
        raise click.UsageError("--accept-loss-since goes with --purpose Recovery: nothing is lost by others")
    return Asked(
        purpose,
        instant_in(zone, target, option="--to") if target else None,
        instant_in(zone, accepted, option="--accept-loss-since") if accepted else None,
        retain,
    )


def plan_of(sight: Sight, asked: Asked) -> Plan:
    """What would come of it. Raises Failure where there is nothing to be reached."""
    zone = sight.source.zone
    if sight.source.instance.spec.backup is None:
        raise Failure("the database is external: whoever runs it restores it", exit_code=FOUND)
    facts, reached = sight.source.facts, target_of(sight.found, asked.target, zone=zone)
    live = cluster_name(sight.source.instance)
    left = replaced_at(facts, live, asked.target) if asked.target else None
    if left is not None and asked.target is not None:
        reached = past_target(left, asked.target, zone=zone)
    if isinstance(reached, Refusal):
        why = f"{reached.message} ({sight.doubt})" if sight.doubt else reached.message
        raise Failure(f"{reached.reason}: {why}", exit_code=FOUND)
    latest = sight.report.memory.latest if sight.report else None
    answers = latest is not None and sight.now - latest.at <= FRESH
    refused, word = loss_refused(reached, accepted=asked.accepted, answers=answers, zone=zone), ""
    if asked.purpose == "Recovery" and refused is not None:
        text = refused.message.replace("state acceptLossSince", "give --accept-loss-since")
        word = f"{refused.reason}: {text}"
    return Plan(asked, sight, reached, expected(sight.found, facts), left.source if left else "", word)


def as_json(plan: Plan) -> Manifest:
    """The plan for programs."""
    found: dict[str, JsonValue] = {
        "instance": plan.sight.source.owner,
        "purpose": plan.asked.purpose,
        "target": rfc3339(plan.target.point),
        "clamped": plan.clamped,
        "from": plan.part or None,
        "lost": duration_text(plan.lost) if plan.asked.purpose == "Recovery" else None,
        "expected": duration_text(plan.expected) if plan.expected is not None else None,
        "retain": plan.asked.retain,
        "steps": list(STEPS[plan.asked.purpose]),
    }
    return {key: value for key, value in found.items() if value is not None}


def _print(plan: Plan) -> None:
    say(f"{plan.sight.source.owner}: {plan.asked.purpose}", "bold")
    show(pairs([*_rows(plan)]))
    say("\nSteps", "bold")
    for number, step in enumerate(STEPS[plan.asked.purpose], start=1):
        say(f"  {number}. {step}")


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    zone, point = plan.sight.source.zone, plan.target.point
    stops = "" if plan.target.exact else ", and all that was archived later"
    yield "restores", f"{utc(point)} ({wall(point, zone)}){stops}"
    if plan.part:
        yield "from", f"the backups of {plan.part}, which served then; the copy shows whether they are there"
    if plan.clamped and plan.asked.target is not None:
        yield "clamped", f"{utc(plan.asked.target)} was asked for, and is later than what is recoverable"
    if plan.asked.purpose == "Recovery":
        yield "loses", f"what was written in the last {length(plan.lost)}, and until it is rolled out"
        yield "keeps", f"the old database for {plan.asked.retain}, and until the new one has a backup"
    else:
        kept = f"the copy for {plan.asked.retain}" if plan.asked.purpose == "Clone" else "nothing"
        yield "loses", "nothing: what serves is untouched"
        yield "keeps", kept
    if plan.expected is not None:
        end = plan.sight.now + plan.expected
        yield "takes", f"about {length(plan.expected)}, until {utc(end)}, and the time to look at it"


def _make(plan: Plan, cluster: Cluster) -> str:
    """Create the object; its name."""
    from dedicated.cli.cluster import ask

    asked, instance = plan.asked, plan.sight.source.instance
    name = f"{instance.name}-{asked.purpose.lower()}-{plan.sight.now:%Y%m%d-%H%M%S}"
    spec: Manifest = {"instance": instance.name, "purpose": asked.purpose, "retain": asked.retain}
    spec |= {"target": rfc3339(asked.target)} if asked.target else {}
    spec |= {"acceptLossSince": rfc3339(asked.accepted)} if asked.accepted else {}
    head: Manifest = {
        "name": name,
        "namespace": instance.namespace,
        "labels": {LABEL_INSTANCE: instance.name},
    }
    body: Manifest = {
        "apiVersion": API_VERSION,
        "kind": INSTANCE_RESTORE.kind,
        "metadata": head,
        "spec": spec,
    }

    async def make(client: "Client", _namespace: str) -> Manifest:
        return await client.create(INSTANCE_RESTORE, body)

    return get_str(ask(cluster, make), "metadata", "name")


def _follow(name: str, plan: Plan, cluster: Cluster) -> None:
    """Tell each phase until the restore is where it is waited for. Raises Failure where it failed."""
    from dedicated.cli.cluster import ask

    namespace, wanted = plan.sight.source.instance.namespace, WAITED[plan.asked.purpose]

    async def watch(client: "Client", _namespace: str) -> Manifest:
        told = ""
        while True:
            status = get_map(await client.get(INSTANCE_RESTORE, namespace, name), "status")
            phase = get_str(status, "phase")
            if phase != told:
                say(f"  {phase:<10} {get_str(status, 'message')}")
                told = phase
            if phase in wanted or phase == "Failed":
                return status
            await sleep(PAUSE)

    status = ask(cluster, watch)
    if get_str(status, "phase") == "Failed":
        raise Failure(f"{get_str(status, 'reason')}: {get_str(status, 'message')}", exit_code=FOUND)
