"""What happens to an instance, as data. A new feature adds its scenario to `SCENARIOS` and is tried at every
crash point from then on (docs/testing.md)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from api.key_examples import KEY_BUNDLE
from cluster.engine_stage import RECORD as RECORD_OF_AGENT
from cluster.engine_stage import REPOSITORY, SERVERS, ordered, tell
from cluster.instances import condition
from cluster.observing import has_finding, is_applied
from contract.recovery_facts import backup, good_store
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import (
    CHILD_KINDS,
    CONFIG_MAP,
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_RESTORE,
    MAINTENANCE,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    POD,
    RECORD,
)
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.report import Report, Trouble, to_json
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT, Stretch
from faults.site import NAME, NEW, Site
from testbed.cluster import Cluster

KEPT = frozenset(
    {
        "ConfigMap/acme-identity",
        "Secret/acme-admin",
        "Secret/acme-login-key",
        "Secret/acme-masterkey",
        "Secret/acme-operator-key",
    }
)
"""What outlives an instance."""
KEPT_WITH_ENGINE = KEPT | {"ConfigMap/acme-database-init", "NetworkPolicy/acme-database"}
"""With its database's cluster."""
CHANGED: Manifest = {"server": {"config": {"AuditLogRetention": "1h"}}, "login": {"replicas": 6}}
"""Six replicas: as many in each zone, whoever came first."""
MONTH, SLOT = "2036-12-31T23:00:00Z", ("2037-01-10T01:00:00Z", "2037-01-10T05:00:00Z")
"""A new month in Zurich, and a slot in it."""
REQUEST = "regular-2037-01"
REST_SECONDS = 120.0
OURS = f"{LABEL_INSTANCE}={NAME}"
ORDER = "before-change"
RESTORE = "lost"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` is not disturbed and ends at rest; `act` is what then happens, `is_over` its end.

    `happens` is for what happens to the whole cluster, once for all sites, with no other test around; `undo`
    makes it undone. `contract`: the public name answers, and the contract's time is turned. `engine`: one is
    played, and its definitions have to be at hand. `escrow`: the key bundle's Jobs are played.
    """

    name: str
    is_over: Callable[[Site], bool]
    act: Callable[[Site], None] = lambda _: None
    prepare: Callable[[Site], None] = lambda _: None
    happens: Callable[[Cluster], None] | None = None
    undo: Callable[[Cluster], None] | None = None
    contract: bool = False
    engine: bool = False
    escrow: bool = False


def is_whole(site: Site) -> bool:
    """This generation is rolled out, on three zones."""
    body = site.body()
    return is_applied(body) and get_str(body, "status", "summary", "zones") == "3/3" and _ready(body)


def _ready(body: Manifest | None) -> bool:
    summary = (get_str(body, "status", "summary", part).partition("/") for part in ("server", "login"))
    return all(ready and ready == wanted for ready, _, wanted in summary)


def stand(site: Site) -> None:
    """A rolled out instance, at rest."""
    site.create()
    site.rest(is_whole, seconds=REST_SECONDS)


def has_lost_a_zone(site: Site) -> bool:
    """The loss is told."""
    body = site.body()
    told = get_str(body, "status", "summary", "zones") == "2/3"
    return told and condition(body, "PrerequisitesMet").get("status") == "False"


def is_gone(site: Site) -> bool:
    """The instance, and all that does not outlive it."""
    if site.body() is not None or site.api.list(POD, site.namespace, labels=OURS):
        return False
    left = {
        f"{kind.kind}/{get_str(item, 'metadata', 'name')}"
        for kind in CHILD_KINDS
        for item in site.api.list(kind, site.namespace, labels=OURS)
    }
    return left <= KEPT_WITH_ENGINE


def _delete(site: Site) -> None:
    site.api.delete(INSTANCE, site.namespace, NAME)


def _update(site: Site) -> None:
    site.change({"release": {"version": NEW}})


def _configure(site: Site) -> None:
    site.change(CHANGED)


def begin_service(site: Site) -> None:
    """An instance whose service has begun, and of which every change waits for a permitted slot."""
    site.create(plan="Advanced", maintenance={"confine": "AllChanges", "approval": "Required"})
    site.rest(lambda at: is_whole(at) and recorded(at, "ServiceStarted") == 1, seconds=REST_SECONDS)


def recorded(site: Site, fact: str) -> int:
    """How often a fact is recorded."""
    return sum(get_str(item, "spec", "fact") == fact for item in site.api.list(RECORD, site.namespace))


def _phase(site: Site) -> str:
    """How far the month's request is."""
    return get_str(site.api.find(MAINTENANCE, site.namespace, REQUEST), "status", "phase")


def _maintain(site: Site) -> None:
    """Both sides' part: the release is asked for, the month comes, a slot is permitted, and begins."""
    _update(site)
    waits = ("UpToDate", "MaintenancePending")
    site.rest(lambda at: condition(at.body(), waits[0]).get("reason") == waits[1], seconds=REST_SECONDS)
    site.turn(MONTH)
    site.rest(lambda at: _phase(at) == "Announced", seconds=REST_SECONDS)
    site.state("Permitted", request=REQUEST, slot={"start": SLOT[0], "end": SLOT[1]})
    site.rest(lambda at: _phase(at) == "Scheduled", seconds=REST_SECONDS)
    site.turn(SLOT[0])


def is_maintained(site: Site) -> bool:
    """The release runs, and its maintenance is over by record."""
    over = _phase(site) == "Completed" and get_str(site.body(), "status", "summary", "version") == NEW
    return over and is_whole(site)


def backups(site: Site) -> list[str]:
    """States of the engine's backups."""
    return [get_str(item, "status", "state") for item in site.api.list(PERCONA_BACKUP, site.namespace)]


def _live_on_an_engine(site: Site) -> None:
    """Created, backed up for three causes (none yet, an order, a gap that is told twice), and deleted."""
    site.create(
        infrastructure={"dataLocation": {"region": "Global"}},
        database={"engine": "percona", "cluster": SERVERS},
        backup={"repository": REPOSITORY},
    )
    site.rest(_has_record, seconds=REST_SECONDS)
    _tell(site, _report(site))
    site.rest(lambda at: is_whole(at) and backups(at) == ["Succeeded"], seconds=REST_SECONDS)
    site.api.create(ordered(site.namespace, ORDER, "Differential"))
    site.rest(_is_carried_out, seconds=REST_SECONDS)
    told = _gap(site)
    _tell(site, told)
    site.rest(lambda at: len(backups(at)) > 2 and _all_ended(at), seconds=REST_SECONDS)
    # The agent reports anew, and could not list.
    now = datetime.now(UTC)
    _tell(site, replace(told, written=now, troubles=(Trouble("Repository", told.written, "no answer"),)))
    heard = has_finding("RepositoryNotReached")
    site.rest(lambda at: heard(at.body()) and _all_ended(at), seconds=REST_SECONDS)
    assert len(backups(site)) == 3, f"{len(backups(site))} backups for three causes"
    _delete(site)


def _stand_on_an_engine(site: Site) -> None:
    """Rolled out on an engine, with a first backup."""
    site.create(
        infrastructure={"dataLocation": {"region": "Global"}},
        database={"engine": "percona", "cluster": SERVERS},
        backup={"repository": REPOSITORY},
    )
    site.rest(_has_record, seconds=REST_SECONDS)
    _tell(site, _report(site))
    site.rest(lambda at: is_whole(at) and backups(at) == ["Succeeded"], seconds=REST_SECONDS)
    _tell(site, _recoverable(site, _uid(site)))


def _restore(site: Site) -> None:
    """Restored to the newest point, switched to, backed up, and the old database removed at once."""
    point = datetime.now(UTC) - timedelta(days=1)
    spec: Manifest = {
        "instance": NAME,
        "purpose": "Recovery",
        "acceptLossSince": rfc3339(point),
        "retain": "0s",
    }
    head: Manifest = {"name": RESTORE, "namespace": site.namespace}
    api_version, kind = INSTANCE_RESTORE.api_version, INSTANCE_RESTORE.kind
    site.api.create({"apiVersion": api_version, "kind": kind, "metadata": head, "spec": spec})
    site.rest(lambda at: _restored(at) == "Live" and len(backups(at)) == 2, seconds=REST_SECONDS)
    mark = get_str(site.api.get(INSTANCE_RESTORE, site.namespace, RESTORE), "status", "cluster")
    _tell(site, _recoverable(site, f"{_uid(site)}-{mark.rpartition('-')[2]}"))


def _restored(site: Site) -> str:
    return get_str(site.api.find(INSTANCE_RESTORE, site.namespace, RESTORE), "status", "phase")


def is_restored(site: Site) -> bool:
    """The new database is the only one, and serves; each step is recorded once."""
    clusters = site.api.list(PERCONA_CLUSTER, site.namespace)
    once = [recorded(site, fact) for fact in ("Restored", "DatabaseRemoved")]
    return _restored(site) == "Removed" and len(clusters) == 1 and once == [1, 1] and is_whole(site)


def _uid(site: Site) -> str:
    return get_str(site.body(), "metadata", "uid")


def _recoverable(site: Site, incarnation: str) -> Report:
    """What can be restored of an incarnation."""
    at = datetime.now(UTC) - timedelta(seconds=1)
    found = Recoverability(at, at, replace(backup(3), started=at, completed=at), 4 * SEGMENT, 1, at)
    return replace(_report(site), incarnation=incarnation, found=found)


def _keep_keys(site: Site) -> None:
    """Created with its keys kept elsewhere, changed twice, and deleted."""
    site.create(keyBundle=KEY_BUNDLE)
    told: Manifest = {"contacts": {"customer": "+41 71 000 00 00"}}
    for change in (None, CHANGED, told):
        if change is not None:
            site.change(change)
        site.rest(lambda at: is_whole(at) and _keys_kept(at), seconds=REST_SECONDS)
    put = site.kept.put
    assert len(put) == len(set(put)), f"the same was written twice: {put}"
    _delete(site)


def _keys_kept(site: Site) -> bool:
    return condition(site.body(), "KeysEscrowed").get("status") == "True"


def _has_record(site: Site) -> bool:
    return site.api.find(CONFIG_MAP, site.namespace, RECORD_OF_AGENT) is not None


def _is_carried_out(site: Site) -> bool:
    return get_str(site.api.find(INSTANCE_BACKUP, site.namespace, ORDER), "status", "state") == "Completed"


def _all_ended(site: Site) -> bool:
    return set(backups(site)) == {"Succeeded"}


def _report(site: Site) -> Report:
    """The agent's first: the store is as it must be, and the rest is not known yet."""
    at = datetime.now(UTC)
    return Report(at, get_str(site.body(), "metadata", "uid"), stores=(good_store(at),))


def _gap(site: Site) -> Report:
    """A gap in the archive, listed just now. An engine tells the end of a backup in whole seconds."""
    at = datetime.now(UTC) - timedelta(seconds=1)
    full = replace(backup(3), started=at, completed=at)
    found = Recoverability(at, at, full, 4 * SEGMENT, 1, at, gaps=(Stretch(4, 5),))
    return replace(_report(site), found=found, memory=Memory((Sample(at, 9 * SEGMENT, 1),)))


def _tell(site: Site, report: Report) -> None:
    tell(site.api, site.namespace, to_json(report))


CREATION = Scenario("creation", act=Site.create, is_over=is_whole)
CONFIGURATION = Scenario("configuration-change", prepare=stand, act=_configure, is_over=is_whole)
VERSION = Scenario("version-change", prepare=stand, act=_update, is_over=is_whole)
DELETION = Scenario("deletion", prepare=stand, act=_delete, is_over=is_gone)
ZONE_LOSS = Scenario(
    "zone-loss",
    prepare=stand,
    is_over=has_lost_a_zone,
    happens=lambda cluster: cluster.lose_zone("zone-a"),
    undo=lambda cluster: cluster.return_zone("zone-a"),
)
MAINTENANCE_RUN = Scenario(
    "maintenance-run", prepare=begin_service, act=_maintain, is_over=is_maintained, contract=True
)
ENGINE = Scenario("engine", act=_live_on_an_engine, is_over=is_gone, engine=True)
RESTORED = Scenario(
    "restore", prepare=_stand_on_an_engine, act=_restore, is_over=is_restored, engine=True
)
ESCROW = Scenario("escrow", act=_keep_keys, is_over=is_gone, escrow=True)
SCENARIOS = (
    CREATION,
    CONFIGURATION,
    VERSION,
    DELETION,
    MAINTENANCE_RUN,
    ENGINE,
    RESTORED,
    ESCROW,
    ZONE_LOSS,
)
