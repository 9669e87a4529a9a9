"""What happens to an instance, as data. A new feature adds its scenario to `SCENARIOS` and is tried at every
crash point from then on (docs/testing.md)."""

from api.export_examples import order
from api.key_examples import KEY_BUNDLE
from cluster.instances import condition
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import CHILD_KINDS, INSTANCE_EXPORT, MAINTENANCE, POD
from dedicated.parts import export
from faults.edge_scenario import EDGE
from faults.engine_scenarios import DELETION_OF_DATA, DRILLED, ENGINE, RESTORED
from faults.scenario import REST_SECONDS, Scenario, delete, is_gone, is_whole, recorded, stand
from faults.site import NEW, Site

CHANGED: Manifest = {"server": {"config": {"AuditLogRetention": "1h"}}, "login": {"replicas": 6}}
"""Six replicas: as many in each zone, whoever came first."""
MONTH, SLOT = "2036-12-31T23:00:00Z", ("2037-01-10T01:00:00Z", "2037-01-10T05:00:00Z")
"""A new month in Zurich, and a slot in it."""
REQUEST = "regular-2037-01"
EXPORT = "out"
OF_EXPORT = f"{LABEL_COMPONENT}={export.COMPONENT}"


def has_lost_a_zone(site: Site) -> bool:
    """The loss is told."""
    body = site.body()
    told = get_str(body, "status", "summary", "zones") == "2/3"
    return told and condition(body, "PrerequisitesMet").get("status") == "False"


def _update(site: Site) -> None:
    site.change({"release": {"version": NEW}})


def _configure(site: Site) -> None:
    site.change(CHANGED)


def begin_service(site: Site) -> None:
    """An instance whose service has begun, and of which every change waits for a permitted slot."""
    site.create(plan="Advanced", maintenance={"confine": "AllChanges", "approval": "Required"})
    site.rest(lambda at: is_whole(at) and recorded(at, "ServiceStarted") == 1, seconds=REST_SECONDS)


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


def _export(site: Site) -> None:
    """An administrator asks for all of it."""
    body = order(name=EXPORT)
    site.api.create({**body, "metadata": {**get_map(body, "metadata"), "namespace": site.namespace}})


def is_exported(site: Site) -> bool:
    """It is completed by one process, and what was made for it is gone."""
    phase = get_str(site.api.find(INSTANCE_EXPORT, site.namespace, EXPORT), "status", "phase")
    left = [kind for kind in CHILD_KINDS if site.api.list(kind, site.namespace, labels=OF_EXPORT)]
    assert len(site.exported.begun) <= 1, f"it was begun {len(site.exported.begun)} times"
    return phase == "Completed" and not left and not site.api.list(POD, site.namespace, labels=OF_EXPORT)


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
    delete(site)


def _keys_kept(site: Site) -> bool:
    return condition(site.body(), "KeysEscrowed").get("status") == "True"


CREATION = Scenario("creation", act=Site.create, is_over=is_whole)
CONFIGURATION = Scenario("configuration-change", prepare=stand, act=_configure, is_over=is_whole)
VERSION = Scenario("version-change", prepare=stand, act=_update, is_over=is_whole)
DELETION = Scenario("deletion", prepare=stand, act=delete, is_over=is_gone)
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
EXPORTED = Scenario("export", prepare=stand, act=_export, is_over=is_exported, jobs=True)
ESCROW = Scenario("escrow", act=_keep_keys, is_over=is_gone, jobs=True)
SCENARIOS = (
    CREATION,
    CONFIGURATION,
    VERSION,
    DELETION,
    MAINTENANCE_RUN,
    ENGINE,
    RESTORED,
    DRILLED,
    EXPORTED,
    ESCROW,
    EDGE,
    DELETION_OF_DATA,
    ZONE_LOSS,
)
