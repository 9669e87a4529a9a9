"""`dedicated import`: what an instance with `spec.from` begins with, how long it takes; then made, followed.

The plan is reckoned from the file alone, by the operator's own rules; whether the source is whole, and the
masterkey its own, is seen by the Job that reads it. The DedicatedInstance is all that is written.
"""

from asyncio import sleep
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from dedicated.api.duration import duration_text
from dedicated.api.json import JsonValue, Manifest, get_int, get_map, get_str
from dedicated.api.objects import INSTANCE
from dedicated.api.quantity import parse_quantity
from dedicated.api.source import Source, SourceKind
from dedicated.cli.frame import App, Cluster, cluster_options, instance_file, output
from dedicated.cli.source import in_files
from dedicated.cli.terminal import FOUND, USAGE, Failure, Output, emit, pairs, say, show
from dedicated.cli.words import length
from dedicated.contract.recovery.points import Rates as RestoreRates
from dedicated.contract.transfer.import_report import Rates as LogicalRates
from dedicated.contract.transfer.importing import origin_of, place_of

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

_LOADED = (
    "the instance's own database is made, empty, and marked",
    "the dump is put into it, as its owner",
    "rows and checksums of each table are compared; the encryption keys are opened with the masterkey",
    "a record says that it is imported; from then on spec.from has no effect",
    "ZITADEL's setup runs, then server and login",
)
STEPS: dict[SourceKind, tuple[str, ...]] = {
    "Export": (
        "the manifest is held against its SHA-256, then each object against its own, and opened",
        *_LOADED,
    ),
    "Database": ("one snapshot of the source is dumped; nothing is written there", *_LOADED),
    "Backup": (
        "the engine restores the backup into the instance's own database, which archives to its own place",
        "it is looked at: end of recovery, pages, event store, encryption keys opened with the masterkey",
        *_LOADED[3:],
    ),
}
EXAMPLE = 10 * 10**9
"""Bytes of a database that durations are told for where its size is not given."""
PAUSE = 2.0
"""Seconds between two looks at the instance."""
STALLED = "Failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes of it. `size` is the database's, in bytes, as given."""

    owner: str
    source: Source
    into: str
    size: int | None

    @property
    def takes(self) -> timedelta:
        """For a database of its size, or of 10 GB."""
        size = self.size or EXAMPLE
        if self.source.backup is None:
            return LogicalRates().estimate(size, dumped=self.source.database is not None)
        return timedelta(seconds=size / RestoreRates().copy)


@click.command("import", short_help="Make an instance that starts from data elsewhere (provider).")
@instance_file(required=True)
@click.option("--size", metavar="SIZE", help="Of the database, such as 20Gi: what it takes follows from it.")
@click.option("--dry-run", is_flag=True, help="Print the plan; the API server judges, and stores nothing.")
@click.option("--offline", is_flag=True, help="With --dry-run: ask no API server either.")
@click.option("--wait", is_flag=True, help="Follow it until it is imported.")
@output
@cluster_options
@click.pass_obj
def import_(
    app: App, *, file: str, size: str | None, dry_run: bool, offline: bool, wait: bool, cluster: Cluster,
    output: Output,
) -> None:  # fmt: skip
    """Make the DedicatedInstance in FILE, which says in spec.from what it starts from.

    It prints where the data comes from, the steps and how long they take. Interrupted, the import goes on:
    kubectl get di NAME -o yaml tells in status.import how far it is.
    """
    del app
    if offline and not dry_run:
        raise click.UsageError("--offline goes with --dry-run")
    found = in_files(file, None)
    plan = _planned(found.owner, found.instance.spec.from_, found.instance.spec.database.engine, size)
    if output == "table":
        _print(plan)
    else:
        emit(as_json(plan), output)
    if offline:
        return
    _create(found.body, cluster, dry_run=dry_run)
    if dry_run:
        say("\nthe API server takes it; nothing is stored")
        return
    say(f"\nDedicatedInstance {found.owner} is made", "bold")
    if wait:
        _follow(found.instance.name, cluster)


def _planned(owner: str, source: Source | None, engine: str, size: str | None) -> Plan:
    if source is None:
        raise Failure(f"{owner}: spec.from names nothing to start from", exit_code=FOUND)
    amount = parse_quantity(size) if size else None
    if size and not amount:
        raise Failure(f"--size {size!r} is no amount such as 20Gi", exit_code=USAGE)
    return Plan(owner, source, engine, int(amount) if amount else None)


def as_json(plan: Plan) -> Manifest:
    """The plan for programs."""
    found: dict[str, JsonValue] = {
        "instance": plan.owner,
        "source": plan.source.kind,
        "origin": origin_of(plan.source),
        "place": place_of(plan.source) or None,
        "engine": plan.into,
        "size": plan.size,
        "expected": duration_text(plan.takes) if plan.size else None,
        "steps": list(STEPS[plan.source.kind]),
    }
    return {key: value for key, value in found.items() if value is not None}


def _print(plan: Plan) -> None:
    say(f"{plan.owner}: import", "bold")
    what = length(plan.takes)
    show(
        pairs(
            [
                ("from", origin_of(plan.source)),
                ("place", place_of(plan.source) or "not known: it is where the Secret's URL leads"),
                ("into", f"an empty database, engine {plan.into}"),
                ("takes", f"about {what}" if plan.size else f"about {what} for each 10 GB (give --size)"),
            ]
        )
    )
    say("\nSteps", "bold")
    for number, step in enumerate(STEPS[plan.source.kind], start=1):
        say(f"  {number}. {step}")


def _create(body: Manifest, cluster: Cluster, *, dry_run: bool) -> None:
    from dedicated.cli.cluster import ask

    async def make(client: "Client", namespace: str) -> Manifest:
        metadata = get_map(body, "metadata")
        placed: Manifest = {**body, "metadata": {"namespace": namespace, **metadata}}
        return await client.create(INSTANCE, placed, dry_run=dry_run)

    ask(cluster, make)


def _follow(name: str, cluster: Cluster) -> None:
    """Tell each phase until it is imported. Raises Failure where only a person can go on."""
    from dedicated.cli.cluster import ask

    async def watch(client: "Client", namespace: str) -> Manifest:
        told = ""
        while True:
            status = get_map(await client.get(INSTANCE, namespace, name), "status", "import")
            line = f"  {get_str(status, 'phase'):<10} {get_str(status, 'message')}{_progress(status)}"
            if status and line != told:
                say(line)
                told = line
            if get_str(status, "phase") in ("Imported", STALLED):
                return status
            await sleep(PAUSE)

    status = ask(cluster, watch)
    if get_str(status, "phase") == STALLED:
        text = f"{get_str(status, 'message')}. {get_str(status, 'responsible')} must act"
        raise Failure(text, exit_code=FOUND)


def _progress(status: Manifest) -> str:
    total = get_int(status, "progress", "total")
    return f" ({100 * get_int(status, 'progress', 'bytes') // total} %)" if total else ""
