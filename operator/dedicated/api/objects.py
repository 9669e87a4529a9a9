"""Kinds of Kubernetes objects that the operator reads or writes, and references to single objects."""

from dataclasses import dataclass

from dedicated.api.json import Manifest, get_str
from dedicated.api.names import (
    API_VERSION,
    BACKUP_KIND,
    BACKUP_PLURAL,
    EXPORT_KIND,
    EXPORT_PLURAL,
    KIND,
    MAINTENANCE_KIND,
    MAINTENANCE_PLURAL,
    PLURAL,
    RECORD_KIND,
    RECORD_PLURAL,
    RESTORE_KIND,
    RESTORE_PLURAL,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource of the API server: what its URLs and manifests need."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


INSTANCE = Kind(API_VERSION, KIND, PLURAL)
RECORD = Kind(API_VERSION, RECORD_KIND, RECORD_PLURAL)
MAINTENANCE = Kind(API_VERSION, MAINTENANCE_KIND, MAINTENANCE_PLURAL)
INSTANCE_BACKUP = Kind(API_VERSION, BACKUP_KIND, BACKUP_PLURAL)
INSTANCE_EXPORT = Kind(API_VERSION, EXPORT_KIND, EXPORT_PLURAL)
INSTANCE_RESTORE = Kind(API_VERSION, RESTORE_KIND, RESTORE_PLURAL)
NODE = Kind("v1", "Node", "nodes", namespaced=False)
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
POD = Kind("v1", "Pod", "pods")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
JOB = Kind("batch/v1", "Job", "jobs")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
ROLE = Kind("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")

CHILD_KINDS = (
    CONFIG_MAP,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    DEPLOYMENT,
    STATEFUL_SET,
    JOB,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
)
"""Every kind that an instance is made of. The chart's RBAC grants exactly these."""

PERCONA_CLUSTER = Kind("pgv2.percona.com/v2", "PerconaPGCluster", "perconapgclusters")
PERCONA_BACKUP = Kind("pgv2.percona.com/v2", "PerconaPGBackup", "perconapgbackups")
CNPG_CLUSTER = Kind("postgresql.cnpg.io/v1", "Cluster", "clusters")
CNPG_SCHEDULE = Kind("postgresql.cnpg.io/v1", "ScheduledBackup", "scheduledbackups")
CNPG_BACKUP = Kind("postgresql.cnpg.io/v1", "Backup", "backups")
BARMAN_STORE = Kind("barmancloud.cnpg.io/v1", "ObjectStore", "objectstores")

INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
GRPC_ROUTE = Kind("gateway.networking.k8s.io/v1", "GRPCRoute", "grpcroutes")
TLS_ROUTE = Kind("gateway.networking.k8s.io/v1", "TLSRoute", "tlsroutes")
TCP_ROUTE = Kind("gateway.networking.k8s.io/v1", "TCPRoute", "tcproutes")
CERTIFICATE = Kind("cert-manager.io/v1", "Certificate", "certificates")
INGRESS_CLASS = Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False)

EDGE_KINDS = (INGRESS, HTTP_ROUTE, GRPC_ROUTE, CERTIFICATE)
"""Kinds that ways in are made of. All but the first may be missing, and come while the operator runs."""

ENGINE_KINDS = (
    PERCONA_CLUSTER,
    PERCONA_BACKUP,
    CNPG_CLUSTER,
    CNPG_SCHEDULE,
    CNPG_BACKUP,
    BARMAN_STORE,
)
"""Kinds of the database engines' operators: they may be missing, and come while the operator runs."""

KIND_BY_NAME = {
    kind.kind: kind
    for kind in (
        *CHILD_KINDS,
        *ENGINE_KINDS,
        *EDGE_KINDS,
        INSTANCE,
        INSTANCE_BACKUP,
        INSTANCE_EXPORT,
        INSTANCE_RESTORE,
        MAINTENANCE,
        NODE,
        POD,
        RECORD,
        VOLUME_CLAIM,
    )
}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Name of a namespaced object; of an instance, the key of the work queue."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """A child inside its instance's namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def ref_of(manifest: Manifest) -> Ref:
    """The reference of a manifest."""
    return Ref(get_str(manifest, "kind"), get_str(manifest, "metadata", "name"))
