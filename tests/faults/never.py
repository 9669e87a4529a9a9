"""What must never be, looked for in the history of a site: a list of sentences, empty where all is well."""

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from cluster.observing import schema_pods_at_once
from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import (
    CHILD_KINDS,
    CONFIG_MAP,
    INSTANCE,
    JOB,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    POD,
    RECORD,
    SECRET,
    Kind,
)
from dedicated.parts import measured
from dedicated.parts.keys import MASTERKEY_FIELD, fingerprint
from faults.endstate import ORDERS
from faults.scenario import KEPT_WITH_ENGINE
from faults.site import NAME, Site

_REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
OF_RESTORED = re.compile(rf"NetworkPolicy/{NAME}-db-[0-9a-f]{{6}}")
"""Who may come to a restored database; it lasts as long as that."""
_IDENTITY, _MASTERKEY = f"{NAME}-identity", f"{NAME}-masterkey"


def breaches(site: Site, history: Mapping[Kind, Sequence[Manifest]], *, jobs_stay: bool = True) -> list[str]:
    """All of them. `jobs_stay` is False where somebody else deletes Jobs."""
    identities = [item for item in history[CONFIG_MAP] if get_str(item, "metadata", "name") == _IDENTITY]
    return [
        *made_twice("Secret", history[SECRET]),
        *made_twice("ConfigMap", identities),
        *(made_twice("Job", history[JOB]) if jobs_stay else ()),
        *at_work_at_once(history),
        *_of_engine(site, history),
        *recorded_twice(site.api.list(RECORD, site.namespace)),
        *_orphans(site),
        *_wrong_fingerprint(site),
    ]


def made_twice(kind: str, bodies: Sequence[Manifest]) -> Iterator[str]:
    """Names that more than one uid had."""
    uids: defaultdict[str, set[str]] = defaultdict(set)
    for body in bodies:
        uids[get_str(body, "metadata", "name")].add(get_str(body, "metadata", "uid"))
    for name, seen in uids.items():
        if len(seen) > 1:
            yield f"{kind} {name} was made {len(seen)} times"


def _of_engine(site: Site, history: Mapping[Kind, Sequence[Manifest]]) -> Iterator[str]:
    """A cluster or a backup that was made twice, or is gone without a record, and backups at once."""
    recorded = removals(site.api.list(RECORD, site.namespace))
    for kind in (PERCONA_CLUSTER, PERCONA_BACKUP):
        bodies = history.get(kind, ())
        yield from made_twice(kind.kind, bodies)
        for item in {get_str(item, "metadata", "name"): item for item in bodies}.values():
            name = get_str(item, "metadata", "name")
            if site.api.find(kind, site.namespace, name) is None and not _is_removed(item, recorded):
                yield f"{kind.kind} {name} was deleted"
    yield from backed_up_at_once(history.get(PERCONA_BACKUP, ()))


def removals(records: Sequence[Manifest]) -> dict[tuple[str, str], str]:
    """Name and uid of each database that was recorded as not needed any more -> when that was. One that no
    restore replaced goes after a confirmed deletion's final backup alone."""
    told = {get_str(item, "spec", "fact"): get_str(item, "spec", "incarnation") for item in records}
    whole = told.get("DeletionConfirmed", "") == told.get("FinalBackup") != ""
    return {
        (get_str(item, "spec", "removed", "cluster"), get_str(item, "spec", "removed", "uid")): get_str(
            item, "metadata", "creationTimestamp"
        )
        for item in records
        if get_str(item, "spec", "fact") == "DatabaseRemoved"
        and (whole or get_str(item, "spec", "removed", "restore"))
    }


def _is_removed(last: Manifest, recorded: Mapping[tuple[str, str], str]) -> bool:
    """Whether an object, as it was last, was allowed to go: its database was recorded before."""
    name, uid = (get_str(last, "metadata", field) for field in ("name", "uid"))
    if get_str(last, "kind") == PERCONA_BACKUP.kind:
        return get_str(last, "spec", "pgCluster") in {cluster for cluster, _ in recorded}
    at, gone = recorded.get((name, uid), ""), get_str(last, "metadata", "deletionTimestamp")
    return at != "" and (not gone or at <= gone)


def backed_up_at_once(bodies: Sequence[Manifest]) -> Iterator[str]:
    """Backups that were under way together."""
    going: set[str] = set()
    for body in bodies:
        name, state = get_str(body, "metadata", "name"), get_str(body, "status", "state")
        (going.discard if state in {"Succeeded", "Failed"} else going.add)(name)
        if len(going) > 1:
            yield f"backups at once: {sorted(going)}"


def recorded_twice(records: Sequence[Manifest]) -> Iterator[str]:
    """A request that was notified, run or completed more than once."""
    told = Counter((get_str(item, "spec", "request"), get_str(item, "spec", "fact")) for item in records)
    for (request, fact), times in told.items():
        if fact in {"Notified", "Started", "Completed"} and times > 1:
            yield f"{request} is {fact} {times} times"


def at_work_at_once(history: Mapping[Kind, Sequence[Manifest]]) -> Iterator[str]:
    """Schema work that was done twice at the same time."""
    most = schema_pods_at_once(history[POD])
    if most > 1:
        yield f"{most} schema pods were at work at once"
    for body in history[JOB]:
        if get_int(body, "status", "active") > 1:
            yield f"Job {get_str(body, 'metadata', 'name')} had {get_int(body, 'status', 'active')} pods"


def _orphans(site: Site) -> Iterator[str]:
    """Objects that nobody owns, or whose owner is gone, but for those that last."""
    kinds = (*CHILD_KINDS, _REPLICA_SET, POD)
    found = {kind: site.api.list(kind, site.namespace, labels=LABEL_INSTANCE) for kind in kinds}
    owners = [item for kind in (INSTANCE, *ORDERS) for item in site.api.list(kind, site.namespace)]
    alive = {get_str(item, "metadata", "uid") for items in (owners, *found.values()) for item in items}
    for kind, items in found.items():
        for item in items:
            name = f"{kind.kind}/{get_str(item, 'metadata', 'name')}"
            held = {get_str(owner, "uid") for owner in get_list(item, "metadata", "ownerReferences")}
            is_measured = get_str(item, "metadata", "labels", LABEL_COMPONENT) == measured.COMPONENT
            if is_measured or name in KEPT_WITH_ENGINE or OF_RESTORED.fullmatch(name):
                if held:
                    yield f"{name} lasts, and is owned by {held}"
            elif not held & alive:
                yield f"{name} is orphaned (owners {held or 'none'})"


def _wrong_fingerprint(site: Site) -> Iterator[str]:
    identity = site.api.find(CONFIG_MAP, site.namespace, _IDENTITY)
    masterkey = site.api.find(SECRET, site.namespace, _MASTERKEY)
    if identity is None or masterkey is None:
        yield "there is no masterkey, or no identity"
        return
    material = base64.b64decode(get_str(masterkey, "data", MASTERKEY_FIELD))
    data = as_manifest(get_map(identity, "data"))
    if fingerprint(material, salt=get_str(data, "salt")) != get_str(data, "masterkey"):
        yield "the identity's fingerprint is not the masterkey's"


def errors_logged(site: Site) -> list[str]:
    """Lines of level error in all of the site's operators' logs, and what is no JSON: tracebacks."""
    operator = site.operator
    if operator is None:
        return []
    return [
        f"{get_str(line, 'logger')}: {get_str(line, 'message')}{get_str(line, 'exception')[-2000:]}"
        for line in operator.logs()
        if get_str(line, "level").lower() in {"error", "critical", ""}
    ]
