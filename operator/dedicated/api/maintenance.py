"""`spec.maintenance`: when maintenance may run, and what waits for it (M-1 to M-5, M-13).

Admission refuses what the spec alone shows, in the words of a rule and not of a pattern: the person who
mistyped a window reads what to write. What needs a calendar (a fifth Monday, a freeze in the way) is a
finding of the first pass, and so is a zone that the zone data does not hold; CEL has neither.
Limit: the rules on a recurrence are regular expressions, since CEL cannot take it apart at a bounded cost.
Whatever they let through, `parse_recurrence` reads; a test holds them to it.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.duration import Duration, parse_duration
from dedicated.api.recurrence import LENGTH, is_rarer_than_quarterly, parse_recurrence
from dedicated.api.rules import ApiModel, Rule, list_map
from dedicated.api.words import Time, instant

SHORTEST_WINDOW = timedelta(hours=2)
"""Shortest window, and shortest usable slot (M-4)."""
LONGEST_WINDOW = timedelta(days=7)
"""A week of windows joins up without a gap; longer ones say nothing more."""
LONGEST_FREEZE = timedelta(days=92)
"""No three months are longer (M-3)."""
CONTRACT_ZONE = "Europe/Zurich"
"""The contract's time zone, unless the spec names another (K-1)."""

_DAY = "(MO|TU|WE|TH|FR|SA|SU)"
_MONTH_DAY = "[-+]?([1-9]|[12][0-9]|3[01])"
_POSITION = "[-+]?([1-9][0-9]?|[12][0-9][0-9]|3[0-5][0-9]|36[0-6])"


def _list_of(item: str) -> str:
    return f"{item}(,{item})*"


_PARTS = {
    "FREQ": "(WEEKLY|MONTHLY|YEARLY)",
    "INTERVAL": "[1-9][0-9]{0,2}",
    "BYDAY": _list_of(f"([-+]?[1-5])?{_DAY}"),
    "BYMONTHDAY": _list_of(_MONTH_DAY),
    "BYMONTH": _list_of("([1-9]|1[0-2])"),
    "BYSETPOS": _list_of(_POSITION),
    "WKST": _DAY,
}
_PART = "(" + "|".join(f"{name}={value}" for name, value in _PARTS.items()) + ")"
_TWICE = "|".join(f"{name}=.*;{name}=" for name in _PARTS)
_TOO_LONG = {"WEEKLY": "(1[4-9]|[2-9][0-9]|[1-9][0-9]{2})", "MONTHLY": "([4-9]|[1-9][0-9]+)",
             "YEARLY": "([2-9]|[1-9][0-9]+)"}  # fmt: skip
"""Intervals of `recurrence.FREQUENCIES` exceeded."""


def _field(name: str, value: str = "") -> str:
    """The pattern of a field anywhere in a recurrence; with a value: of exactly that one."""
    return f"(^|;){name}={value}(;|$)" if value else f"(^|;){name}="


@dataclass(frozen=True, slots=True)
class _Form:
    """What a recurrence must look like where it matches `where` (empty: everywhere)."""

    message: str
    where: str = ""
    wants: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()

    def rule(self) -> Rule:
        text = "self.recurrence"
        terms = [_matches(text, pattern) for pattern in self.wants]
        terms += [f"!{_matches(text, pattern)}" for pattern in self.bars]
        cel = " && ".join(terms)
        return Rule(
            cel=f"!{_matches(text, self.where)} || ({cel})" if self.where else cel,
            message=f"recurrence {self.message}",
            field="recurrence",
            shown="recurrence",
            holds=lambda window: self.holds(window.recurrence),
        )

    def holds(self, text: str) -> bool:
        """Whether a recurrence has the form."""
        if self.where and not _search(self.where, text):
            return True
        return all(_search(p, text) for p in self.wants) and not any(_search(p, text) for p in self.bars)


def _matches(text: str, pattern: str) -> str:
    return f"{text}.matches('{pattern}')"


def _search(pattern: str, text: str) -> bool:
    # `$` is the end of the text in CEL; Python's also stands before a last line end.
    return re.search(pattern.replace("$", r"\Z"), text) is not None


_WEEKLY = _field("FREQ", "WEEKLY")
_FORMS = (
    _Form(
        "is no rule that a window can have: write FREQ=WEEKLY, MONTHLY or YEARLY and of BYDAY, BYMONTHDAY, "
        "BYMONTH, BYSETPOS, INTERVAL, WKST what is needed, such as FREQ=MONTHLY;BYDAY=2SU; the time of "
        "day is the window's start, and a window has no COUNT and no UNTIL",
        wants=(f"^{_PART}(;{_PART})*$", _field("FREQ")),
    ),
    _Form("names a field twice: write each once", bars=(f"(^|;)({_TWICE})",)),
    _Form(
        "is weekly: name its weekdays without a position, such as BYDAY=SU, and neither BYMONTHDAY nor "
        "BYSETPOS; a position needs FREQ=MONTHLY",
        where=_WEEKLY,
        wants=(_field("BYDAY", _list_of(_DAY)),),
        bars=(_field("BYMONTHDAY"), _field("BYSETPOS")),
    ),
    _Form(
        "is monthly or yearly: name its days, by one of BYDAY and BYMONTHDAY",
        where="(^|;)FREQ=(MONTHLY|YEARLY)(;|$)",
        wants=("(^|;)BY(MONTH)?DAY=",),
        bars=("(^|;)BYDAY=.*;BYMONTHDAY=|(^|;)BYMONTHDAY=.*;BYDAY=",),
    ),
    _Form(
        "mixes weekdays with and without a position in BYDAY: write two windows",
        bars=(f"[=,]{_DAY}(,[^;]*)?,[-+0-9]", f"[0-9]{_DAY}(,[^;]*)?,{_DAY}"),
    ),
    _Form(
        "is yearly: name its months, such as BYMONTH=1,4,7,10, or write FREQ=MONTHLY for all of them",
        where=_field("FREQ", "YEARLY"),
        wants=(_field("BYMONTH"),),
    ),
)


class MaintenanceWindow(ApiModel):
    """A window that comes again and again."""

    rules: ClassVar = (
        *(form.rule() for form in _FORMS),
        Rule(
            cel="duration(self.duration) >= duration('2h') && duration(self.duration) <= duration('168h')",
            message="duration must be from 2h to 168h: shorter is no usable slot (M-4), "
            "and a week joins up with the next",
            field="duration",
            shown="duration",
            holds=lambda self: SHORTEST_WINDOW <= parse_duration(self.duration) <= LONGEST_WINDOW,
        ),
    )
    recurrence: Annotated[str, Field(min_length=1, max_length=LENGTH)] = Field(
        description="Days, as a subset of RFC 5545: FREQ (WEEKLY, MONTHLY, YEARLY), INTERVAL, BYDAY, "
        "BYMONTHDAY, BYMONTH, BYSETPOS, WKST. For example FREQ=MONTHLY;BYDAY=2SU, the second Sunday."
    )
    start: Annotated[str, Field(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = Field(
        description="Local time of day in timeZone, for example 02:00."
    )
    duration: Duration = Field(description="Elapsed time from the start, 2h to 168h, for example 4h.")


class MaintenanceFreeze(ApiModel):
    """A stretch without maintenance."""

    rules: ClassVar = (
        Rule(
            cel="self.until > self.from",
            message="until must be after from",
            field="until",
            holds=lambda self: _length(self) > timedelta(0),
        ),
    )
    from_: Time = Field(alias="from", description="First instant, with its zone: 2026-12-15T00:00:00+01:00.")
    until: Time = Field(description="End, no longer frozen; at most 92 days after from.")
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class MaintenancePolicy(ApiModel):
    """When maintenance may run, and which changes wait for it."""

    confine: Literal["Updates", "AllChanges"] = Field(
        "Updates",
        description="Updates: what the spec did not ask for by an edit waits for a slot (a release that a "
        "channel brings, a rotation). AllChanges: edits of the spec wait too. Repair of drift never waits.",
    )
    approval: Literal["Automatic", "Required"] = Field(
        "Automatic",
        description="Automatic: the windows, or the plan, permit. Required: each maintenance is asked for.",
    )
    time_zone: Annotated[
        str, Field(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")
    ] = Field(CONTRACT_ZONE, description="IANA name of the zone of windows, days and months (K-1).")
    windows: Annotated[
        list[MaintenanceWindow],
        Field(max_length=20, json_schema_extra=list_map("recurrence", "start")),
    ] = Field([], description="When maintenance may run. Plan Advanced, or an agreement on M-4.")
    freezes: Annotated[
        list[MaintenanceFreeze], Field(max_length=50, json_schema_extra=list_map("from"))
    ] = Field([], description="When it may not, whatever the windows say.")


def _length(freeze: MaintenanceFreeze) -> timedelta:
    return instant(freeze.until) - instant(freeze.from_)


def _agreed(clause: str) -> str:
    return f"self.agreements.exists(a, a.clause == '{clause}')"


def _often_enough() -> str:
    """CEL: every three consecutive months have a window that can come in one of them."""
    text = "w.recurrence"
    rare = " || ".join(
        f"({_matches(text, _field('FREQ', name))} && {_matches(text, _field('INTERVAL', value))})"
        for name, value in _TOO_LONG.items()
    )
    named = ", ".join(
        f"'(^|;)BYMONTH=([0-9]+,)*({m}|{m % 12 + 1}|{(m + 1) % 12 + 1})(,|;|$)'" for m in range(1, 13)
    )
    any_month = f"!{_matches(text, _field('BYMONTH'))}"
    often = f"self.maintenance.windows.exists(w, !({rare}) && ({any_month} || w.recurrence.matches(months)))"
    return f"size(self.maintenance.windows) == 0 || [{named}].all(months, {often})"


def _is_rare(policy: MaintenancePolicy) -> bool:
    rules = [parse_recurrence(window.recurrence) for window in policy.windows]
    return bool(rules) and is_rarer_than_quarterly(rules)


SPEC_RULES = (
    Rule(
        cel="!has(self.maintenance) || size(self.maintenance.windows) == 0 || self.plan == 'Advanced' || "
        + _agreed("M-4"),
        message="maintenance.windows are update flexibility, which plan Standard has not (M-4): "
        "remove them, or name the agreement on M-4 in agreements[]",
        field="maintenance.windows",
        holds=lambda self: self.maintenance is None
        or not self.maintenance.windows
        or self.plan == "Advanced"
        or any(item.clause == "M-4" for item in self.agreements),
    ),
    Rule(
        cel="!has(self.maintenance) || self.maintenance.approval != 'Required' || self.plan == 'Advanced' || "
        + _agreed("M-4"),
        message="maintenance.approval Required is update flexibility, which plan Standard has not (M-4): "
        "write Automatic, or name the agreement on M-4 in agreements[]",
        field="maintenance.approval",
        holds=lambda self: self.maintenance is None
        or self.maintenance.approval != "Required"
        or self.plan == "Advanced"
        or any(item.clause == "M-4" for item in self.agreements),
    ),
    Rule(
        cel=f"!has(self.maintenance) || {_agreed('M-3')} || {_often_enough()}",
        message="maintenance.windows leave three months in a row without one, and regular maintenance "
        "comes at least quarterly (M-3): add a window, or name the agreement on M-3 in agreements[]",
        field="maintenance.windows",
        holds=lambda self: self.maintenance is None
        or any(item.clause == "M-3" for item in self.agreements)
        or not _is_rare(self.maintenance),
    ),
    Rule(
        cel="!has(self.maintenance) || self.maintenance.freezes.all(f, "
        f"f.until - f.from <= duration('2208h')) || {_agreed('M-3')}",
        message="maintenance.freezes has one longer than 92 days, and regular maintenance comes at least "
        "quarterly (M-3): shorten it, or name the agreement on M-3 in agreements[]",
        field="maintenance.freezes",
        holds=lambda self: self.maintenance is None
        or all(_length(freeze) <= LONGEST_FREEZE for freeze in self.maintenance.freezes)
        or any(item.clause == "M-3" for item in self.agreements),
    ),
)
"""Rules of the spec about its maintenance: what is looser than the contract names its agreement (G-3)."""
