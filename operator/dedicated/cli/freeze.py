"""`dedicated freeze`: a stretch without maintenance, for the spec.

A freeze is spec and not a record: the spec belongs to its users, most often to Git. So what is printed is
the YAML to commit, judged as `dedicated check` judges it; a patch of the cluster would be undone by the next
sync. `--apply` is for those whose instance lives in the cluster alone, and is refused where the fields show
that a tool applies them.
"""

from typing import TYPE_CHECKING

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, array, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE
from dedicated.cli.frame import App, Cluster, cluster_options, instance_file, instant_in, records_file
from dedicated.cli.source import Source, source_of
from dedicated.cli.terminal import FOUND, Failure, emit, say
from dedicated.cli.verdicts import verdicts

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

OURS = frozenset({"kubectl", "kubectl-client-side-apply", "dedicated-cli"})
"""Field managers of people at a keyboard."""


@click.command(short_help="A stretch without maintenance: the YAML to commit, or --apply.")
@click.argument("name", required=False)
@instance_file(required=False)
@records_file()
@click.option("--from", "start", required=True, metavar="TIME", help="First instant.")
@click.option("--until", "end", required=True, metavar="TIME", help="End; at most 92 days later (M-3).")
@click.option("--reason", required=True, metavar="TEXT", help="Shown wherever the freeze is.")
@click.option("--apply", is_flag=True, help="Write it into the cluster, where no tool applies the instance.")
@click.option("--dry-run", is_flag=True, help="With --apply: let the API server judge it, store nothing.")
@cluster_options
@click.pass_obj
def freeze(
    app: App, *, name: str | None, file: str | None, records: str | None, cluster: Cluster,
    start: str, end: str, reason: str, apply: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Add a freeze to spec.maintenance.freezes of an instance: NAME in the cluster, or the one in FILE.

    Prints the YAML to commit where the instance is kept. The exit code is 1, and nothing is written, if
    admission or the first pass would say anything of it that it does not say now.
    """
    source = source_of(name, file=file, records=records, cluster=cluster)
    if apply and name is None:
        raise click.UsageError("--apply writes to the cluster: name the instance, not a file")
    item: Manifest = {
        "from": rfc3339(instant_in(source.zone, start, option="--from")),
        "until": rfc3339(instant_in(source.zone, end, option="--until")),
        "reason": reason,
    }
    kept = get_list(source.body, "spec", "maintenance", "freezes")
    freezes = sorted([*kept, item], key=lambda freeze: get_str(freeze, "from"))
    _judge(app, source, freezes)
    if apply:
        _apply(source, cluster, freezes, dry_run=dry_run)
        return
    say(f"# {source.owner}: commit this where the instance is kept", "dim")
    emit({"spec": {"maintenance": {"freezes": array(freezes)}}}, "yaml")


def _judge(app: App, source: Source, freezes: list[JsonValue]) -> None:
    """Raises Failure for what would be said of the instance with these freezes, and is not said now."""
    now = app.now()
    spec = get_map(source.body, "spec")
    changed: Manifest = {**spec, "maintenance": {**get_map(spec, "maintenance"), "freezes": array(freezes)}}
    known = verdicts(source.body, source.facts, catalogue=None, now=now)
    found = verdicts({**source.body, "spec": changed}, source.facts, catalogue=None, now=now)
    new = [verdict for verdict in found if verdict not in known]
    if new:
        text = f"{new[0].field}: {new[0].reason}"
        raise Failure(f"{text}; {new[0].fix}" if new[0].fix else text, exit_code=FOUND)


def _apply(source: Source, cluster: Cluster, freezes: list[JsonValue], *, dry_run: bool) -> None:
    from dedicated.cli.cluster import ask

    tool = _applier(source.body)
    if tool:
        text = f"{tool} applies {source.owner} and would put its own spec back: commit the freeze there"
        raise Failure(text, exit_code=FOUND)
    meta = source.instance.meta
    patch: Manifest = {
        "metadata": {"resourceVersion": meta.resource_version},
        "spec": {"maintenance": {"freezes": array(freezes)}},
    }

    async def write(client: "Client", _namespace: str) -> None:
        await client.patch(
            INSTANCE, meta.key.namespace, meta.key.name, patch, content="merge", dry_run=dry_run
        )

    ask(cluster, write)
    say(f"{source.owner}: {len(freezes)} freezes{' (dry run: nothing stored)' if dry_run else ''}")


def _applier(body: Manifest) -> str:
    """The tool that applies the spec, by the fields that it owns; empty if only people do."""
    for entry in get_list(body, "metadata", "managedFields"):
        manager, applied = get_str(entry, "manager"), get_str(entry, "operation") == "Apply"
        if applied and manager not in OURS and get_map(entry, "fieldsV1", "f:spec"):
            return manager
    return ""
