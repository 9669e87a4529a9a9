"""Rollouts in memory: how far workloads are, and the status that their controllers write."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from dedicated.api.json import Manifest
from dedicated.api.objects import DEPLOYMENT, STATEFUL_SET, Ref
from dedicated.reconcile.rollouts import DeploymentState, deployment_of, stateful_set_of

ROLLED = (DEPLOYMENT.kind, STATEFUL_SET.kind)
T = TypeVar("T")


def deployments_in(full: Mapping[Ref, Manifest]) -> dict[str, DeploymentState]:
    """The Deployments but for the agent's, which holds up nothing."""
    return _read(full, DEPLOYMENT.kind, deployment_of)


def stateful_sets_in(full: Mapping[Ref, Manifest]) -> dict[str, DeploymentState]:
    """The StatefulSets."""
    return _read(full, STATEFUL_SET.kind, stateful_set_of)


def _read(full: Mapping[Ref, Manifest], kind: str, read: Callable[[Manifest], T]) -> dict[str, T]:
    return {
        ref.name: read(item)
        for ref, item in full.items()
        if ref.kind == kind and not ref.name.endswith("-recovery")
    }


def rolled_out(generation: int, replicas: int) -> Manifest:
    """The status of a Deployment, or a StatefulSet, whose newest template runs on all replicas."""
    return {
        "observedGeneration": generation,
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": replicas,
        "availableReplicas": replicas,
        "currentRevision": f"r{generation}",
        "updateRevision": f"r{generation}",
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
    }
