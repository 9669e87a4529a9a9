"""How far the rollout of a Deployment or a StatefulSet is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str, shared
from dedicated.api.names import LABEL_APP_VERSION


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """A Deployment's progress, or a StatefulSet's.

    `surplus` are pods beyond the replicas wanted: surge, or old ones on their way out. `complete` says
    that the newest template was available on all replicas at least once. `revision` counts templates.
    """

    generation: int
    observed_generation: int
    replicas: int
    updated: int
    ready: int
    available: int
    surplus: int
    version: str
    complete: bool
    revision: str = ""

    @property
    def served(self) -> bool:
        """Whether it can ever have served: anything but a first rollout without a ready pod."""
        return self.ready > 0 or self.complete or self.revision not in ("", "1")

    @property
    def rolled_out(self) -> bool:
        """The newest template was rolled out once, and no pod of an older one is left.

        Pods lost later make a Deployment degraded, not unfinished.
        """
        return (
            self.complete
            and self.observed_generation >= self.generation
            and self.updated >= self.replicas
            and self.surplus == 0
        )


def looked_at(states: Mapping[str, DeploymentState]) -> dict[str, DeploymentState]:
    """The same, as if the newest generation of each had been looked at by its controller."""
    return {
        name: replace(state, observed_generation=max(state.generation, state.observed_generation))
        for name, state in states.items()
    }


def deployment_of(manifest: Manifest) -> DeploymentState:
    """A Deployment's progress."""
    spec, status = get_map(manifest, "spec"), get_map(manifest, "status")
    replicas = get_int(spec, "replicas")
    return DeploymentState(
        generation=get_int(manifest, "metadata", "generation"),
        observed_generation=get_int(status, "observedGeneration"),
        replicas=replicas,
        updated=get_int(status, "updatedReplicas"),
        ready=get_int(status, "readyReplicas"),
        available=get_int(status, "availableReplicas"),
        surplus=max(0, get_int(status, "replicas") - replicas),
        version=shared(spec, "template", "metadata", "labels", LABEL_APP_VERSION),
        complete=any(
            get_str(item, "type") == "Progressing" and get_str(item, "reason") == "NewReplicaSetAvailable"
            for item in get_list(status, "conditions")
        ),
        revision=get_str(manifest, "metadata", "annotations", "deployment.kubernetes.io/revision"),
    )


def stateful_set_of(manifest: Manifest) -> DeploymentState:
    """A StatefulSet's progress. Both revisions are one when all pods of the newest template were ready at
    once, and before the first rollout too. Then all pods are of it, also one that is on its way out, whose
    name is taken until it is gone: it is not counted as updated, and nothing rolls."""
    spec, status = get_map(manifest, "spec"), get_map(manifest, "status")
    replicas = get_int(spec, "replicas")
    complete = get_str(status, "currentRevision") == get_str(status, "updateRevision") != ""
    return DeploymentState(
        generation=get_int(manifest, "metadata", "generation"),
        observed_generation=get_int(status, "observedGeneration"),
        replicas=replicas,
        updated=get_int(status, "replicas" if complete else "updatedReplicas"),
        ready=get_int(status, "readyReplicas"),
        available=get_int(status, "availableReplicas"),
        surplus=max(0, get_int(status, "replicas") - replicas),
        version="",
        complete=complete,
    )
