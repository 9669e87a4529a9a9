"""What a record on rate limits changes, or why it has no effect (RL-3, RL-4)."""

from collections.abc import Iterator

from dedicated.api.rate_limit import RateLimit
from dedicated.cli.facts import Record
from dedicated.cli.source import Source
from dedicated.cli.words import utc
from dedicated.contract.raised_ranges import Grant, grants_in
from dedicated.contract.raising import OverrideWithdrawn

RAISING = frozenset({"Override", "LoadTest"})


def effects(source: Source, record: Record) -> Iterator[str]:
    """The effects of a record; none of one about anything else. `source` has it."""
    settings = source.instance.spec.rate_limit or RateLimit()
    if record.spec.fact in RAISING:
        grants, problems = grants_in(source.facts, ipv6_prefix=settings.ipv6_prefix)
        yield from (_granted(grant) for grant in grants if grant.record == record.name)
        for problem in problems:
            if problem.record == record.name:
                text = f"{problem.field} {problem.value}: {problem.reason}; {problem.fix}"
                yield f"has no effect: {text}"
    elif isinstance(record.fact, OverrideWithdrawn):
        yield from _withdrawn(source, record.fact)
    else:
        return
    if source.instance.spec.edge is None:
        yield "no limiter stands: without spec.edge no limit is enforced, and none has to be raised"


def _granted(grant: Grant) -> str:
    limits = "no limits" if grant.factor is None else f"{grant.factor} times the published limits"
    if grant.until <= grant.since:
        return f"has no effect: {grant.network} would have {limits} until {utc(grant.until)}, which is over"
    return f"{grant.network} has {limits} from {utc(grant.since)} until {utc(grant.until)}"


def _withdrawn(source: Source, fact: OverrideWithdrawn) -> Iterator[str]:
    named = [record for record in source.records if record.name == fact.record]
    if any(record.spec.fact in RAISING for record in named):
        yield f"{fact.record} no longer holds"
    else:
        yield f"has no effect: {fact.record} is no Override and no LoadTest of {source.instance.name}"
