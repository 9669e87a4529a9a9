"""Scenarios on a played engine: backups, a restore, a drill, and a deletion that takes the data along."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cluster.engine_stage import RECORD as RECORD_OF_AGENT
from cluster.engine_stage import REPOSITORY, SERVERS, ordered, tell
from cluster.instances import condition
from cluster.observing import has_finding
from contract.recovery_facts import backup, good_store
from dedicated.api.conditions import RESTORE_PROVEN, rfc3339
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import (
    CONFIG_MAP,
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_RESTORE,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    POD,
    VOLUME_CLAIM,
)
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.report import Report, Trouble, to_json
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT, Stretch
from engines.simulator import PERCONA_LABELS
from faults.scenario import REST_SECONDS, Scenario, delete, is_gone, is_whole, recorded
from faults.site import NAME, Site

ORDER = "before-change"
CLAIMS = ("acme-database-db-0", "acme-database-db-1")
RESTORE = "lost"


def backups(site: Site) -> list[str]:
    """States of the engine's backups."""
    return [get_str(item, "status", "state") for item in site.api.list(PERCONA_BACKUP, site.namespace)]


def _live_on_an_engine(site: Site) -> None:
    """Created, backed up for three causes (none yet, an order, a gap that is told twice), and lost: deleted
    without a confirmation, and the finalizer, which holds it then, taken off by force."""
    _stand_on_an_engine(site)
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
    delete(site)
    site.rest(lambda at: _step_of(at) == "Confirmation", seconds=REST_SECONDS)
    site.api.patch(INSTANCE, site.namespace, NAME, {"metadata": {"finalizers": None}})


def _stand_on_an_engine(site: Site) -> None:
    """A rolled out instance with a database of its own, backed up once."""
    site.create(
        infrastructure={"dataLocation": {"region": "Global"}},
        database={"engine": "percona", "cluster": SERVERS},
        backup={"repository": REPOSITORY},
    )
    site.rest(_has_record, seconds=REST_SECONDS)
    _tell(site, _report(site))
    site.rest(lambda at: is_whole(at) and backups(at) == ["Succeeded"], seconds=REST_SECONDS)


def _step_of(site: Site) -> str:
    """The step of a deletion that is told."""
    return get_str(site.body(), "status", "deletion", "phase")


def _confirm(site: Site) -> None:
    """An instance with volumes, whose deletion is confirmed."""
    _stand_on_an_engine(site)
    for claim in CLAIMS:
        site.api.create(_claim(site.namespace, claim))
    site.state("DeletionConfirmed", incarnation=get_str(site.body(), "metadata", "uid"))
    told = ("status", "deletion", "confirmedBy")
    site.rest(lambda at: get_str(at.body(), *told) == "customer", seconds=REST_SECONDS)


def _claim(namespace: str, name: str) -> Manifest:
    """A volume claim as the engine labels it."""
    engines = "postgres-operator.crunchydata.com"
    labels: Manifest = {f"{engines}/cluster": f"{NAME}-database", f"{engines}/role": "pgdata"}
    return {
        "apiVersion": "v1",
        "kind": VOLUME_CLAIM.kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def _end(site: Site) -> None:
    """Deleted, backed up, retained, and a month later removed."""
    delete(site)
    site.rest(lambda at: _step_of(at) == "Retention", seconds=REST_SECONDS)
    site.turn(rfc3339(datetime.now(UTC) + timedelta(days=31)))


def has_ended(site: Site) -> bool:
    """The instance, and its data with it."""
    return is_gone(site) and not site.api.list(VOLUME_CLAIM, site.namespace)


def _stand_recoverable(site: Site) -> None:
    """The same, with a backup that can be restored."""
    _stand_on_an_engine(site)
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
    _ask(site, spec)
    site.rest(lambda at: _restored(at) == "Live" and len(backups(at)) == 2, seconds=REST_SECONDS)
    mark = get_str(site.api.get(INSTANCE_RESTORE, site.namespace, RESTORE), "status", "cluster")
    _tell(site, _recoverable(site, f"{_uid(site)}-{mark.rpartition('-')[2]}"))


def _ask(site: Site, spec: Manifest) -> None:
    """Somebody asks for a restore."""
    head: Manifest = {"name": RESTORE, "namespace": site.namespace}
    api_version, kind = INSTANCE_RESTORE.api_version, INSTANCE_RESTORE.kind
    site.api.create({"apiVersion": api_version, "kind": kind, "metadata": head, "spec": spec})


def _restored(site: Site) -> str:
    return get_str(site.api.find(INSTANCE_RESTORE, site.namespace, RESTORE), "status", "phase")


def is_restored(site: Site) -> bool:
    """The new database is the only one, and serves; each step is recorded once."""
    clusters = site.api.list(PERCONA_CLUSTER, site.namespace)
    once = [recorded(site, fact) for fact in ("Restored", "DatabaseRemoved")]
    return _restored(site) == "Removed" and len(clusters) == 1 and once == [1, 1] and is_whole(site)


def _drill(site: Site) -> None:
    """A drill is asked for: it is held, recorded and taken away by itself."""
    _ask(site, {"instance": NAME, "purpose": "Drill"})


def is_drilled(site: Site) -> bool:
    """One drill was held; its copy is gone, and what it proved is recorded and told."""
    clusters, proven = site.api.list(PERCONA_CLUSTER, site.namespace), condition(site.body(), RESTORE_PROVEN)
    servers = site.api.list(POD, site.namespace, labels=f"{PERCONA_LABELS}/data=postgres")
    told = _restored(site) == "Removed" and recorded(site, "Drilled") == 1
    return (
        told
        and len(clusters) == 1
        and len(servers) == 3
        and proven.get("reason") == "Proven"
        and is_whole(site)
    )


def _uid(site: Site) -> str:
    return get_str(site.body(), "metadata", "uid")


def _recoverable(site: Site, incarnation: str) -> Report:
    """What can be restored of an incarnation."""
    at = datetime.now(UTC) - timedelta(seconds=1)
    found = Recoverability(at, at, replace(backup(3), started=at, completed=at), 4 * SEGMENT, 1, at)
    return replace(_report(site), incarnation=incarnation, found=found)


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


ENGINE = Scenario("engine", act=_live_on_an_engine, is_over=is_gone, engine=True)
DELETION_OF_DATA = Scenario("deletion-of-data", prepare=_confirm, act=_end, is_over=has_ended, engine=True)
DRILLED = Scenario("drill", prepare=_stand_recoverable, act=_drill, is_over=is_drilled, engine=True)
RESTORED = Scenario("restore", prepare=_stand_recoverable, act=_restore, is_over=is_restored, engine=True)
