"""An instance on an engine, and the restores of it that a pass sees."""

from dataclasses import replace
from datetime import datetime, timedelta

from dedicated.api.conditions import rfc3339
from dedicated.api.instance_restore import InstanceRestoreStatus
from dedicated.api.json import Manifest
from dedicated.api.objects import INSTANCE_RESTORE, NETWORK_POLICY, Ref
from dedicated.contract.facts import Fact, Restored
from dedicated.contract.recovery.proof import Check, Goal, Verdict
from dedicated.parts.database.engine import ClusterState, EngineState, Origin
from dedicated.reconcile.actions import Apply, Delete, Plan, RecordFact, Tell
from dedicated.reconcile.asked import RestoreOrder
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.plan import plan
from dedicated.reconcile.restores import cluster_for, with_database
from reconcile.simulation import Cluster
from reconcile.test_plan_recovery import MINUTE, report, stand, tell

OLD = "acme-database"
LOST = ClusterState(servers=3, message="lost")


def ordered(
    cluster: Cluster, purpose: str = "Recovery", *, name: str = "lost", **changes: object
) -> RestoreOrder:
    order = RestoreOrder(
        name, f"uid-of-{name}", "acme", "Recovery", rfc3339(cluster.server.now), retain=timedelta(hours=1)
    )
    return replace(order, purpose=purpose, **changes)  # type: ignore[arg-type]


def scene() -> Cluster:
    """An instance whose database is lost: all until ten minutes ago can be restored."""
    cluster = stand()
    now = cluster.server.now
    tell(cluster, report(now))
    cluster.engine = replace(cluster.engine, cluster=LOST)
    cluster.pass_time(minutes=10)
    return cluster


def copy_of(cluster: Cluster, order: RestoreOrder, **changes: object) -> dict[str, ClusterState]:
    """The cluster that a restore has made, restored to ten minutes ago."""
    now = cluster.server.now
    made = ClusterState(
        ready=True,
        servers=3,
        ready_servers=3,
        created=now - 5 * MINUTE,
        origin=Origin(order.name, now - 10 * MINUTE, exact=False),
    )
    return {cluster_for(cluster.instance(), order.uid): replace(made, **changes)}  # type: ignore[arg-type]


def verdict(cluster: Cluster, order: RestoreOrder, *, well: bool = True) -> dict[str, Verdict]:
    names = ("Recovery", "Point", "Pages", "Events", "Keys")
    checks = tuple(Check(name, "Passed", "well") for name in names)  # type: ignore[arg-type]
    if not well:
        checks = (*checks[:2], Check("Pages", "Failed", "page 7"), *checks[3:])
    at = cluster.server.now
    identity = cluster.observed().identity
    assert identity is not None
    return {
        order.uid: Verdict(
            at, order.uid, Goal(at - 10 * MINUTE, newest=True), recovered=True, checks=checks,
            restored_to=at - 10 * MINUTE, fingerprint=identity.masterkey,
        )
    }  # fmt: skip


def looked(cluster: Cluster, *orders: RestoreOrder, facts: tuple[Fact, ...] = (), **known: object) -> Plan:
    """One pass over the instance with these restores; statuses told fit their schema."""
    observed = replace(cluster.observed(), restores=orders)
    observed = replace(observed, facts=(*observed.facts, *facts))
    observed = replace(observed, **known)  # type: ignore[arg-type]
    done = passed(cluster, observed)
    for action in done.actions:
        if isinstance(action, Tell) and action.kind == INSTANCE_RESTORE.kind:
            InstanceRestoreStatus.model_validate(action.status)
    return done


def passed(cluster: Cluster, observed: Observed) -> Plan:
    return plan(
        with_database(cluster.instance(), observed.facts),
        observed,
        catalogue=cluster.catalogue,
        now=cluster.server.now,
        settled=cluster.settled,
        turn=cluster.turn,
        proven=True,
    )


def applied(done: Plan) -> list[str]:
    return [str(action.ref) for action in done.actions if isinstance(action, Apply)]


def told(done: Plan, name: str = "lost") -> Manifest:
    found = [a.status for a in done.actions if isinstance(a, Tell) and a.name == name]
    return found[0] if found else {}


def recorded(done: Plan) -> list[str]:
    return [action.statement.fact for action in done.actions if isinstance(action, RecordFact)]


def deleted(done: Plan) -> list[str]:
    return [str(action.ref) for action in done.actions if isinstance(action, Delete)]


def others(cluster: Cluster, **clusters: ClusterState) -> EngineState:
    return replace(cluster.engine, others=clusters)


def isolated(cluster: Cluster, name: str = "lost") -> dict[Ref, Child]:
    ref = Ref(NETWORK_POLICY.kind, f"{name}-isolated")
    return {**cluster.observed().children, ref: Child(ref, "p", "1")}


def switched(cluster: Cluster, order: RestoreOrder, at: datetime) -> Restored:
    name = cluster_for(cluster.instance(), order.uid)
    return Restored(
        "s", at, "op", order.name, name, OLD, at - 20 * MINUTE, False, at - 5 * MINUTE, at,
        retain=timedelta(hours=1),
    )  # fmt: skip
