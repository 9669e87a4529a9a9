"""`dedicated keys`: open a key bundle with a recipient's identity, on the day of need and before it.

`show` opens and checks, and tells what a bundle is; it prints no key. `restore` writes manifests, or makes
the objects: each only where there is none of its name, so that nothing that stands is written over.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.objects import KIND_BY_NAME, Kind, ref_of
from dedicated.cli.frame import App, Cluster, cluster_options, output
from dedicated.cli.opening import Opened, identities_in, newest_in, newest_ledger, opened
from dedicated.cli.recording import write
from dedicated.cli.source import in_cluster
from dedicated.cli.terminal import FOUND, USAGE, Failure, Output, emit, pairs, say, show
from dedicated.cluster.errors import ApiError
from dedicated.contract.recovery.bundle import BundleError
from dedicated.parts.reopened import IDENTITY, SECRETS, Batch, batches, begun_from_backup
from dedicated.parts.restarted import Restarted

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

FILE = click.Path(dir_okay=False, path_type=Path)
BUNDLE = click.Path(path_type=Path)
OURS_TO_READ = 0o600
KEYS_ALONE = frozenset({SECRETS, IDENTITY})
"""Batches of what `--keys-only` brings back."""


@click.group(short_help="Open a key bundle with a recipient's identity.")
def keys() -> None:
    """Open what is kept beside the cluster: the key bundle, and the ledger (docs/keys.md)."""


identity_option = click.option(
    "-i", "--identity", type=FILE, required=True, help="File with the recipient's age identity."
)


@keys.command("show", short_help="Open a bundle, check it, and tell what it is.")
@click.argument("bundle", type=BUNDLE)
@identity_option
@click.option("--prove", "proves", is_flag=True, help="Record in the cluster that it was opened.")
@output
@cluster_options
@click.pass_obj
def show_bundle(
    app: App, *, bundle: Path, identity: Path, proves: bool, output: Output, cluster: Cluster
) -> None:
    """Open BUNDLE, check every checksum, and tell what it is. No key is printed.

    BUNDLE may be the folder of an instance's bundles: the newest is opened.
    """
    path, _ = _chosen(bundle, (), with_ledger=False)
    found = opened(path, identities_in(identity), what="Bundle")
    told = _told(found)
    if proves:
        _prove(found, cluster, output, at=app.now())
        return
    if output != "table":
        emit(told, output)
        return
    show(pairs([(name, str(value)) for name, value in told.items() if isinstance(value, str | int)]))
    say(f"whole: {len(found.members)} members are as they were packed")


@keys.command("restore", short_help="Bring keys and ledger back, as manifests or into a cluster.")
@click.argument("bundle", type=BUNDLE)
@identity_option
@click.option(
    "--ledger", "ledgers", type=FILE, multiple=True, help="Ledger beside it (repeatable); the newest counts."
)
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), help="New folder for manifests.")
@click.option("--apply", "applies", is_flag=True, help="Make the objects, where there are none of the name.")
@click.option("--keys-only", is_flag=True, help="Secrets and identity: for an instance that still stands.")
@click.option("--from-backup", is_flag=True, help="The instance begins from its newest backup (spec.from).")
@cluster_options
@click.pass_obj
def restore(
    app: App,
    *,
    bundle: Path,
    identity: Path,
    ledgers: tuple[Path, ...],
    folder: Path | None,
    applies: bool,
    keys_only: bool,
    from_backup: bool,
    cluster: Cluster,
) -> None:
    """Open BUNDLE, check it, and write what an empty cluster needs: Secrets, identity, records, the instance.

    BUNDLE may be the folder of an instance's bundles and ledgers: the newest of both are taken.
    Exit code 1: it is damaged, it is not sealed to this identity, or what stands in the cluster differs.
    """
    if (folder is None) == (not applies):
        raise Failure("name one of -o DIR and --apply", exit_code=USAGE)
    if keys_only and from_backup:
        raise Failure("--keys-only leaves the instance out, which --from-backup is about", exit_code=USAGE)
    identities = identities_in(identity)
    path, beside = _chosen(bundle, ledgers, with_ledger=not keys_only)
    found = opened(path, identities, what="Bundle")
    newest = newest_ledger([opened(path, identities, what="Ledger") for path in beside], found.contents)
    try:
        made, begun = batches(found.contents, found.members, newest.members if newest else {}), None
        if from_backup:
            made, begun = begun_from_backup(made, found.contents, found.members, now=app.now())
    except BundleError as error:
        raise Failure(f"{path}: {error}", exit_code=FOUND) from None
    if keys_only:
        made = tuple(batch for batch in made if batch.name in KEYS_ALONE)
    _say_what(found, newest, keys_only=keys_only)
    if begun is not None:
        _say_begun(begun)
    if folder is not None:
        _write(folder, made)
    else:
        _make(cluster, found.contents.namespace, made)


def _chosen(bundle: Path, ledgers: tuple[Path, ...], *, with_ledger: bool) -> tuple[Path, tuple[Path, ...]]:
    """The bundle and the ledgers that are opened; which, is said where a folder was named. Raises Failure."""
    if not bundle.is_dir():
        return bundle, ledgers if with_ledger else ()
    newest, found = newest_in(bundle)
    beside = found if with_ledger else ()
    click.echo(f"newest: {', '.join(str(path) for path in (newest, *beside[-1:]))}", err=True)
    return newest, ledgers if ledgers and with_ledger else beside


def _prove(found: Opened, cluster: Cluster, output: Output, *, at: datetime) -> None:
    """Record it, once a day for each bundle, by whoever is a side of the contract."""
    contents = found.contents
    within = replace(cluster, namespace=cluster.namespace or contents.namespace)
    reference = f"bundle {contents.number}, masterkey {contents.fingerprint}, {at.date()}"
    source = in_cluster(contents.instance, within)
    write(source, "KeysOpened", {"reference": reference}, cluster=within, dry_run=False, output=output)


def _told(found: Opened) -> Manifest:
    contents = found.contents
    openers: JsonValue = [{"role": one.role, "fingerprint": one.fingerprint} for one in contents.openers]
    return {
        "instance": f"{contents.namespace}/{contents.instance}",
        "incarnation": contents.incarnation,
        "number": contents.number,
        "writtenAt": rfc3339(contents.at),
        "fingerprint": contents.fingerprint,
        "masterkey": f"secrets/{contents.masterkey}",
        "sha256": found.sha256,
        "openers": openers,
        "versions": dict(contents.versions),
    }


def _say_what(bundle: Opened, ledger: Opened | None, *, keys_only: bool) -> None:
    contents = bundle.contents
    say(f"bundle {contents.number} of {rfc3339(contents.at)}: masterkey {contents.fingerprint}, whole")
    if keys_only:
        return
    if ledger is None:
        say("no ledger: no record is brought back; the newest ledger-*.age beside it has them")
    else:
        say(f"ledger {ledger.contents.number} of {rfc3339(ledger.contents.at)}, whole")


def _say_begun(begun: Restarted) -> None:
    """What it begins from, and which Secrets its user makes."""
    source = get_map(begun.instance, "spec", "from", "backup")
    say(f"begins from s3://{get_str(source, 'bucket')}/{get_str(source, 'folder')}")
    for name, what in begun.needed.items():
        say(f"make Secret {name}, it is in no bundle: {what}")


def _write(folder: Path, made: Iterable[Batch]) -> None:
    """One file for each batch, for its owner alone. Raises Failure where the folder is there already."""
    import yaml

    try:
        folder.mkdir(mode=0o700, parents=True)
        for batch in made:
            path = folder / f"{batch.name}.yaml"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OURS_TO_READ)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                yaml.safe_dump_all(batch.manifests, file, sort_keys=False, allow_unicode=True)
            say(f"  {batch.name}.yaml: {len(batch.manifests)}")
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}; name a new folder", exit_code=USAGE) from None
    say("create one after the other, 4 and 5 as who was granted restore-records by its name (docs/keys.md)")
    say(f"then delete {folder}: it holds the keys")


def _make(cluster: Cluster, namespace: str, made: Iterable[Batch]) -> None:
    """Make each object. Raises Failure where one that stands is another."""
    from dedicated.cli.cluster import ask

    async def create(client: "Client", _: str) -> list[str]:
        differing = []
        for batch in made:
            for manifest in batch.manifests:
                kind, name = KIND_BY_NAME[get_str(manifest, "kind")], ref_of(manifest)
                if await _created(client, kind, manifest):
                    say(f"  {name}: made")
                elif await _is_same(client, kind, namespace, manifest):
                    say(f"  {name}: there already, the same")
                else:
                    differing.append(str(name))
        return differing

    if differing := ask(cluster, create):
        text = f"there already, and not as in the bundle: {', '.join(differing)}; nothing was written over"
        raise Failure(text, exit_code=FOUND)


async def _created(client: "Client", kind: Kind, manifest: Manifest) -> bool:
    try:
        await client.create(kind, manifest)
    except ApiError as error:
        if not error.conflict:
            raise
        return False
    return True


async def _is_same(client: "Client", kind: Kind, namespace: str, manifest: Manifest) -> bool:
    there = await client.get(kind, namespace, get_str(manifest, "metadata", "name"))
    return all(there.get(part) == manifest[part] for part in ("data", "spec") if part in manifest)
