"""`dedicated check`: an instance judged before it is committed."""

from pathlib import Path
from typing import TypeVar

import click
import yaml
from pydantic import BaseModel, ValidationError

from dedicated.api.catalogue import Catalogue
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.names import KIND
from dedicated.api.places import Places
from dedicated.api.resource import meta_of
from dedicated.cli.facts import facts_of, records_about, records_in
from dedicated.cli.frame import App, instance_file, output, records_file
from dedicated.cli.manifests import read
from dedicated.cli.terminal import FOUND, USAGE, Failure, Output, emit, say
from dedicated.cli.verdicts import Verdict, verdicts
from dedicated.contract.places import atlas_of
from dedicated.reconcile.obligations import AHEAD_MONTHS

ModelT = TypeVar("ModelT", bound=BaseModel)
TITLES = {"Admission": "Refused at admission", "FirstPass": "Found in the first pass"}


@click.command(short_help="Judge an instance before it is committed.")
@instance_file(required=True)
@records_file()
@click.option(
    "--releases",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The operator's release catalogue; without it releases are not checked.",
)
@click.option(
    "--places",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What the operator's map of places has beside those that are built in.",
)
@output
@click.pass_context
def check(
    context: click.Context,
    file: str,
    records: str | None,
    releases: Path | None,
    places: Path | None,
    output: Output,
) -> None:
    """What admission and the first pass would say of the DedicatedInstances in FILE, without a cluster.

    The exit code is 1 if they would say anything. Not seen: what needs the cluster (nodes, Secrets, the
    database) and changes of immutable fields. Windows and freezes are followed for 13 months.
    """
    now = context.ensure_object(App).now()
    catalogue = _read(Catalogue, releases) if releases else None
    atlas = atlas_of(_read(Places, places) if places else Places())
    recorded = records_in(records)
    found = []
    for body in read(file, KIND):
        facts = facts_of(records_about(recorded, meta_of(body).key))
        found.append((body, verdicts(body, facts, catalogue=catalogue, atlas=atlas, now=now)))
    if output == "table":
        for body, said in found:
            _tell(body, said, file)
        if records is None and any(get_list(body, "spec", "agreements") for body, _ in found):
            say("\nno records were read (--records): no agreement counts as valid", "yellow")
    else:
        emit([_as_json(body, said) for body, said in found], output)
    if any(said for _, said in found):
        context.exit(FOUND)


def _read(model: type[ModelT], file: Path) -> ModelT:
    try:
        return model.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise Failure(f"{file}: {' '.join(str(error).split())}", exit_code=USAGE) from error


def _as_json(body: Manifest, said: tuple[Verdict, ...]) -> JsonValue:
    return {
        "namespace": get_str(body, "metadata", "namespace"),
        "name": get_str(body, "metadata", "name"),
        "findings": [verdict.manifest() for verdict in said],
    }


def _tell(body: Manifest, said: tuple[Verdict, ...], file: str) -> None:
    name = get_str(body, "metadata", "name")
    if not said:
        say(f"{name} ({file}): nothing to say; windows and freezes hold for {AHEAD_MONTHS} months", "green")
        return
    say(f"{name} ({file}): {TITLES[said[0].by].lower()}, {len(said)} to mend", "bold red")
    for verdict in said:
        say("")
        stands = f" = {verdict.value}" if verdict.value else ""
        say(f"  {verdict.field}{stands}", "bold")
        say(f"    {verdict.reason}")
        if verdict.fix:
            say(f"    {verdict.responsible or 'Fix'}: {verdict.fix}")
