"""Writing a record: whose it is, what it is called, and what it does.

A record is stated by who creates it, as the API server knows them; whether they may is admission's to say,
and its words are passed on as they are. Its name follows from what it says and from the record before it
about the same request or issue: said again after a lost answer it is found and not doubled, said again after
something else was said it is a new word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, digest, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import RECORD
from dedicated.api.record import RecordSpec
from dedicated.cli import raised
from dedicated.cli.facts import Record, records_about
from dedicated.cli.frame import Cluster
from dedicated.cli.source import Source
from dedicated.cli.terminal import USAGE, Failure, Output, emit, say
from dedicated.cli.words import utc
from dedicated.cluster.errors import ApiError
from dedicated.contract.facts import history
from dedicated.contract.raising import OverrideWithdrawn
from dedicated.contract.timeline import replay

if TYPE_CHECKING:
    from dedicated.cluster.client import Client

ANSWERS = frozenset({"Permitted", "Refused", "Withdrawn", "Blocked"})
"""Facts of which the last word counts: said again after another, each is a new word."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record that stands: `made` now, or before by the same words."""

    source: Source
    record: Record
    made: bool

    def effects(self) -> list[str]:
        """What it changes by the contract's rules."""
        others = [record for record in self.source.records if record.name != self.record.name]
        source = Source(self.source.body, self.source.instance, (*others, self.record))
        at = self.record.at
        moment = next(replay(source.facts, source.owed(at).terms, start=at, end=at))
        changed = (change.what for change in moment.changes)
        return [*_overruled(source, self.record), *changed, *raised.effects(source, self.record)]


def _overruled(source: Source, record: Record) -> Iterator[str]:
    """In one second, what withholds is the later word whichever came first (contract/facts.py)."""
    for request in history(source.facts).requests:
        last = request.answers[-1] if request.answers else None
        if last and last.at == record.at and last.name != record.name and request.name == record.spec.request:
            yield f"has no effect: {last.name} ({last.word}) is of the same second, and stands; say it again"


def draft(source: Source, fact: str, said: Manifest, *, by: str) -> Manifest:
    """The object of a record. Raises Failure for one that admission would refuse for its form."""
    spec: Manifest = {"instance": source.instance.name, "fact": fact, "by": by, **said}
    try:
        RecordSpec.model_validate(spec)
    except ValidationError as error:
        path, reason = error.errors()[0]["loc"], error.errors()[0]["msg"]
        text = f"{'.'.join(map(str, path))}: {reason}"
        raise Failure(text, exit_code=USAGE) from error
    before = about(source.records, fact, said)
    told: list[JsonValue] = [source.instance.meta.uid, spec, before[-1].name if before else ""]
    return {
        "apiVersion": RECORD.api_version,
        "kind": RECORD.kind,
        "metadata": {
            "name": f"{source.instance.name}-{fact.lower()}-{digest(told)}",
            "namespace": source.instance.namespace,
            "labels": {LABEL_INSTANCE: source.instance.name},
        },
        "spec": spec,
    }


def about(records: Sequence[Record], fact: str, said: Manifest) -> list[Record]:
    """The records about the same request or issue in order; of facts that have neither, those of the fact."""
    request, issue = get_str(said, "request"), get_str(said, "issue")
    if not (request or issue):
        return [record for record in records if record.spec.fact == fact]
    subject = (request, issue)
    return [found for found in records if (found.spec.request or "", found.spec.issue or "") == subject]


def said_before(source: Source, fact: str, said: Manifest) -> Record | None:
    """The record that says this already: of answers the last word, of other facts any that has effect."""
    found = about(source.records, fact, said)
    if not found:
        return None
    rejected = {item.record for item in source.owed(source.records[-1].at).clocks.rejected}
    rejected |= {item.record for item in source.facts if isinstance(item, OverrideWithdrawn)}
    standing = found[-1:] if fact in ANSWERS else [record for record in found if record.name not in rejected]
    spec: Manifest = {"instance": source.instance.name, "fact": fact, "by": "anyone", **said}
    return next((record for record in reversed(standing) if record.says(spec)), None)


def write(
    source: Source, fact: str, said: Manifest, *, cluster: Cluster, dry_run: bool, output: Output,
    anew: bool = False,
) -> None:  # fmt: skip
    """Record it and tell what that changes, unless it is said already; `anew`: also then.

    Raises Failure, with admission's words where it refuses.
    """
    from dedicated.cli.cluster import ask

    async def create(client: "Client", _namespace: str) -> Recorded:
        body = draft(source, fact, said, by=await client.user_name())
        before = None if anew else said_before(source, fact, said)
        if before is not None:
            return Recorded(source, before, made=False)
        try:
            answer = await client.create(RECORD, body, dry_run=dry_run)
        except ApiError as error:
            if not error.conflict:
                raise
            # Somebody, maybe we ourselves with a lost answer, has recorded the same after the same.
            found = await client.get(RECORD, source.instance.namespace, get_str(body, "metadata", "name"))
            return Recorded(source, records_about([found], source.instance.meta.key)[0], made=False)
        return Recorded(source, records_about([answer], source.instance.meta.key)[0], made=True)

    recorded = ask(cluster, create)
    if output == "table":
        _tell(recorded, dry_run=dry_run)
    else:
        emit(_as_json(recorded, dry_run=dry_run), output)


def _tell(recorded: Recorded, *, dry_run: bool) -> None:
    record = recorded.record
    done = "would be recorded" if dry_run else "recorded"
    state = f"{done} by {record.spec.by}" if recorded.made else f"recorded before by {record.spec.by}"
    say(f"{record.name}: {state}, {utc(record.at)}")
    for effect in recorded.effects():
        say(f"  {effect}")


def _as_json(recorded: Recorded, *, dry_run: bool) -> Manifest:
    return {
        "name": recorded.record.name,
        "at": rfc3339(recorded.record.at),
        "by": recorded.record.spec.by,
        "made": recorded.made and not dry_run,
        "dryRun": dry_run,
        "effects": [*recorded.effects()],
    }
