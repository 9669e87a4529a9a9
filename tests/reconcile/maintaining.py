"""An instance with windows on the simulated cluster, and the month of March 2026 around its slot."""

from datetime import UTC, datetime, timedelta

from builders import CATALOGUE, body
from dedicated.api.catalogue import Catalogue, CatalogueVersion
from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.objects import DEPLOYMENT, Ref
from dedicated.contract.facts import Answer, Word
from dedicated.reconcile.actions import Plan
from reconcile.simulation import Cluster

START = datetime(2026, 2, 20, 12, 0, tzinfo=UTC)
MARCH = datetime(2026, 2, 28, 23, 0, tzinfo=UTC)
"""2026-03-01 00:00 in Zurich."""
SLOT = datetime(2026, 3, 8, 1, 0, tzinfo=UTC)
"""The second Sunday, 02:00 to 06:00 in Zurich."""
END = SLOT + timedelta(hours=4)
SERVER = Ref(DEPLOYMENT.kind, "acme-server")
LOGIN = Ref(DEPLOYMENT.kind, "acme-login")
WINDOW: Manifest = {"recurrence": "FREQ=MONTHLY;BYDAY=2SU", "start": "02:00", "duration": "4h"}
NEWER = CATALOGUE.model_copy(
    update={"versions": [*CATALOGUE.versions, CatalogueVersion(version="v4.17.0", channel="stable")]}
)
RISKY = CATALOGUE.model_copy(
    update={
        "versions": [
            *CATALOGUE.versions,
            CatalogueVersion(version="v4.17.0", channel="stable", downtime="5m"),
        ]
    }
)
"""Of the newer release downtime is to be expected."""
STABLE: Manifest = {"version": None, "channel": "stable"}
REQUEST = "regular-2026-03"


def policy(**changes: JsonValue) -> Manifest:
    """`spec.maintenance` with the window."""
    windows: list[JsonValue] = [WINDOW]
    return {"windows": windows, **changes}


def standing(*, maintenance: Manifest | None = None, release: Manifest | None = None) -> Cluster:
    """An Advanced instance that is Ready since February and follows the stable channel."""
    wanted = maintenance or policy()
    cluster = Cluster(body(plan="Advanced", release=release or STABLE, maintenance=wanted))
    cluster.server.now = START
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.settle().actions == ()
    return cluster


def at(cluster: Cluster, moment: datetime) -> Plan:
    """Time passes, and passes follow until nothing is to be done."""
    cluster.server.now = moment
    return cluster.settle()


def announced(cluster: Cluster | None = None, catalogue: Catalogue = NEWER) -> Cluster:
    """The channel has moved, and March's request is open."""
    cluster = cluster or standing()
    cluster.catalogue = catalogue
    at(cluster, START + timedelta(days=1))
    at(cluster, MARCH)
    return cluster


def version(cluster: Cluster, ref: Ref) -> str:
    template = get_map(cluster.server.objects[ref].manifest, "spec", "template")
    return get_str(template, "metadata", "labels", "app.kubernetes.io/version")


def facts(cluster: Cluster) -> list[str]:
    """What is recorded, in words."""
    return [name.removeprefix("acme-") for name in cluster.facts]


def phase(cluster: Cluster, name: str = REQUEST) -> str:
    return get_str(cluster.asked[name], "status", "phase")


def answers(cluster: Cluster, word: Word) -> None:
    """The customer's word on the request, now."""
    now = cluster.server.now
    answer = Answer(f"answer-{now:%H%M%S}", now, "customer", REQUEST, word)
    cluster.facts[answer.name] = answer


def in_slot(cluster: Cluster) -> Cluster:
    """The run has begun."""
    at(announced(cluster), SLOT)
    assert facts(cluster)[-1] == f"started-{REQUEST}-1"
    return cluster


def finish(cluster: Cluster) -> None:
    """Setup, server and login come to their ends."""
    cluster.jobs_complete()
    cluster.settle()
    cluster.rollout("acme-server")
    cluster.settle()
    cluster.rollout("acme-login")
    cluster.settle()


