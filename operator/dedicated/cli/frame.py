"""What the commands share: the clock they are given, and the options that mean the same everywhere."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TypeVar

import click

from dedicated.contract.dates import Month, UnknownZoneError, instant_of

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class App:
    """The wall clock, and how the command was called."""

    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where, as whom, and in which namespace: options as given; the rest is the kubeconfig's."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


output = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)


def instance_file(*, required: bool) -> Callable[[F], F]:
    """Option -f: the file of a DedicatedInstance."""
    return click.option(
        "-f",
        "--filename",
        "file",
        type=click.Path(dir_okay=False, allow_dash=True),
        required=required,
        metavar="FILE",
        help="YAML file with a DedicatedInstance; - is standard input.",
    )


def records_file(*, required: bool = False) -> Callable[[F], F]:
    """Option --records: what `kubectl get crec -o yaml` wrote."""
    return click.option(
        "--records",
        type=click.Path(dir_okay=False),
        required=required,
        metavar="FILE",
        help="ContractRecords with their creationTimestamp, as kubectl get crec -o yaml writes them.",
    )


def instant_in(zone: str, text: str, *, option: str) -> datetime:
    """The instant that an argument names: with an offset as it stands, else by the clock of the zone.

    `2026-06-01T09:00`, `2026-06-01 09:00+02:00`, `2026-06-01` (00:00), `2026-06` (the 1st); from 1970 to
    2999. Raises click.UsageError.
    """
    try:
        if not 1970 <= int(text[:4]) <= 2999:
            raise ValueError(text)
        if len(text) == len("2026-06"):
            year, number = text.split("-")
            return Month(int(year), int(number)).start(zone)
        found = datetime.fromisoformat(text)
        return instant_of(found, zone) if found.tzinfo is None else found.astimezone(UTC)
    except UnknownZoneError as error:
        raise click.UsageError(str(error)) from error
    except ValueError as error:
        example = "2026-06-01T09:00 (contract zone), 2026-06-01T07:00Z, 2026-06-01 or 2026-06"
        raise click.UsageError(f"{option} {text!r} is not a time; write {example}") from error


def cluster_options(command: Callable[..., object]) -> Callable[..., object]:
    """Options --kubeconfig, --context and -n as kubectl has them; the command gets them as `cluster`."""

    @wraps(command)
    def called(
        *, kubeconfig: str | None, context: str | None, namespace: str | None, **others: object
    ) -> object:
        return command(cluster=Cluster(kubeconfig, context, namespace), **others)

    found: Callable[..., object] = called
    for option in (
        click.option("--kubeconfig", metavar="FILE", help="Default: KUBECONFIG, or ~/.kube/config."),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig."),
        click.option("-n", "--namespace", metavar="NAME", help="Default: that of the context."),
    ):
        found = option(found)
    return found
