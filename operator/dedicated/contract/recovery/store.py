"""The places of the backups: may anything be stored there, and are they still as they must be (D-1, D-2)?

Judged are what the spec says of a repository and what the recovery agent read of it. Nothing is stored before
the agent found it good once: as long as a finding blocks `STORING`, no database is made that would store
there (`reconcile.databases`). Once data is there, the same findings only report: to stop archiving would cost
more than it protects. What was not read within `FRESH`, or not answered, is not known, and never good.

Encrypted is what the engine encrypts itself, before it leaves the cluster, or else what the bucket encrypts
by default. A volume is not looked at: what is on it is encrypted before it leaves the database, and with the
volume nothing is lost that its copy in a bucket has not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.backup import Backup, Repository
from dedicated.api.conditions import BACKUP_ENCRYPTED, Condition, Status
from dedicated.api.duration import duration_text
from dedicated.api.findings import Finding
from dedicated.api.instance import Infrastructure
from dedicated.api.store import Store, StoreRole
from dedicated.contract.dates import when
from dedicated.contract.places import is_amazon, place_of_bucket
from dedicated.contract.residency import STORING, Holding, Kind
from dedicated.contract.responsibilities import responsible

FRESH = timedelta(hours=3)
"""The agent looks once an hour."""
AHEAD = timedelta(minutes=1)
"""By how much its clock may be ahead: what was read later than now says nothing of now."""
KINDS: dict[StoreRole, Kind] = {"Repository": "Bucket", "Copy": "Copy"}
STRONG = frozenset({"aws:kms", "aws:kms:dsse"})
"""Encryption by a key of one's own; whoever asked for it is not content with less."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A place as the spec wants it, and what was last read of it; None: nothing within `FRESH`."""

    wanted: Repository
    role: StoreRole
    read: Store | None

    @property
    def name(self) -> str:
        """As people know it."""
        return f"bucket {self.wanted.bucket}"


def kept(backup: Backup, stores: Iterable[Store], *, now: datetime) -> tuple[Kept, ...]:
    """Each place of the spec with its reading."""
    fresh = [store for store in stores if -AHEAD <= now - store.at <= FRESH]
    return tuple(
        Kept(wanted, role, next((store for store in fresh if _is_of(store, wanted, role)), None))
        for role, wanted in backup.buckets
    )


def _is_of(store: Store, wanted: Repository, role: StoreRole) -> bool:
    return (store.role, store.name, store.endpoint) == (role, wanted.bucket, wanted.endpoint)


def backup_encrypted(backup: Backup, stores: Iterable[Store], *, zone: str, now: datetime) -> Condition:
    """`BackupEncrypted` (D-2)."""
    said = [_encrypted(place, zone) for place in kept(backup, stores, now=now)]
    for status in ("False", "Unknown"):
        for found, reason, text in said:
            if found == status:
                return Condition(BACKUP_ENCRYPTED, found, reason, text)
    return Condition(BACKUP_ENCRYPTED, "True", "Encrypted", "; ".join(text for *_, text in said))


def _encrypted(place: Kept, zone: str) -> tuple[Status, str, str]:
    if place.wanted.encryption.client_side is not None:
        return "True", "ClientSide", f"{place.name}: encrypted before it is stored"
    if place.read is None:
        return "Unknown", "NotMeasured", f"{place.name}: not looked at within {duration_text(FRESH)}"
    return _encrypted_by_default(place.wanted, place.read, f"{place.name}, {when(place.read.at, zone)}")


def _encrypted_by_default(wanted: Repository, read: Store, told: str) -> tuple[Status, str, str]:
    asked = wanted.encryption.server_side
    if read.encryption is None:
        return "Unknown", "NotReadable", f"{told}: its default encryption could not be read"
    if not read.encryption:
        return "False", "NotEncrypted", f"{told}: no default encryption"
    if asked in STRONG and read.encryption not in STRONG:
        return "False", "WeakerThanAsked", f"{told}: {read.encryption}, asked is {asked}"
    return "True", "ServerSide", f"{told}: {read.encryption}"


def check(
    backup: Backup, stores: Iterable[Store], *, infrastructure: Infrastructure, zone: str, now: datetime
) -> tuple[Finding, ...]:
    """What is not as it must be, but for where it is."""
    party = responsible("Backup", infrastructure)
    return tuple(
        Finding(
            code=problem.code,
            responsible=party,
            message=f"{place.name}: {problem.message}",
            action=problem.action,
            blocks=STORING if problem.grave else "",
        )
        for place in kept(backup, stores, now=now)
        for problem in _problems(place, zone)
    )


def holdings(backup: Backup, stores: Iterable[Store], *, now: datetime) -> tuple[Holding, ...]:
    """Where backups are: as the spec says, and as the stores themselves do."""
    found: list[Holding] = []
    for place in kept(backup, stores, now=now):
        if place.wanted.bucket is None or place.wanted.endpoint is None:
            continue
        kind, name, endpoint = KINDS[place.role], place.wanted.bucket, place.wanted.endpoint
        found.append(Holding(kind, name, place_of_bucket(endpoint, place.wanted.region)))
        if place.read is not None:
            region = place.read.region
            found.append(Holding(kind, name, None if region is None else place_of_bucket(endpoint, region)))
            found += _targets(place.read, endpoint)
    return tuple(found)


def _targets(read: Store, endpoint: str) -> Iterator[Holding]:
    """But for Amazon's, a bucket's name says nothing of its store: the operator's map has to place it."""
    if read.targets is None:
        yield Holding("ReplicationTarget", f"of {read.name}", None)
    for target in read.targets or ():
        if not is_amazon(endpoint):
            yield Holding("ReplicationTarget", target.bucket, f"replica:{target.bucket}")
        elif target.region is None:
            yield Holding("ReplicationTarget", target.bucket, None)
        else:
            yield Holding("ReplicationTarget", target.bucket, place_of_bucket(endpoint, target.region))


def next_change(stores: Iterable[Store], *, now: datetime) -> datetime | None:
    """When a reading becomes too old; None where none will."""
    after = (store.at + FRESH + timedelta(seconds=1) for store in stores)
    return min((at for at in after if at > now), default=None)


@dataclass(frozen=True, slots=True)
class _Problem:
    code: str
    message: str
    action: str
    grave: bool = True


def _problems(place: Kept, zone: str) -> Iterator[_Problem]:
    read = place.read
    if read is None:
        text = f"the recovery agent has not looked at it within {duration_text(FRESH)}"
        yield _Problem("StoreNotChecked", text, "see why the recovery agent does not report")
        return
    unknown = [] if read.writable is not None else ["whether it can be written"]
    if read.public is None:
        unknown.append("whether it is public")
    if unknown:
        said = f" ({'; '.join(read.unanswered)})" if read.unanswered else ""
        text = f"not known: {', '.join(unknown)}{said}"
        yield _Problem("StoreNotReadable", text, "let the credentials read the bucket's configuration")
    status, _, text = _encrypted(place, zone)
    if status != "True":
        code = "BackupNotEncrypted" if status == "False" else "BackupEncryptionUnknown"
        action = "encrypt the bucket by default and let it be read, or set encryption.clientSide"
        yield _Problem(code, f"{text.partition(': ')[2]} (D-2)", action)
    if read.public:
        text = "everybody may read or list it"
        yield _Problem("StorePublic", text, "block public access, and see who has read it (access log)")
    if read.writable is False:
        told = next((f" ({text})" for text in read.unanswered if text.startswith("Write: ")), "")
        text = f"an object cannot be written and read again{told}"
        yield _Problem("StoreNotWritable", text, "grant the credentials to put, get and delete objects")
    yield from _protection(place, read)


def _protection(place: Kept, read: Store) -> Iterator[_Problem]:
    """Versions and lock, as the spec asks for them."""
    wanted = place.wanted.immutability
    if not read.versioned:
        state = "not known" if read.versioned is None else "off"
        grave = wanted.versioning == "Required"
        yield _Problem("StoreNotVersioned", f"versioning is {state}", "enable versioning", grave)
    if read.lock_days is None or read.lock_days < wanted.lock_days:
        state = "not known" if read.lock_days is None else f"{read.lock_days} days"
        text = f"object lock: {state}, wanted are {wanted.lock_days} days"
        grave = wanted.object_lock == "Required"
        yield _Problem("StoreNotLocked", text, "set a default retention on the bucket", grave)

