"""What prerequisites hold up, and how they are told: before an installation, and of an instance that runs."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from builders import PLATFORM, body, nodes
from dedicated.api.conditions import rfc3339
from dedicated.api.json import get_map
from dedicated.api.objects import DEPLOYMENT, Ref
from dedicated.api.probing import Entry
from dedicated.contract.prerequisites import Platform
from reconcile.simulation import Cluster
from reconcile.test_plan_gates import finding, standing


def test_too_few_zones_hold_up_the_first_installation() -> None:
    cluster = Cluster(body(), nodes=nodes(2))
    decided = cluster.step()
    assert decided.actions == ()
    assert cluster.condition("PrerequisitesMet") == ("False", "TooFewZones")
    assert cluster.condition("Ready") == ("False", "TooFewZones")
    assert cluster.condition("Reconciling") == ("True", "TooFewZones")
    cluster.nodes = nodes(3)
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_too_few_zones_later_are_only_told() -> None:
    cluster = standing()
    cluster.nodes = tuple(
        replace(node, schedulable=node.zone != "z3") for node in cluster.nodes or ()
    )
    cluster.pods = [
        replace(pod, ready=False) if pod.node.startswith("z3") else pod for pod in cluster.pods
    ]
    cluster.edit_spec(server={"replicas": 4})
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "TooFewZones")
    assert get_map(cluster.manifest(DEPLOYMENT.kind, "acme-server"), "spec")["replicas"] == 4
    cluster.edit_spec(server={"replicas": 3})
    cluster.settle()
    for name in cluster.names(DEPLOYMENT.kind):
        thing = cluster.server.objects[Ref(DEPLOYMENT.kind, name)]
        thing.status["observedGeneration"] = thing.generation
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("HighlyAvailable")[0] == "True"


def test_small_nodes_and_an_old_kubernetes_hold_up_the_first_installation_alone() -> None:
    small = tuple(replace(node, cpu=Decimal(2)) for node in nodes(3))
    for red, code in (
        (Cluster(body(), nodes=small), "NodesTooSmall"),
        (Cluster(body(), platform=Platform("v1.29.1")), "KubernetesTooOld"),
    ):
        assert red.step().actions == ()
        assert red.condition("PrerequisitesMet") == ("False", code)
        assert red.condition("Ready") == ("False", code)
        red.nodes, red.platform = nodes(3), PLATFORM
        red.stand()
        assert red.condition("PrerequisitesMet") == ("True", "Met")
    cluster = standing()
    cluster.nodes, cluster.platform = small, Platform("v1.29.1")
    cluster.edit_spec(server={"replicas": 4})
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "NodesTooSmall")
    assert get_map(cluster.manifest(DEPLOYMENT.kind, "acme-server"), "spec")["replicas"] == 4


def test_clocks_that_are_apart_are_told_and_hold_nothing_up() -> None:
    cluster = Cluster(body(), platform=replace(PLATFORM, ahead=60))
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("PrerequisitesMet") == ("False", "ClocksApart")


def test_a_version_that_is_not_told_is_unknown_unless_something_failed() -> None:
    cluster = Cluster(body(), platform=Platform())
    cluster.stand()
    assert cluster.condition("PrerequisitesMet") == ("Unknown", "KubernetesUnknown")
    cluster.nodes = nodes(2)
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "TooFewZones")


def test_a_certificate_wakes_when_it_should_have_been_renewed() -> None:
    cluster = standing()
    assert cluster.service is not None
    until = cluster.server.now + timedelta(days=30)
    cluster.service = replace(cluster.service, entry=Entry(until))
    decided = cluster.settle()
    assert "the certificate is good until 20" in cluster.message("PrerequisitesMet")
    assert decided.wake_at is not None
    assert decided.wake_at <= until - timedelta(days=21)
    cluster.server.now = until - timedelta(days=21)
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "CertificateExpires")
    assert finding(cluster, "CertificateExpires")["deadline"] == rfc3339(until)
    assert cluster.condition("Ready") == ("True", "Ready")


def test_an_image_that_cannot_be_pulled_is_told() -> None:
    cluster = standing()
    cluster.pods = [replace(pod, problem="zitadel: ImagePullBackOff") for pod in cluster.pods]
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "ImageNotPullable")


def test_one_zone_left_is_not_ready() -> None:
    cluster = standing()
    cluster.pods = [replace(pod, ready=pod.node.startswith("z1")) for pod in cluster.pods]
    cluster.settle()
    assert cluster.condition("Ready") == ("False", "TooFewZonesInUse")
    assert cluster.condition("HighlyAvailable") == ("False", "ZoneLossNotSurvived")


def test_without_leave_to_read_nodes_nothing_is_claimed() -> None:
    cluster = Cluster(body(), nodes=None)
    cluster.stand()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("HighlyAvailable") == ("Unknown", "ZonesUnknown")
    assert cluster.condition("PrerequisitesMet") == ("Unknown", "ZonesUnknown")


def test_mail_is_needed_in_production_alone_and_nothing_waits_for_it() -> None:
    cluster = standing()
    cluster.mail = False
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("True", "Met")
    cluster.edit_spec(production=True)
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "MailMissing")
    assert cluster.condition("Ready") == ("True", "Ready")
    cluster.mail = True
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("True", "Met")


def test_a_restart_does_not_take_back_that_mail_is_missing() -> None:
    cluster = Cluster(body(production=True), mail=False)
    cluster.stand()
    cluster.mail = None
    cluster.settle()
    assert cluster.condition("PrerequisitesMet") == ("False", "MailMissing")
    fresh = Cluster(body(production=True))
    fresh.stand()
    assert fresh.condition("PrerequisitesMet") == ("True", "Met")
