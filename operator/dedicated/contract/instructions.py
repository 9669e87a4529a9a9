"""The provider's instruction to modify an instance, given before (O-4).

While one is in force its grantee holds the verb that opens the protection of the instance, and what they
change is kept; when it ends it is undone. Whether a change was allowed is judged by the records and never by
the verb: it was made while an instruction on that object was in force. An instruction that is recorded after
the write does not count.

managedFields tell when a field was set, but not who the user was, and no time of a scale or of a removal. So
an instruction covers whatever is changed in its scope while it is in force; a change without a time counts as
made when it is seen, or up to 10 minutes before. A deletion leaves no trace: what was deleted is made again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.findings import Finding
from dedicated.contract.facts import Fact, Grantee, Instructed

Verdict = Literal["Kept", "Undone", "Modification"]
SEEN_LATE = timedelta(minutes=10)
"""A change without a time is seen at most so long after it was made, as a rule at once."""


def in_force(facts: Iterable[Fact], *, now: datetime) -> tuple[Instructed, ...]:
    """The instructions that hold now."""
    return tuple(fact for fact in facts if isinstance(fact, Instructed) and fact.in_force(now))


def grantees(facts: Iterable[Fact], *, now: datetime) -> tuple[Grantee, ...]:
    """Who is instructed now, each once, in one order."""
    found = {fact.grantee for fact in in_force(facts, now=now)}
    return tuple(sorted(found, key=lambda who: (who.kind, who.namespace, who.name)))


def next_change(facts: Iterable[Fact], *, now: datetime) -> datetime | None:
    """When the next instruction begins or ends; None if none does."""
    given = [fact for fact in facts if isinstance(fact, Instructed) and fact.since < fact.valid_until]
    return min((at for fact in given for at in (fact.since, fact.valid_until) if at > now), default=None)


def judge(facts: Iterable[Fact], what: str, *, made: datetime | None, now: datetime) -> Verdict:
    """What a change of an object (Kind/name) is; `made` is None where the API server does not tell."""
    allowed = [
        fact
        for fact in facts
        if isinstance(fact, Instructed)
        and (not fact.scope or what in fact.scope)
        and (fact.in_force(made) if made is not None else _could_cover(fact, now))
    ]
    if not allowed:
        return "Modification"
    return "Kept" if any(fact.in_force(now) for fact in allowed) else "Undone"


def findings(facts: Iterable[Fact], *, now: datetime) -> tuple[Finding, ...]:
    """Who may modify the instance now, and until when."""
    return tuple(
        Finding(
            code="InstructionInForce",
            responsible="Provider",
            message=f"{_words(fact.grantee)} may change {', '.join(fact.scope) or 'every managed object'} "
            f"(O-4, record {fact.name}): {fact.reason}",
            action="nothing; what is changed is kept until then, and then undone",
            deadline=fact.valid_until,
        )
        for fact in in_force(facts, now=now)
    )


def _could_cover(fact: Instructed, now: datetime) -> bool:
    return fact.since <= now < fact.valid_until + SEEN_LATE


def _words(who: Grantee) -> str:
    return f"{who.kind} {f'{who.namespace}/' if who.namespace else ''}{who.name}"
