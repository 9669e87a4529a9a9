"""What a limiter is made of, but for its pods and its ways: files, report, rights, and the way in.

The files are one ConfigMap, read by the agents from the API server: a change of the policy, or of the way in,
is a change of the running HAProxy and rolls no pod. What the replicas tell is another ConfigMap: the operator
makes it empty, its data is the agents', which their Role and the protection of the instance hold them to.
"""

from dataclasses import dataclass

from dedicated.api.json import JsonValue, Manifest, digest, get_map
from dedicated.api.names import ANNOTATION_APPLIED
from dedicated.api.objects import CONFIG_MAP, DISRUPTION_BUDGET, SERVICE
from dedicated.api.resource import Instance
from dedicated.contract.limiter_report import MANAGER
from dedicated.parts.edge.entries import service_annotations
from dedicated.parts.limiter import names
from dedicated.parts.limiter.names import COMPONENT, HTTP_PORT, MOST_REPLICAS
from dedicated.parts.limiter.objects_files import Files
from dedicated.parts.metadata import child, selector
from dedicated.parts.process import is_word, rights

KEYS = tuple(f"r{ordinal}" for ordinal in range(MOST_REPLICAS))
"""Of the report: one of each replica."""


@dataclass(frozen=True, slots=True)
class LimiterWanted:
    """Input of the limiter's manifests. `agent_image` is the operator's own.

    `memory` are the bytes that HAProxy may take. `tls_secret` is
    the Secret of the public name where HAProxy terminates TLS, else empty. `peers` is the Secret of the link
    between the replicas, empty while there is none; `peers_mark` changes when it was made anew. `stands` says
    that the limiter was ready once; with `closes` server and login are reached by nobody else.
    """

    instance: Instance
    image: str
    agent_image: str
    replicas: int
    zones: int
    memory: int
    files: Files
    tls_secret: str = ""
    peers: str = ""
    peers_mark: str = ""
    stands: bool = False
    closes: bool = False


def is_report(component: str, manager: str, fields: Manifest) -> bool:
    """Whether what a manager owns of an object is the agents' word in their report."""
    return (component, manager) == (COMPONENT, MANAGER) and is_word(fields, *KEYS)


def report(instance: Instance) -> Manifest:
    """The report, empty: its data is the agents'."""
    return child(CONFIG_MAP, instance, f"{COMPONENT}-report", COMPONENT)


def files(wanted: LimiterWanted) -> Manifest:
    """The ConfigMap that the agents read."""
    head = child(CONFIG_MAP, wanted.instance, COMPONENT, COMPONENT)
    # It brings its mark along: to take it of all the text would be most of a pass.
    mark: Manifest = {ANNOTATION_APPLIED: digest([head, wanted.files.mark])}
    head["metadata"] = {**get_map(head, "metadata"), "annotations": mark}
    return {**head, "data": {**wanted.files.data}}


def standing(wanted: LimiterWanted) -> tuple[Manifest, ...]:
    """What can stand before the pods, but for the ways in and between."""
    record = report(wanted.instance)
    reading: Manifest = {
        "apiGroups": [""],
        "resources": [CONFIG_MAP.plural],
        "resourceNames": [names.limiter_name(wanted.instance.name)],
        "verbs": ["get", "list", "watch"],
    }
    budget: Manifest = {
        **child(DISRUPTION_BUDGET, wanted.instance, COMPONENT, COMPONENT),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(wanted.instance, COMPONENT)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
    return (files(wanted), record, *rights(record, reading), budget)


def way_in(wanted: LimiterWanted) -> Manifest:
    """The Service that all traffic enters by, whatever leads to it. It is made when the limiter stands."""
    ports: list[JsonValue] = [
        {
            "name": "http",
            "port": HTTP_PORT,
            "targetPort": "http",
            "protocol": "TCP",
            "appProtocol": "kubernetes.io/h2c",
        }
    ]
    if wanted.tls_secret:
        ports += [
            {
                "name": "https",
                "port": names.TLS_PORT,
                "targetPort": "https",
                "protocol": "TCP",
                "appProtocol": "https",
            }
        ]
    head = child(SERVICE, wanted.instance, COMPONENT, COMPONENT)
    if annotations := service_annotations(wanted.instance):
        head["metadata"] = {**get_map(head, "metadata"), "annotations": {**annotations}}
    return {
        **head,
        "spec": {"selector": selector(wanted.instance, COMPONENT), "ports": ports},
    }
