"""The command line in tests: run in this process at a fixed time, its words compared with files to read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from click.testing import CliRunner

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import API_VERSION, KIND, RECORD_KIND
from dedicated.cli.commands import dedicated
from dedicated.cli.frame import App

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*arguments: str, stdin: str | None = None, now: datetime = NOW) -> Ran:
    """Run a command."""
    result = CliRunner().invoke(dedicated, list(arguments), input=stdin, obj=App(lambda: now))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def golden(name: str) -> str:
    """What a command is to say."""
    return (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def written(folder: Path, name: str, *bodies: Manifest) -> str:
    """A file with these objects; its path."""
    path = folder / name
    path.write_text(yaml.safe_dump_all(bodies, sort_keys=False), encoding="utf-8")
    return str(path)


def instance(plan: JsonValue = "Advanced", **spec: JsonValue) -> Manifest:
    """A small instance."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "acme", "namespace": "acme"},
        "spec": {
            "plan": plan,
            "domain": "login.acme.example",
            "release": {"version": "v4.15.2"},
            "infrastructure": {"class": "GoogleCloud"},
            "database": {"external": {"state": "New", "secretRef": {"name": "acme-database"}}},
            **spec,
        },
    }


WINDOW: Manifest = {"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}


def record(name: str, at: str, fact: str, **spec: JsonValue) -> Manifest:
    """A record of acme as kubectl prints it; `by` is the side that states it unless given."""
    return {
        "apiVersion": API_VERSION,
        "kind": RECORD_KIND,
        "metadata": {"name": name, "namespace": "acme", "creationTimestamp": at},
        "spec": {"instance": "acme", "fact": fact, "by": "alice@acme.example", **spec},
    }


def three_refused() -> list[Manifest]:
    """Three months refused, and what the provider made of it."""
    return [
        *(
            record(f"refused-{month}", f"{month}-05T09:00:00Z", "Refused", request=f"regular-{month}")
            for month in ("2026-02", "2026-03", "2026-04")
        ),
        record(
            "escalated", "2026-05-04T08:00:00Z", "Escalated",
            by="ops@provider.example", issue="regular-2026-02", reference="TICKET-7",
        ),
        record(
            "notice", "2026-05-11T08:00:00Z", "TerminationNotice",
            by="ops@provider.example", issue="regular-2026-02", reference="letter of 11 May",
        ),
    ]  # fmt: skip
