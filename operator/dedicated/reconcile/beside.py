"""What should stand beside the instance's database for its restores, as far as each of them is."""

from collections.abc import Iterator
from dataclasses import replace

from dedicated.api.duration import parse_duration
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import API_VERSION, RESTORE_KIND
from dedicated.api.objects import NETWORK_POLICY, Ref
from dedicated.api.resource import Instance
from dedicated.parts import config, network, schema, verification
from dedicated.parts.database.engine import RestoreWanted, on_cluster
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.recovery_source import store_ports
from dedicated.parts.verification import Copy
from dedicated.reconcile.restores import Course, Scene, database_for, goal_of, prepared_for


def beside(scene: Scene, found: tuple[Course, ...]) -> tuple[Manifest, ...]:
    """What should stand beside the instance's database for its restores, in the order in which it is made."""
    return tuple(manifest for one in found if one.standing for manifest in _manifests(scene, one))


def _manifests(scene: Scene, course: Course) -> Iterator[Manifest]:
    """The isolation of the new database first; then itself; when it is ready, who looks at it; when that has
    passed, the way in for a setup, and the setup."""
    target, engine = course.target, scene.judgement.database.wanted
    adapter = adapter_of(scene.instance)
    if target is None or engine is None or scene.wanted is None:
        return
    instance = database_for(scene, course.cluster, course.part, target)
    copy = _copy(scene, course, instance)
    isolation = verification.isolation(copy)
    yield isolation
    made = course.state is not None
    if (
        not made
        and Ref(NETWORK_POLICY.kind, get_str(isolation, "metadata", "name")) not in scene.observed.children
    ):
        return  # nobody comes to it before the policy stands
    lives = course.order.purpose == "Recovery"
    yield from adapter.restore(RestoreWanted(replace(engine, instance=instance), course.order.name, lives))
    if course.phase in ("Verifying", "Switching"):
        yield from verification.verification(copy)
    wanted = prepared_for(scene, instance)
    if course.phase == "Switching" and wanted is not None:
        yield from network.of_database(instance)
        yield schema.setup_job(wanted, config_name=get_str(config.config_map(wanted), "metadata", "name"))


def _copy(scene: Scene, course: Course, instance: Instance) -> Copy:
    adapter, order, target = adapter_of(instance), course.order, course.target
    assert adapter.pods is not None
    assert adapter.flows is not None
    assert instance.spec.backup is not None
    assert target is not None
    owner: Manifest = {
        "apiVersion": API_VERSION,
        "kind": RESTORE_KIND,
        "name": order.name,
        "uid": order.uid,
    }
    return Copy(
        instance=instance,
        restore=order.name,
        uid=order.uid,
        owner=owner,
        incarnation=on_cluster(scene.instance, course.part).incarnation,
        image=scene.observed.agent_image,
        connection=adapter.connection(instance),
        pods={adapter.pods.cluster: course.cluster},
        flows=adapter.flows,
        store_ports=store_ports(instance.spec.backup),
        goal=goal_of(scene, order, target),
        timeout=parse_duration(instance.spec.backup.drill.timeout),
    )
