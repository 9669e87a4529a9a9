"""Is the place of the backups as it must be? What a bucket says of itself, as facts.

Asked of a bucket: its region, where it replicates to and in which regions that is, versioning, default
encryption, object lock, public access; and whether a small object can be put and read. "Access denied" and
"not implemented" are answers to none of these: such a fact is None, and the question is named.

A bucket is public where its policy or its access list lets everybody in, unless the block of public access
makes both void. Whether a policy does, the store itself says; one that cannot tell is read, and every
allowance to `*` counts, whatever its conditions.

Limits: copies that are made without the store's own replication are not seen (a job, a store that is mirrored
below its interface). Rules of replication that are switched off do not count. In a bucket with a lock each
write check leaves a version of one byte behind until its lock ends.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote

from dedicated.api.json import JsonValue, get_list, get_str
from dedicated.api.store import Store, StoreRole, Target
from dedicated.probes.objects import Access, Answer, NoObjectsError, Objects, elements, open_objects, texts

PROBE = ".dedicated-write-check"
CONTENT = b"."
REGION_HEADER = "x-amz-bucket-region"
EVERYBODY = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
NO_BUCKET = "NoSuchBucket"
UNREACHED = "Unreached: "
AWAY_SECONDS = 4.0
"""A place that does not answer for longer is away: told within 15 s, after a second question."""
CHECK_SECONDS = 60.0
"""All questions to one place together; after an unanswered one of the network the rest are not asked."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket to look at. `prefix` is the instance's own folder in it, where the write check is done."""

    name: str
    access: Access
    prefix: str = ""
    role: StoreRole = "Repository"


@dataclass(slots=True)
class _Asked:
    """What was asked of a bucket so far, and what was not answered."""

    objects: Objects
    unanswered: list[str] = field(default_factory=list)

    async def ask(self, what: str, query: str, *, none: str = "", bucket: str = "") -> Answer | None:
        """An answer that says something: 200, or the code by which the store says that there is none."""
        answer = await self.objects.ask(query, bucket=bucket)
        if answer.status == 200 or (none and answer.code == none):
            return answer
        self.unanswered.append(f"{what}: {answer.code}")
        return None


async def away(places: Sequence[Bucket]) -> tuple[str, ...]:
    """Which places do not answer just now, and why. A refusal is an answer, a server's error is none."""
    found = await asyncio.gather(*(_away(place) for place in places))
    return tuple(f"{place.name}: {why}" for place, why in zip(places, found, strict=True) if why)


async def check(places: Sequence[Bucket], *, now: Callable[[], datetime]) -> tuple[Store, ...]:
    """Look at all places at once. Never raises but when cancelled."""
    at = now().replace(microsecond=0)
    return tuple(await asyncio.gather(*(_look(place, at) for place in places)))


def unreached(store: Store) -> str:
    """Why a place could not be asked at all; empty where it was reached."""
    return next((said for said in store.unanswered if said.startswith(UNREACHED)), "")


async def _away(place: Bucket) -> str:
    try:
        async with open_objects(place.name, place.access) as objects:
            answer = await objects.ask("location", seconds=AWAY_SECONDS)
    except NoObjectsError as error:
        return f"{UNREACHED}{error}"
    return f"{UNREACHED}{answer.code}" if answer.status >= 500 else ""


async def _look(place: Bucket, at: datetime) -> Store:
    found = Store(at, place.name, place.role, place.access.endpoint)
    try:
        async with asyncio.timeout(CHECK_SECONDS), open_objects(place.name, place.access) as objects:
            return await _bucket(found, place, _Asked(objects))
    except NoObjectsError as error:
        return replace(found, unanswered=(f"{UNREACHED}{error}",))
    except TimeoutError:
        return replace(found, unanswered=(f"{UNREACHED}Timeout",))


async def _bucket(found: Store, place: Bucket, asked: _Asked) -> Store:
    region = await _region(asked, "Location", "")
    if f"Location: {NO_BUCKET}" in asked.unanswered:  # some stores make a bucket of whatever is written to
        return replace(found, unanswered=tuple(asked.unanswered))
    return replace(
        found,
        region=region,
        targets=await _targets(asked),
        versioned=await _versioned(asked),
        encryption=await _encryption(asked),
        lock_days=await _lock_days(asked),
        public=await _public(asked),
        writable=await _writable(asked, place.prefix),
        unanswered=tuple(asked.unanswered),
    )


async def _region(asked: _Asked, what: str, bucket: str) -> str | None:
    """A bucket's region. Amazon's store tells it in a header even where it denies the question."""
    answer = await asked.objects.ask("location", bucket=bucket)
    if answer.status == 200:
        # Amazon's answer is the element itself; others put it into another one.
        told = [*texts(answer.body, "LocationConstraint"), *texts(answer.body, "")]
        return told[0].strip() if told else ""
    header = answer.headers.get(REGION_HEADER)
    if header is None:
        asked.unanswered.append(f"{what}: {answer.code}")
    return header


async def _targets(asked: _Asked) -> tuple[Target, ...] | None:
    answer = await asked.ask("Replication", "replication", none="ReplicationConfigurationNotFoundError")
    if answer is None:
        return None
    rules = elements(answer.body, "Rule") if answer.status == 200 else []
    named = {
        (rule.findtext("{*}Destination/{*}Bucket") or "").rpartition(":")[2]
        for rule in rules
        if rule.findtext("{*}Status") != "Disabled"
    }
    # A target that is not named as a bucket is one all the same; asked without a name, it would be this one.
    return tuple(
        [
            Target(name, await _region(asked, f"Location of {name}", name) if name else None)
            for name in sorted(named)
        ]
    )


async def _versioned(asked: _Asked) -> bool | None:
    answer = await asked.ask("Versioning", "versioning")
    return None if answer is None else next(texts(answer.body, "Status"), "") == "Enabled"


async def _encryption(asked: _Asked) -> str | None:
    none = "ServerSideEncryptionConfigurationNotFoundError"
    answer = await asked.ask("Encryption", "encryption", none=none)
    if answer is None:
        return None
    named = texts(answer.body, "Rule/ApplyServerSideEncryptionByDefault/SSEAlgorithm")
    return next(named, "") if answer.status == 200 else ""


async def _lock_days(asked: _Asked) -> int | None:
    """Days by the bucket's own rule. A lock without one protects only what its writer asks it for."""
    answer = await asked.ask("ObjectLock", "object-lock", none="ObjectLockConfigurationNotFoundError")
    if answer is None:
        return None
    found = {
        unit: next(texts(answer.body, f"Rule/DefaultRetention/{unit}"), "") for unit in ("Days", "Years")
    }
    days, years = (int(text) if text.isdecimal() else 0 for text in (found["Days"], found["Years"]))
    return days + 365 * years if answer.status == 200 else 0


async def _public(asked: _Asked) -> bool | None:
    block = await asked.objects.ask("publicAccessBlock")
    void = [
        next(texts(block.body, name), "").lower() == "true"
        for name in ("IgnorePublicAcls", "RestrictPublicBuckets")
    ]
    if block.status == 200 and all(void):
        return False
    ways = [await _policy(asked), await _list(asked)]
    return True if True in ways else None if None in ways else False


async def _policy(asked: _Asked) -> bool | None:
    """Whether the bucket's policy lets everybody in."""
    status = await asked.objects.ask("policyStatus")
    told = next(texts(status.body, "IsPublic"), "").lower()
    if status.status == 200 and told in {"true", "false"}:
        return told == "true"
    answer = await asked.ask("Policy", "policy", none="NoSuchBucketPolicy")
    if answer is None:
        return None
    return answer.status == 200 and allows_everybody(answer.body)


async def _list(asked: _Asked) -> bool | None:
    """Whether the bucket's access list lets everybody in."""
    answer = await asked.ask("AccessList", "acl")
    if answer is None:
        return None
    return any(uri in EVERYBODY for uri in texts(answer.body, "AccessControlList/Grant/Grantee/URI"))


def allows_everybody(policy: bytes) -> bool:
    """Whether a policy has an allowance for `*`. What cannot be read as one counts as if it had."""
    try:
        read: JsonValue = json.loads(policy)
    except ValueError:
        return True
    statements = read.get("Statement") if isinstance(read, dict) else None
    every = get_list(read, "Statement") or ([statements] if isinstance(statements, dict) else [])
    allowing = [one for one in every if isinstance(one, dict) and get_str(one, "Effect") == "Allow"]
    return not every or any(_everybody(one.get("Principal"), one) for one in allowing)


def _everybody(principal: JsonValue, statement: dict[str, JsonValue]) -> bool:
    """A principal of `*`, alone or among others; `NotPrincipal` is everybody but a few."""
    if isinstance(principal, dict):
        return any(_everybody(one, statement) for one in principal.values())
    named = principal if isinstance(principal, list) else [principal]
    return "*" in named or "NotPrincipal" in statement


async def _writable(asked: _Asked, prefix: str) -> bool | None:
    """Whether an object can be put and read again. A refusal is a no, a fault of the store none."""
    key = f"{prefix.strip('/')}/{PROBE}".removeprefix("/")
    put = await asked.objects.ask(method="PUT", key=key, body=CONTENT)
    if put.status != 200:
        asked.unanswered.append(f"Write: {put.code}")
        return False if put.status < 500 else None
    got = await asked.objects.ask(key=key)
    version = put.headers.get("x-amz-version-id", "")
    which = f"versionId={quote(version, safe='')}" if version not in {"", "null"} else ""
    gone = await asked.objects.ask(which, method="DELETE", key=key)
    if gone.status >= 300 and which:  # a version under a lock stays, hidden
        gone = await asked.objects.ask(method="DELETE", key=key)
    if gone.status >= 300:
        asked.unanswered.append(f"Delete: {gone.code}")
    return got.status == 200 and got.body == CONTENT
