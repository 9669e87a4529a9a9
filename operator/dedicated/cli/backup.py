"""`dedicated backup`: one backup beside the schedule, asked for and followed."""

import asyncio
from typing import TYPE_CHECKING

import click

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_int, get_map, get_str
from dedicated.api.names import API_VERSION, LABEL_INSTANCE
from dedicated.api.objects import INSTANCE_BACKUP
from dedicated.cli.frame import App, Cluster, cluster_options
from dedicated.cli.source import Source, in_cluster
from dedicated.cli.terminal import FOUND, Failure, say
from dedicated.cli.words import length

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

LOOK = 2.0
"""Seconds between two looks at a backup that is followed."""
LAST = {"Full": "lastFull", "Differential": "lastDifferential"}


@click.command(short_help="Ask for a backup beside the schedule, and follow it.")
@click.argument("name")
@click.option("--kind", type=click.Choice([*LAST]), default="Full", show_default=True,
              help="Differential where the engine has them.")  # fmt: skip
@click.option("--keep-days", type=click.IntRange(1, 3650), default=14, show_default=True,
              help="Days until the InstanceBackup goes; the backup is kept as spec.backup says.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Follow it to its end; the exit code is 1 if it fails.")
@click.option("--dry-run", is_flag=True, help="Let the API server judge it, and store nothing.")
@cluster_options
@click.pass_obj
def backup(
    app: App, *, name: str, cluster: Cluster, kind: str, keep_days: int, wait: bool, dry_run: bool
) -> None:
    """Make an InstanceBackup of instance NAME. What can be restored is told by dedicated recovery NAME."""
    from dedicated.cli.cluster import ask

    source = in_cluster(name, cluster)
    body = order(source, kind, keep_days=keep_days, mark=f"{app.now():%Y%m%d-%H%M%S}")
    made = get_str(body, "metadata", "name")

    async def make(client: "Client", _namespace: str) -> Manifest:
        await client.create(INSTANCE_BACKUP, body, dry_run=dry_run)
        return await _followed(client, source.instance.namespace, made) if wait and not dry_run else {}

    say(f"{made}: {kind.lower()} backup of {source.owner}, {expected(source, kind)}")
    if dry_run:
        ask(cluster, make)
        say("  dry run: nothing stored")
        return
    status = ask(cluster, make)
    if get_str(status, "state") == "Failed":
        raise Failure(f"{made}: {get_str(status, 'reason')}: {get_str(status, 'message')}", exit_code=FOUND)
    if wait:
        seconds, size = get_int(status, "durationSeconds"), get_int(status, "sizeBytes")
        say(f"  completed in {seconds} s, {size:,} bytes, {get_str(status, 'label') or 'no label'}")
    else:
        say(f"  asked for: kubectl get ib {made} -n {source.instance.namespace} --watch")


def order(source: Source, kind: str, *, keep_days: int, mark: str) -> Manifest:
    """The InstanceBackup, named by when it was asked for."""
    name = source.instance.name
    return {
        "apiVersion": API_VERSION,
        "kind": INSTANCE_BACKUP.kind,
        "metadata": {
            "name": f"{name}-{kind.lower()}-{mark}",
            "namespace": source.instance.namespace,
            "labels": {LABEL_INSTANCE: name},
        },
        "spec": {"instance": name, "kind": kind, "keepDays": keep_days},
    }


def expected(source: Source, kind: str) -> str:
    """How long it may take: as long as the last of its kind."""
    last = get_map(source.body, "status", "recovery", LAST[kind])
    begun, ended = parse_time(get_str(last, "started")), parse_time(get_str(last, "finished"))
    if begun is None or ended is None:
        return "how long it takes is not known: none of its kind was complete yet"
    return f"the last one took {length(ended - begun)}"


async def _followed(client: "Client", namespace: str, name: str) -> Manifest:
    """The status of a backup that has ended; each new state is told."""
    told = ""
    while True:
        status = get_map(await client.get(INSTANCE_BACKUP, namespace, name), "status")
        state = " ".join(filter(None, (get_str(status, "state") or "Pending", get_str(status, "reason"))))
        if state != told:
            say(f"  {state}")
            told = state
        if get_str(status, "state") in {"Completed", "Failed"}:
            return status
        await asyncio.sleep(LOOK)
