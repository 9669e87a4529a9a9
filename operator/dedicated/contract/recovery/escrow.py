"""Are the keys kept beside the cluster, as they are now, and the ledger with them (B-10)?

What is to be kept is told by two marks: one of all that a bundle holds (the masterkey's salted fingerprint,
versions of the other keys, the spec, the release, the recipients), one of the ledger. A Job writes them and
then the record of what it wrote; the record's marks are compared with those of now. A mark is a digest of
names, versions and public values, never of a secret.

A changed bundle is owed at once. A changed ledger is owed `SPACING` after the ledger was last written, so
that many records in a row are one object, and each is kept within `LEDGER_WITHIN` of being made.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from dedicated.api.conditions import KEYS_ESCROWED, Condition
from dedicated.api.duration import duration_text
from dedicated.api.key_bundle import RecipientRole
from dedicated.contract.dates import when

SPACING = timedelta(minutes=2)
LEDGER_WITHIN = timedelta(minutes=5)
"""So long after a change the ledger is kept beside the bundle."""
FIRST_WITHIN = timedelta(minutes=10)
"""So long an instance may be without its first bundle before that is told as missing."""
MANAGER = "dedicated-escrow-agent"
"""Field manager of what the Job writes."""
REPORT = "report"
"""Key of its record."""
What = Literal["Bundle", "Ledger"]


@dataclass(frozen=True, slots=True)
class Opener:
    """Who can open what was written: the role, and the SHA-256 of the public key, shortened."""

    role: RecipientRole
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Written:
    """An object that was put. `mark` tells what it holds; `number` counts those of one incarnation since its
    record began; `sha256` is of the encrypted bytes."""

    mark: str
    number: int
    object: str
    sha256: str
    at: datetime
    openers: tuple[Opener, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last attempt came to nothing, in a few words."""

    what: What
    at: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is kept of one incarnation (uid). `fingerprint` is the masterkey's salted one in the bundle."""

    incarnation: str
    fingerprint: str = ""
    bundle: Written | None = None
    ledger: Written | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The Job that is under way."""

    name: str
    made: datetime
    failures: int = 0
    failed: bool = False
    image: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is to be kept now."""

    bundle: str
    ledger: str


@dataclass(frozen=True, slots=True)
class Owed:
    """What has to be written now, and when the ledger will have to be, where that is later."""

    bundle: bool
    ledger: bool
    ledger_at: datetime | None = None

    @property
    def anything(self) -> bool:
        """Whether a Job is needed."""
        return self.bundle or self.ledger


_ADAPTER = TypeAdapter(Report)


def to_json(report: Report) -> str:
    """One line of JSON."""
    return _ADAPTER.dump_json(report, exclude_defaults=True).decode()


def from_json(text: str) -> Report | None:
    """The report in a text; None where it is none."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None


def owed(marks: Marks, report: Report | None, *, now: datetime) -> Owed:
    """What has to be written. With a bundle that is owed, a ledger that changed goes along."""
    bundle = report.bundle if report else None
    ledger = report.ledger if report else None
    owes_bundle = bundle is None or bundle.mark != marks.bundle
    if ledger is not None and ledger.mark == marks.ledger:
        return Owed(owes_bundle, ledger=False)
    # A time that is yet to come is of another clock: it puts nothing off.
    due = ledger.at + SPACING if ledger is not None and ledger.at <= now else now
    if owes_bundle or due <= now:
        return Owed(owes_bundle, ledger=True)
    return Owed(bundle=False, ledger=False, ledger_at=due)


def keys_escrowed(
    marks: Marks | None,
    report: Report | None,
    attempt: Attempt | None,
    *,
    since: datetime | None,
    opened: datetime | None = None,
    zone: str,
    now: datetime,
) -> Condition:
    """`KeysEscrowed` of an instance that has a `keyBundle`. `marks` is None while there are no keys, or the
    masterkey is missing; `since` is from when on its record exists; `opened` when a recipient last opened
    one, by a record."""
    bundle = report.bundle if report else None
    if bundle is None:
        return _never(report, attempt, since=since, zone=zone, now=now)
    kept = f"bundle {bundle.number} of {when(bundle.at, zone)}"
    if marks is None:
        text = f"{kept} holds the masterkey that is missing here; nothing is written without it"
        return _false("BundleStale", text)
    if bundle.mark != marks.bundle:
        if report is not None and report.trouble is not None:
            return _failed(report.trouble, zone, f"keys, configuration or recipients are newer than {kept}")
        return _false(
            "BundleStale", f"keys, configuration or recipients are newer than {kept}; it is rewritten"
        )
    found = _with_ledger(marks, report, attempt, kept, zone=zone, now=now)
    if found.status != "True":
        return found
    proof = f"opened last {when(opened, zone)}" if opened else "no recipient has recorded to have opened one"
    return replace(found, message=f"{found.message}; {proof}")


def _with_ledger(
    marks: Marks, report: Report | None, attempt: Attempt | None, kept: str, *, zone: str, now: datetime
) -> Condition:
    ledger = report.ledger if report else None
    behind = attempt is not None and now >= attempt.made + LEDGER_WITHIN
    if ledger is None or (ledger.mark != marks.ledger and behind):
        if report is not None and report.trouble is not None:
            return _failed(report.trouble, zone, "the ledger is newer than what is kept of it")
        late = f"the ledger is not kept within {duration_text(LEDGER_WITHIN)} of its change"
        return _false("LedgerStale", late)
    who = ", ".join(
        sorted({opener.role for opener in (report.bundle.openers if report and report.bundle else ())})
    )
    text = f"{kept} opens to {who}; ledger {ledger.number} of {when(ledger.at, zone)}"
    return Condition(KEYS_ESCROWED, "True", "Escrowed", text)


def _never(
    report: Report | None, attempt: Attempt | None, *, since: datetime | None, zone: str, now: datetime
) -> Condition:
    if report is not None and report.trouble is not None:
        return _failed(report.trouble, zone, "no bundle was written yet")
    if since is not None and now >= since + FIRST_WITHIN:
        cause = "its Job does not come to an end" if attempt else "no Job is made for it"
        return _false("WriteFailed", f"no bundle was written since {when(since, zone)}: {cause}")
    return Condition(KEYS_ESCROWED, "Unknown", "NotWritten", "the first bundle is being written")


def _failed(trouble: Trouble, zone: str, kept: str) -> Condition:
    return _false("WriteFailed", f"{kept}; {when(trouble.at, zone)}: {trouble.cause}; it is tried again")


def _false(reason: str, text: str) -> Condition:
    return Condition(KEYS_ESCROWED, "False", reason, text)


def next_change(
    marks: Marks | None,
    report: Report | None,
    attempt: Attempt | None,
    *,
    since: datetime | None,
    now: datetime,
) -> datetime | None:
    """When the condition, or what is owed, changes next although nothing happens; None if neither does."""
    dates = [since + FIRST_WITHIN] if since and not (report and report.bundle) else []
    dates += [attempt.made + LEDGER_WITHIN] if attempt else []
    if marks is not None and (due := owed(marks, report, now=now).ledger_at) is not None:
        dates.append(due)
    return min((date for date in dates if date > now), default=None)
