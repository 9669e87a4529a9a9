"""The database schema: Job `init` once, Job `setup` for each version and setup-relevant configuration.

Problem: a setup killed in mid-step leaves the step `started`, and every later setup waits for it without
end (charts#163); a Job deadline causes just that (charts#415). Choice: no deadline, one attempt at a time
(`podReplacementPolicy: Failed` waits until a lost pod is known to be dead), the Job's own retries with
exponential back-off, and `setup cleanup` as an init container of every attempt: it frees a stuck
step and does nothing where there is none. Old pods serve meanwhile.
Limit: cleanup frees one step per call, and setups before v4 crash on it with an empty database; the
release catalogue starts later.
"""

from dataclasses import dataclass

from dedicated.api.instance import FirstInstance
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_APP_VERSION
from dedicated.api.objects import JOB, SERVICE_ACCOUNT, Ref
from dedicated.parts import config, keys, server
from dedicated.parts.metadata import child, labels, restricted_container, restricted_pod
from dedicated.parts.wanted import Wanted
from dedicated.parts.workload import TMP_VOLUME

COMPONENT = "schema"
INIT = "init"
SETUP = "setup"
RETRIES = 8
"""Failed attempts of one Job: 10 s, 20 s, 40 s ... apart, some 40 minutes in all; then a new Job."""
RESOURCES: Manifest = {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
PASSWORD_VARIABLE = "ZITADEL_FIRSTINSTANCE_ORG_HUMAN_PASSWORD"  # noqa: S105


@dataclass(frozen=True, slots=True)
class JobState:
    """A Job as observed. `finished_at` is empty until it ended one way or the other."""

    complete: bool = False
    failed: bool = False
    failures: int = 0
    version: str = ""
    deleting: bool = False


def init_ref(wanted: Wanted) -> Ref:
    """The init Job."""
    return Ref(JOB.kind, f"{wanted.name}-{INIT}")


def setup_ref(wanted: Wanted) -> Ref:
    """The setup Job of the version and configuration wanted."""
    return Ref(JOB.kind, f"{wanted.name}-{SETUP}-{config.setup_digest(wanted)}")


def needs_init(wanted: Wanted) -> bool:
    """Whether the schema has to be made: not where ZITADEL uses the database already."""
    return not wanted.spec.brings_data


def service_account(wanted: Wanted) -> Manifest:
    """The Jobs' ServiceAccount."""
    return {
        **child(SERVICE_ACCOUNT, wanted.instance, COMPONENT, COMPONENT),
        "automountServiceAccountToken": False,
    }


def init_job(wanted: Wanted, *, config_name: str) -> Manifest:
    """`init schema`: the schema with the service user alone, no administrator of the database."""
    container = _container(wanted, INIT, ("init", "schema", "--config", _config_path()))
    return _job(wanted, INIT, config_name=config_name, containers=[container], init_containers=[])


def setup_job(wanted: Wanted, *, config_name: str) -> Manifest:
    """`setup` for the version wanted, after `setup cleanup`."""
    cleanup = _container(wanted, "cleanup", ("setup", "cleanup", "--config", _config_path()))
    arguments = (
        "setup",
        "--config",
        _config_path(),
        "--steps",
        f"{config.MOUNT}/{config.STEPS_FILE}",
        "--masterkeyFromEnv",
        "--init-projections=true",
    )
    setup = _container(wanted, SETUP, arguments)
    environment = setup["env"]
    assert isinstance(environment, list)
    environment.extend(_first_password(wanted))
    suffix = f"{SETUP}-{config.setup_digest(wanted)}"
    return _job(wanted, suffix, config_name=config_name, containers=[setup], init_containers=[cleanup])


def _first_password(wanted: Wanted) -> list[JsonValue]:
    if wanted.spec.brings_data:
        return []
    reference = (wanted.spec.first_instance or FirstInstance()).admin.password_secret_ref
    name, key = (
        (f"{wanted.name}-{keys.ADMIN}", "password") if reference is None else (reference.name, reference.key)
    )
    return [{"name": PASSWORD_VARIABLE, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]


def _config_path() -> str:
    return f"{config.MOUNT}/{config.CONFIG_FILE}"


def _container(wanted: Wanted, name: str, arguments: tuple[str, ...]) -> Manifest:
    return {
        "name": name,
        "image": wanted.release.server_image,
        "args": list(arguments),
        "env": server.environment(wanted),
        "resources": RESOURCES,
        "securityContext": restricted_container(),
        "volumeMounts": [*server.mounts(), {"name": TMP_VOLUME, "mountPath": "/tmp"}],  # noqa: S108
    }


def _job(
    wanted: Wanted,
    suffix: str,
    *,
    config_name: str,
    containers: list[JsonValue],
    init_containers: list[JsonValue],
) -> Manifest:
    head = child(JOB, wanted.instance, suffix, COMPONENT)
    metadata = head["metadata"]
    assert isinstance(metadata, dict)
    all_labels: Manifest = {
        **labels(wanted.instance, COMPONENT),
        LABEL_APP_VERSION: wanted.release.version,
    }
    metadata["labels"] = all_labels
    pod: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": f"{wanted.name}-{COMPONENT}",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": restricted_pod(),
        "containers": containers,
        "volumes": [
            *server.volumes(wanted, config_name=config_name),
            {"name": TMP_VOLUME, "emptyDir": {}},
        ],
    }
    if init_containers:
        pod["initContainers"] = init_containers
    return {
        **head,
        "spec": {
            "backoffLimit": RETRIES,
            "parallelism": 1,
            "completions": 1,
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": all_labels}, "spec": pod},
        },
    }
