"""`dedicated announce`: an emergency maintenance, as an object that says what is to be done and the record of
its notice, with which the customer's five days begin (M-6).

Both are made once: said again after a lost answer, what is there already is found.
"""

from typing import TYPE_CHECKING

import click

from dedicated.api.json import Manifest, array, get_map
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import MAINTENANCE
from dedicated.cli.frame import Cluster, cluster_options, output
from dedicated.cli.recording import write
from dedicated.cli.source import Source, in_cluster
from dedicated.cli.terminal import FOUND, Failure, Output
from dedicated.cluster.errors import ApiError

if TYPE_CHECKING:
    from dedicated.cluster.client import Client



@click.command(short_help="Announce an emergency maintenance (provider).")
@click.argument("name")
@click.argument("request")
@click.option("--kind", type=click.Choice(["Security", "Performance"]), required=True, help="Why it is so.")
@click.option("--reference", required=True, metavar="TEXT", help="The advisory or ticket that it is for.")
@click.option("--change", "changes", required=True, multiple=True, metavar="TEXT",
              help="What will be changed (repeatable): nothing else is (M-5).")  # fmt: skip
@click.option("--duration", required=True, metavar="TIME", help="Length of the slot that it needs: 2h, 90m.")
@click.option("--downtime", metavar="TIME", help="Interruption to be expected; default: none.")
@click.option("--supersedes", metavar="REQUEST", help="An earlier emergency that this one contains.")
@click.option("--dry-run", is_flag=True, help="Let the API server judge it, and store nothing.")
@output
@cluster_options
def announce(
    *, name: str, request: str, kind: str, reference: str, changes: tuple[str, ...], duration: str,
    downtime: str | None, supersedes: str | None, dry_run: bool, cluster: Cluster, output: Output,
) -> None:  # fmt: skip
    """Announce emergency maintenance REQUEST of instance NAME: make its Maintenance, and record Notified.

    The customer has 5 days from the record to permit a slot that begins within them (M-6). REQUEST is a name
    of your own, such as cve-2026-1234; months have regular-YYYY-MM.
    """
    source = in_cluster(name, cluster)
    notice: Manifest = {"kind": kind, "duration": duration, "changes": array(changes)}
    notice |= {"downtime": downtime} if downtime else {}
    notice |= {"supersedes": supersedes} if supersedes else {}
    wanted: Manifest = {"instance": source.instance.name, "reference": reference, **notice}
    _make(source, request, wanted, cluster=cluster, dry_run=dry_run)
    said: Manifest = {"request": request, "reference": reference, "notice": notice}
    write(source, "Notified", said, cluster=cluster, dry_run=dry_run, output=output)


def _make(source: Source, request: str, spec: Manifest, *, cluster: Cluster, dry_run: bool) -> None:
    """Create the Maintenance, or find the same. Raises Failure, also where the name says otherwise."""
    from dedicated.cli.cluster import ask

    namespace = source.instance.namespace
    body: Manifest = {
        "apiVersion": MAINTENANCE.api_version,
        "kind": MAINTENANCE.kind,
        "metadata": {
            "name": request,
            "namespace": namespace,
            "labels": {LABEL_INSTANCE: source.instance.name},
        },
        "spec": spec,
    }

    async def make(client: "Client", _namespace: str) -> None:
        try:
            await client.create(MAINTENANCE, body, dry_run=dry_run)
        except ApiError as error:
            if not error.conflict:
                raise
            found = get_map(await client.get(MAINTENANCE, namespace, request), "spec")
            if {**found, **spec} != found:
                text = f"Maintenance {request} is there and says otherwise, for good: take another name"
                raise Failure(text, exit_code=FOUND) from error

    ask(cluster, make)
