"""The key bundle's Job, carried out at once and without a store."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from builders import IDENTITY
from dedicated.api.json import Manifest, get_list
from dedicated.api.objects import JOB, Ref
from dedicated.api.resource import Instance, parse_instance
from dedicated.contract.recovery.escrow import Attempt, Report, Written
from dedicated.parts.escrow import Kept, secrets_of


def arguments(job: Manifest) -> dict[str, str]:
    """What a Job is told, by name; what may stand more than once is not asked for."""
    (container,) = get_list(job, "spec", "template", "spec", "containers")
    given = (str(one).partition("=") for one in get_list(container, "args"))
    return {name: value for name, _, value in given}


def is_schema_job(ref: Ref) -> bool:
    """Whether it is a Job, and none of the key bundle."""
    return ref.kind == JOB.kind and "-escrow-" not in ref.name


@dataclass
class PlayedEscrow:
    """The record, the Jobs asked for, and the version of each Secret that is there; `works`: Jobs write,
    and are gone; else `attempts` are under way."""

    kept: Kept | None = None
    jobs: list[Manifest] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    works: bool = True
    attempts: tuple[Attempt, ...] = ()

    def bundled(self, body: Manifest) -> dict[str, str]:
        """The versions of what a bundle would hold."""
        instance = parse_instance(body)
        if not isinstance(instance, Instance) or instance.spec.key_bundle is None:
            return {}
        return {name: self.versions.get(name, "uid/1") for name in secrets_of(instance)}

    def carry_out(self, job: Manifest, *, now: datetime) -> None:
        """A Job is made, and writes."""
        self.jobs.append(job)
        if not self.works:
            return
        told, known = arguments(job), self.kept.report if self.kept else None
        report = replace(known or Report(told["--uid"]), fingerprint=IDENTITY.masterkey, trouble=None)
        if mark := told.get("--bundle"):
            report = replace(report, bundle=_put(mark, report.bundle, now))
        if mark := told.get("--ledger"):
            report = replace(report, ledger=_put(mark, report.ledger, now))
        self.kept = Kept(self.kept.made if self.kept else now, report)


def _put(mark: str, before: Written | None, now: datetime) -> Written:
    number = before.number + 1 if before else 1
    return Written(mark, number, f"object-{mark}-{number}", "0" * 64, now)
