"""`dedicated delete`: what goes and what stays, the confirmation on record, and the deletion.

The confirmation and the DELETE are two commands, so that they can be two people's. Whether they may is
admission's to say; without a confirmation nothing is even sent. Nothing waits here for the end: with a
database of its own it is weeks away, and the status tells how far it is.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.objects import INSTANCE
from dedicated.cli.frame import App, Cluster, cluster_options
from dedicated.cli.recording import write
from dedicated.cli.source import Source, in_cluster
from dedicated.cli.terminal import FOUND, Failure, pairs, say, show, table
from dedicated.cli.words import utc
from dedicated.contract.deletion import VALID, deletion_of, people

if TYPE_CHECKING:
    from dedicated.cluster.client import Client


@click.command(short_help="What goes and what stays; confirm it; delete it.")
@click.argument("name")
@click.option("--confirm", is_flag=True, help="State on record that it may be deleted; good for 7 days.")
@click.option("--withdraw", is_flag=True, help="Take back on record what was confirmed, by whoever.")
@click.option("--dry-run", is_flag=True, help="Print the plan; store and delete nothing.")
@cluster_options
@click.pass_obj
def delete(
    app: App, *, name: str, cluster: Cluster, confirm: bool, withdraw: bool, dry_run: bool
) -> None:
    """Delete instance NAME: first --confirm, then the same without it, by somebody else on plan Advanced.

    Of an instance that is being deleted, it tells how far that is; --withdraw holds it where it is, and what
    is gone stays gone. The exit code is 1 where a confirmation is missing.
    """
    if confirm and withdraw:
        raise click.UsageError("--confirm and --withdraw are two words: say one")
    source = in_cluster(name, cluster)
    if withdraw:
        _state(source, "DeletionWithdrawn", cluster, dry_run=dry_run)
        return
    if source.instance.meta.deleting and not confirm:
        _tell_steps(source)
        return
    say(f"{source.owner}: deleting it means", "bold")
    show(pairs([*plan_of(source, app)]))
    if dry_run:
        return
    if confirm:
        _state(source, "DeletionConfirmed", cluster, dry_run=False)
        say(f"  good for {VALID.days} days; the operator shows it in status.deletion within seconds")
        return
    if not get_str(source.body, "status", "deletion", "confirmedBy"):
        text = f"{source.owner} is not confirmed: dedicated delete {name} --confirm"
        raise Failure(text, exit_code=FOUND)
    _delete(source, cluster)


def _state(source: Source, fact: str, cluster: Cluster, *, dry_run: bool) -> None:
    said: Manifest = {"incarnation": source.instance.meta.uid}
    write(source, fact, said, cluster=cluster, dry_run=dry_run, output="table", anew=True)


def plan_of(source: Source, app: App) -> Iterator[tuple[str, str]]:
    """What happens to each part, and when."""
    spec, status = source.instance.spec, source.body.get("status")
    end = deletion_of(spec)
    by, until = get_str(status, "deletion", "confirmedBy"), get_str(status, "deletion", "until")
    who = "by somebody else than who confirmed it" if people(spec) == "TwoPeople" else "by one person"
    yield "confirmation", f"{by}, good until {until}" if by else f"missing; good for {VALID.days} days"
    yield "deletion", who
    if end.policy == "Orphan":
        yield "everything", "stays as it runs, without owner and label: nobody looks after it any more"
        return
    if spec.database.engine == "external":
        yield "pods, Services", "go at once"
        yield "database", "is its owner's: untouched"
    else:
        skipped = end.final_backup == "Skipped"
        asked = "full, asked for after the deletion; a failing one holds all that follows"
        final = "none, by agreement on T-1" if skipped else asked
        earliest = app.now() + timedelta(days=end.retention_days)
        yield "final backup", final
        yield "pods", "go when the final backup is on record"
        stays = f"stays {end.retention_days} days more, until {utc(earliest)} at the earliest"
        yield "database", f"{stays}; then it goes with its volumes"
        yield "backups", f"stay in the repository for {spec.backup.retention.days if spec.backup else 0} days"
    yield "keys, identity", "stay, in Secrets of the namespace: without them no data can be read"
    yield "records", "stay"


def _delete(source: Source, cluster: Cluster) -> None:
    from dedicated.cli.cluster import ask

    key, uid = source.instance.meta.key, source.instance.meta.uid

    async def send(client: "Client", _namespace: str) -> None:
        await client.delete(INSTANCE, key.namespace, key.name, uid=uid)

    ask(cluster, send)
    say(f"{source.owner}: deletion has begun; dedicated delete {key.name} tells how far it is")


def _tell_steps(source: Source) -> None:
    """The steps as the operator tells them."""
    since = source.instance.meta.deleted
    say(f"{source.owner}: being deleted since {utc(since) if since else 'now'}", "bold")
    rows = [
        (get_str(step, "name"), get_str(step, "state"), get_str(step, "message"))
        for step in get_list(source.body, "status", "deletion", "steps")
    ]
    show(table(("STEP", "STATE", "MESSAGE"), rows))
    due = parse_time(get_str(source.body, "status", "deletion", "removeAfter"))
    if due is not None:
        say(f"the database goes after {utc(due)}; until then spec.deletion.policy Orphan keeps it")
