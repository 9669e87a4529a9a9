"""`dedicated export` and `dedicated export-verify`: all of an instance to its customer, and what arrived.

The first makes an `InstanceExport`, or finds the same, and can follow it; all work is done in the cluster.
The second needs no cluster: a downloaded folder and the recipient's identity. They are two commands, since a
name of an instance may be any word.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dedicated.api.duration import duration_text
from dedicated.api.json import Manifest, get_int, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import INSTANCE_EXPORT
from dedicated.cli.frame import App, Cluster, cluster_options
from dedicated.cli.source import Source, in_cluster
from dedicated.cli.terminal import FOUND, Failure, say
from dedicated.cluster.errors import ApiError
from dedicated.contract.transfer.export import MB, Rates
from dedicated.contract.transfer.export import Manifest as LogicalManifest
from dedicated.contract.transfer.physical_export import PhysicalManifest
from dedicated.reconcile.exports import ENDED, rates_of

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

USAGE = 2
LOOK_SECONDS = 2.0


@click.command(short_help="All of an instance, sealed to its customer, in a bucket.")
@click.argument("name")
@click.option("--recipient", required=True, metavar="AGE", help="The customer's public key of age: age1...")
@click.option("--to", "bucket", required=True, metavar="BUCKET[/PREFIX]", help="Where it is stored.")
@click.option("--endpoint", required=True, metavar="HOST[:PORT]", help="Of the bucket's store.")
@click.option("--region", required=True, metavar="REGION", help="Of the bucket.")
@click.option("--secret", required=True, metavar="NAME", help="Secret with the store's keys.")
@click.option("--format", "form", type=click.Choice(["logical", "physical"]), default="logical",
              show_default=True, help="physical: addresses of the engine's own backups.")  # fmt: skip
@click.option("--valid-for", metavar="TIME", help="physical: how long addresses are read; default: 24h.")
@click.option("--as", "order", metavar="NAME", help="Name of the InstanceExport; default: NAME and the time.")
@click.option("--image", metavar="IMAGE", help="PostgreSQL's programs; default: the engine's own image.")
@click.option("--scratch", default="20Gi", show_default=True, metavar="SIZE",
              help="Volume for dump and trial import: twice the database is on the safe side.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Follow it to its end.")
@click.option("--dry-run", is_flag=True, help="Print the plan, let the API server judge it, store nothing.")
@cluster_options
@click.pass_obj
def export(
    app: App, *, name: str, recipient: str, bucket: str, endpoint: str, region: str, secret: str, form: str,
    valid_for: str | None, order: str | None, image: str | None, scratch: str, wait: bool, dry_run: bool,
    cluster: Cluster,
) -> None:  # fmt: skip
    """Export instance NAME: database, roles, keys and configuration, sealed to the recipient alone.

    It is imported into an empty PostgreSQL before it is stored, and read back after it. A physical one is the
    list of addresses, tried one by one, by which the engine's newest backup and its log can be read for some
    time. Exit code 1: with --wait, it failed.
    """
    source = in_cluster(name, cluster)
    at, _, prefix = bucket.partition("/")
    destination: Manifest = {"bucket": at, "endpoint": endpoint, "region": region, "secretName": secret}
    destination |= {"prefix": prefix} if prefix else {}
    spec: Manifest = {"instance": name, "recipient": recipient, "destination": destination}
    spec |= {"scratch": {"size": scratch}, "format": form.capitalize()}
    if valid_for:
        spec["validFor"] = valid_for
    if image:
        spec["image"] = image
    chosen = order or f"{name}-{app.now().strftime('%Y%m%d-%H%M%S')}"
    if dry_run:
        logical = form == "logical"
        for line in _plan(source, spec, _exports(source, cluster)) if logical else _physical_plan(spec):
            say(line)
    _make(source, chosen, spec, cluster=cluster, dry_run=dry_run)
    if not dry_run:
        say(f"InstanceExport {source.instance.namespace}/{chosen} is asked for")
    if wait and not dry_run:
        _follow(source, chosen, cluster)


def dumped(app: App, name: str, *, scratch: str, cluster: Cluster, dry_run: bool, no_wait: bool) -> None:
    """A drill: the same as an export of instance NAME, up to its proof. Nothing is stored. Raises Failure."""
    source = in_cluster(name, cluster)
    if source.instance.spec.database.cluster is None:
        raise Failure("the database is external: whoever runs it tries its dump out", exit_code=FOUND)
    spec: Manifest = {"instance": name, "purpose": "Drill", "scratch": {"size": scratch}}
    chosen = f"{name}-drill-{app.now().strftime('%Y%m%d-%H%M%S')}"
    if dry_run:
        for line in _plan(source, spec, _exports(source, cluster)):
            say(line)
    _make(source, chosen, spec, cluster=cluster, dry_run=dry_run)
    if not dry_run:
        say(f"InstanceExport {source.instance.namespace}/{chosen} is asked for")
    if not dry_run and not no_wait:
        _follow(source, chosen, cluster)


@click.command("export-verify", short_help="Check a downloaded export, and name what is wrong.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--identity", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="The recipient's identity of age; without it, objects alone are checked.")  # fmt: skip
@click.option("--sha256", default="", metavar="DIGITS", help="Of manifest.json: status.manifestSha256.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write what is opened there, ready for an import.")  # fmt: skip
def export_verify(*, folder: Path, identity: Path | None, sha256: str, output: Path | None) -> None:
    """Check FOLDER, a downloaded export: every object is there, has its bytes, and opens.

    What is wrong is named, and the exit code is 1.
    """
    from dedicated.agents.export.folder import (
        NotAnIdentityError,
        check,
        check_fetched,
        either_in,
        identity_in,
    )

    try:
        opener = identity_in(identity) if identity is not None else None
        manifest = either_in(folder, sha256=sha256)
        found = [*check(folder, manifest, opener, output=output)]
        found += check_fetched(folder, manifest) if isinstance(manifest, PhysicalManifest) else ()
    except FileNotFoundError as error:
        raise Failure(f"{folder}: {Path(error.filename).name} is missing", exit_code=FOUND) from error
    except NotAnIdentityError as error:
        raise Failure(str(error), exit_code=USAGE) from error
    except (OSError, ValueError) as error:
        raise Failure(f"{folder}: {error}", exit_code=FOUND) from error
    for finding in found:
        say(str(finding), "red")
    count = len(manifest.files) + (len(manifest.objects) if isinstance(manifest, PhysicalManifest) else 0)
    if found:
        raise Failure(f"{len(found)} of {count} files are not as exported", exit_code=FOUND)
    say(f"{count} files are as exported" + ("" if opener else "; none was opened: no identity was given"))
    say(_told(manifest))


def _told(manifest: LogicalManifest | PhysicalManifest) -> str:
    """What an export is of."""
    of = f"{manifest.namespace}/{manifest.instance}, ZITADEL {manifest.zitadel}, PostgreSQL "
    if isinstance(manifest, PhysicalManifest):
        at = manifest.reached.committed.isoformat(timespec="seconds")
        size = manifest.object_bytes // MB
        backup = f"backup {manifest.backup}, {len(manifest.objects)} objects of {size} MB"
        return f"{of}{manifest.major}, as of {at} and later: {backup}"
    tables, at = manifest.database.tables, manifest.database.at.isoformat(timespec="seconds")
    rows = sum(table.rows for table in tables)
    return f"{of}{manifest.database.major}, as of {at}: {len(tables)} tables, {rows} rows"


def _physical_plan(spec: Manifest) -> Iterator[str]:
    """What would be done. The repository is listed in seconds; it is not known how much it holds."""
    yield "1 the engine's repository is listed, and held against the newest full backup's own manifest"
    yield f"2 each object gets an address that is valid for {get_str(spec, 'validFor') or '24h'}"
    yield "3 every address is tried without a key, and its size compared"
    yield f"4 the list and the keys are sealed to {get_str(spec, 'recipient')}"
    yield f"5 stored in {get_str(spec, 'destination', 'bucket')}, and read back; manifest.json comes last"


def _plan(source: Source, spec: Manifest, before: list[Manifest]) -> Iterator[str]:
    """What would be done, and how long it takes, as far as an earlier export tells."""
    own = [one for one in before if get_str(one, "spec", "instance") == source.instance.name]
    statuses = [get_map(one, "status") for one in own]
    rates, sizes = rates_of(statuses), [get_int(status, "databaseBytes") for status in statuses]
    size = max(sizes, default=0)
    cluster = source.instance.spec.database.cluster
    programs = get_str(spec, "image") or (cluster.image if cluster else "(none: name --image)")
    yield f"1 one snapshot of the primary is dumped, with programs of {programs}{_at(size, rates.dump)}"
    yield f"2 imported into an empty server, rows and checksums compared{_at(size, rates.verify)}"
    if where := get_map(spec, "destination"):
        yield f"3 each file sealed to {get_str(spec, 'recipient')}"
        yield (
            f"4 stored in {get_str(where, 'bucket')} at {get_str(where, 'endpoint')}, and read back"
            f"{_at(size, rates.store)}"
        )
        yield "5 manifest.json is written last"
    else:
        yield "3 what was found is recorded, and the dump removed: nothing is stored"
    if size:
        yield f"expected: {duration_text(_seconds(rates.estimate(size)))} for {size // MB} MB"
    else:
        per_gb = _seconds(Rates().estimate(1000 * MB) - Rates().estimate(0))
        yield f"expected: {duration_text(per_gb)} for each GB; the size is not known before the first export"


def _at(size: int, rate: float) -> str:
    return f": {duration_text(timedelta(seconds=round(size / rate)))}" if size else ""


def _seconds(length: timedelta) -> timedelta:
    return timedelta(seconds=round(length.total_seconds()))


def _exports(source: Source, cluster: Cluster) -> list[Manifest]:
    from dedicated.cli.cluster import ask

    async def load(client: "Client", _namespace: str) -> list[Manifest]:
        found, _ = await client.list(INSTANCE_EXPORT, source.instance.namespace)
        return [*found]

    return ask(cluster, load)


def _make(source: Source, order: str, spec: Manifest, *, cluster: Cluster, dry_run: bool) -> None:
    """Create the order, or find the same. Raises Failure, also where the name says otherwise."""
    from dedicated.cli.cluster import ask

    namespace = source.instance.namespace
    body: Manifest = {
        "apiVersion": INSTANCE_EXPORT.api_version,
        "kind": INSTANCE_EXPORT.kind,
        "metadata": {
            "name": order,
            "namespace": namespace,
            "labels": {LABEL_INSTANCE: source.instance.name},
        },
        "spec": spec,
    }

    async def make(client: "Client", _namespace: str) -> None:
        try:
            await client.create(INSTANCE_EXPORT, body, dry_run=dry_run)
        except ApiError as error:
            if not error.conflict:
                raise
            found = get_map(await client.get(INSTANCE_EXPORT, namespace, order), "spec")
            if {**found, **spec} != found:
                text = f"InstanceExport {order} is there and says otherwise, for good: take another name"
                raise Failure(text, exit_code=FOUND) from error

    ask(cluster, make)


def _follow(source: Source, order: str, cluster: Cluster) -> None:
    """Say how far it is, until its end. Raises Failure where it failed."""
    from dedicated.cli.cluster import ask

    async def look(client: "Client", _namespace: str) -> Manifest:
        said = ""
        while True:
            status = get_map(await client.get(INSTANCE_EXPORT, source.instance.namespace, order), "status")
            line = progress_line(status)
            if line != said:
                say(line)
                said = line
            if get_str(status, "phase") in ENDED:
                return status
            await asyncio.sleep(LOOK_SECONDS)

    status = ask(cluster, look)
    if get_str(status, "phase") == "Failed":
        raise Failure(get_str(status, "message"), exit_code=FOUND)


def progress_line(status: Manifest) -> str:
    """How far an export is, in one line."""
    found = get_str(status, "phase") or "Pending"
    total = get_int(status, "progress", "total")
    if total:
        done = get_int(status, "progress", "bytes")
        found += f" {done * 100 // total} % of {total // MB} MB"
    if end := get_str(status, "expectedEnd"):
        found += f", expected end {datetime.fromisoformat(end).astimezone(UTC):%H:%M:%SZ}"
    if message := get_str(status, "message"):
        found += f": {message}"
    if expires := get_str(status, "expires"):
        found += f", addresses expire {expires}"
    if manifest := get_str(status, "manifest"):
        found += f": {manifest}, sha256 {get_str(status, 'manifestSha256')}"
    return found
