"""What is there when all is at rest, without what differs between any two runs.

Left out: identities and times of the API server (uid, resourceVersion, addresses), random key material and
what is derived from it (marks, hashes over marks), the namespace's name, and what tells of the time that was
measured, which is another without an operator. Everything else must be the same, however often the operator
was killed on the way: also how often a Deployment was rolled out, and what is recorded, repairs apart.
"""

import difflib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping

from dedicated.api.conditions import SERVICE_LEVEL_MET
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_APPLIED, FIELD_MANAGER, LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import (
    CHILD_KINDS,
    DEPLOYMENT,
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_EXPORT,
    INSTANCE_RESTORE,
    JOB,
    MAINTENANCE,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    POD,
    RECORD,
    SECRET,
)
from dedicated.api.record import MODIFICATION_REPAIRED
from dedicated.parts import measured
from dedicated.parts.recovery_agent import ANNOTATION_SETTINGS
from dedicated.parts.server import DATABASE_MARK, KEYS_MARK
from faults.site import LOOK, Site
from testbed.client import Api

SETTLE_SECONDS = 20.0
"""For an end state that is not yet the expected one: a status that follows a reading of the public name."""

EndState = dict[str, JsonValue]
"""`Kind/name` -> what is compared of it; `pods` and `replica sets` are counted, `backups` listed."""

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INCARNATION = re.compile(_UID.pattern + r"-[0-9a-f]{6}(?![0-9a-f])")
"""An instance's uid, with the mark of a restored database."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_WALL = re.compile(r"\(\d{4}-\d\d-\d\d \d\d:\d\d [A-Za-z_/]+\)")
"""A time as it stands behind another, by the clock on the wall."""
_SLOT = re.compile(r"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d to (\d{4}-\d\d-\d\d )?\d\d:\d\d")
"""A slot in words: the provider's window is spread by the instance's namespace."""
_LEFT = re.compile(r"\d+ min left")
"""Of a slot, when its run began."""
_BACKUP = re.compile(r"acme-(full|diff)-(ib-)?[0-9a-f]{8}")
"""A backup asked for: the order's uid, or a digest in which the name of the one before is."""
_RESTORED = re.compile(r"acme-db-[0-9a-f]{6}")
"""A restored database: its restore's uid."""
_RECORD = re.compile(r"acme-(final-backup|database-removed|drilled)-[0-9a-f]+")
"""A record of an incarnation, of a cluster of its own, or of a drill."""
_SETUP = re.compile(r"acme-setup-[0-9a-f]{8}")
"""A setup, by what it was made for: of a restored database its name is in it."""
_LABEL = re.compile(r"\d{8}-\d{6}(?=[FD])")
"""Of a backup: its time."""
_KEYS = re.compile(r'(--annotation=keys=|fingerprint\\":\\")[0-9a-f]{32}')
"""In a backup, and in a verdict: the fingerprint of a masterkey that is random."""
_LASTED = re.compile(r'("took": "|"estimatedRestore": "|"restoreSeconds": |, in )\d[\dhms]*')
"""How long a restore took, and what is reckoned from it."""
_WORDS = (
    (_BACKUP, r"acme-\1-\2MARK"),
    (_RESTORED, "acme-db-MARK"),
    (_RECORD, r"acme-\1-MARK"),
    (_LABEL, "LABEL"),
    (_KEYS, r"\1FINGERPRINT"),
    (_INCARNATION, "UID-MARK"),
    (_UID, "UID"),
    (_TIME, "TIME"),
    (_WALL, "(WALL)"),
    (_SLOT, "SLOT"),
    (_LEFT, "LEFT"),
    (_LASTED, r"\g<1>0"),
)
_SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "managedFields")
_ALLOCATED = ("clusterIP", "clusterIPs")
ORDERS = (INSTANCE_BACKUP, INSTANCE_RESTORE, INSTANCE_EXPORT)
_WHOLE = frozenset({kind.kind for kind in (INSTANCE, *ORDERS)})
_TOLD = frozenset({kind.kind for kind in (*ORDERS, MAINTENANCE, PERCONA_BACKUP)})
"""Kinds whose status says what came of an order."""
PARTLY_MEASURED = "ServiceLevelPartlyMeasured"
_MEASURED = frozenset({measured.COMPONENT, measured.GAPS_COMPONENT})
_DERIVED = frozenset({ANNOTATION_APPLIED, ANNOTATION_SETTINGS, DATABASE_MARK, KEYS_MARK})


def end_state(api: Api, namespace: str, *, engine: bool = False) -> EndState:
    """The namespace's objects as far as they concern an instance; `engine`: those of one too."""
    found: EndState = {}
    cluster = (PERCONA_CLUSTER,) if engine else ()
    for kind in (INSTANCE, *ORDERS, MAINTENANCE, RECORD, *CHILD_KINDS, *cluster):
        for item in api.list(kind, namespace):
            if _concerns(item):
                known = neutral(reduced(item), namespace)
                found[f"{kind.kind}/{get_str(known, 'metadata', 'name')}"] = known
    pods = Counter(
        f"{get_str(pod, 'metadata', 'labels', LABEL_COMPONENT)} {get_str(pod, 'status', 'phase')}"
        for pod in api.list(POD, namespace)
        if not get_str(pod, "metadata", "deletionTimestamp")
    )
    found["pods"] = dict(pods)
    sets = Counter(
        f"{get_list(item, 'metadata', 'ownerReferences')[0]['name']}"  # type: ignore[index,call-overload]
        for item in api.list("apps/v1/replicasets", namespace)
    )
    found["replica sets"] = dict(sets)
    if engine:
        asked = [neutral(reduced(item), namespace) for item in api.list(PERCONA_BACKUP, namespace)]
        found["backups"] = sorted(asked, key=json.dumps)
    return found


def _concerns(item: Manifest) -> bool:
    labels = get_map(item, "metadata", "labels")
    match get_str(item, "kind"):
        case kind if kind in _WHOLE:
            return True
        case RECORD.kind:
            return get_str(item, "spec", "fact") != MODIFICATION_REPAIRED
    return LABEL_INSTANCE in labels and labels.get(LABEL_COMPONENT) not in _MEASURED


def settled(
    site: Site,
    expected: EndState | None,
    seen_as: Callable[[EndState], EndState] = lambda state: state,
    *,
    seconds: float = SETTLE_SECONDS,
) -> EndState:
    """The end state as seen, once it is the expected one (None: any), or has not become it in time."""
    deadline = time.monotonic() + seconds
    while True:
        state = seen_as(end_state(site.api, site.namespace, engine=site.engine))
        if expected in (None, state) or time.monotonic() > deadline:
            return state
        time.sleep(5 * LOOK)


def reduced(item: Manifest) -> Manifest:
    """An object without what the API server, or chance, put there."""
    metadata = get_map(item, "metadata")
    kept: Manifest = {key: value for key, value in metadata.items() if key not in _SERVERS_OWN}
    kept["fields of ours"] = _fields_of_ours(item)
    found: Manifest = {**item, "metadata": kept, "status": _status(item)}
    if "spec" in item:
        found["spec"] = {key: value for key, value in get_map(item, "spec").items() if key not in _ALLOCATED}
    if get_str(item, "kind") == SECRET.kind or _is_identity(item):
        found["data"] = dict.fromkeys(get_map(item, "data"), "random")
    return found


def _is_identity(item: Manifest) -> bool:
    return get_str(item, "metadata", "name").endswith("-identity")


def _fields_of_ours(item: Manifest) -> list[JsonValue]:
    return [
        {key: entry[key] for key in ("operation", "subresource", "fieldsV1") if key in entry}
        for entry in (as_manifest(entry) for entry in get_list(item, "metadata", "managedFields"))
        if entry.get("manager") == FIELD_MANAGER
    ]


def _status(item: Manifest) -> JsonValue:
    """The instance's own in full; of others, whether their work is done."""
    status = get_map(item, "status")
    match get_str(item, "kind"):
        case INSTANCE.kind:
            return _unmeasured(status)
        case kind if kind in _TOLD:
            return {key: value for key, value in status.items() if key != "durationSeconds"}
        case DEPLOYMENT.kind:
            counts = ("replicas", "readyReplicas", "updatedReplicas")
            return {count: get_int(status, count) for count in counts}
        case JOB.kind:
            return {count: get_int(status, count) for count in ("succeeded", "failed", "active")}
    return None


def _unmeasured(status: Manifest) -> Manifest:
    """The status of an instance without what tells of the time measured."""
    conditions = get_list(status, "conditions")
    findings = get_list(status, "findings")
    summary = {key: value for key, value in get_map(status, "summary").items() if key != "findings"}
    return {
        **{key: value for key, value in status.items() if key != "serviceLevel"},
        "conditions": [item for item in conditions if get_str(item, "type") != SERVICE_LEVEL_MET],
        "findings": [item for item in findings if get_str(item, "code") != PARTLY_MEASURED],
        "summary": summary,
    }


def neutral(item: Manifest, namespace: str) -> JsonValue:
    """A reduced object without the names of this run."""
    value: JsonValue = json.loads(plain(json.dumps(_without_derived(item)), namespace))
    return value


def plain(text: str, namespace: str) -> str:
    """A text without the names of this run."""
    text = text.replace(namespace, "NAMESPACE")
    for pattern, word in _WORDS:
        text = pattern.sub(word, text)
    if "acme-db-MARK" in text:
        text = _SETUP.sub("acme-setup-MARK", text)
    return text


def _without_derived(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {
                key: "derived" if key in _DERIVED and isinstance(item, str) else _without_derived(item)
                for key, item in value.items()
            }
        case list():
            return [_without_derived(item) for item in value]
    return value


def difference(expected: Mapping[str, JsonValue], found: Mapping[str, JsonValue]) -> str:
    """A unified diff; empty where nothing differs."""
    if expected == found:
        return ""
    old, new = (json.dumps(state, indent=1, sort_keys=True).splitlines() for state in (expected, found))
    return "\n".join(difflib.unified_diff(old, new, "uninterrupted", "this run", lineterm="", n=4))
