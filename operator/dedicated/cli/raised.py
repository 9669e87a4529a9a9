"""What a record does to the rate limits (RL-3, RL-4), told to whoever states it."""

from collections.abc import Iterator

from dedicated.api.conditions import rfc3339
from dedicated.cli.facts import Record
from dedicated.cli.source import Source
from dedicated.cli.words import span
from dedicated.contract.raised_ranges import Grant, Problem, grants_in
from dedicated.contract.raising import LoadTest, Override, OverrideWithdrawn
from dedicated.contract.rate_limits import API, UI, policy_in_force


def raised_told(source: Source, record: Record) -> Iterator[str]:
    """From when to when which limits are others by a record, or why it has no effect."""
    rate_limit = source.instance.spec.rate_limit
    in_force = policy_in_force(rate_limit, source.facts, now=record.at)
    match record.fact:
        case Override() | LoadTest():
            grants, problems = grants_in(source.facts, ipv6_prefix=in_force.policy.ipv6_prefix)
            named = {entry.range for entry in in_force.policy.entries if entry.record == record.name}
            for grant in grants:
                if grant.record == record.name:
                    yield _granted(grant, source.zone)
                    if grant.since <= record.at and str(grant.network) not in named:
                        yield "  other records give as much already"
            yield from (problem_told(found) for found in problems if found.record == record.name)
        case OverrideWithdrawn():
            yield f"from now on the limits are as if {record.fact.record} had ended"
        case _:
            return
    if source.instance.spec.edge is None:
        yield "spec.edge is not set: no limiter stands, so nothing is limited"


def _granted(grant: Grant, zone: str) -> str:
    limits = "not limited"
    if grant.factor is not None:
        ui, api = UI.times(grant.factor).limit, API.times(grant.factor).limit
        limits = f"{ui} requests a minute to /ui/, {api} to everything else"
    stretch = span(grant.since, grant.until, zone)
    return f"{grant.network}: {limits}, {stretch} {zone} (until {rfc3339(grant.until)})"


def problem_told(found: Problem) -> str:
    """A record that has no effect, in a line."""
    return f"{found.record} has no effect: {found.field} {found.value}: {found.reason}; {found.fix}"
