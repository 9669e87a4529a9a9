"""The login application: same release as the server, authenticated by a key file.

A personal access token would expire (the chart's end in 2029); the key pair of a system user does not.
"""

from dedicated.api.json import Manifest
from dedicated.parts import keys
from dedicated.parts.server import COMPONENT as SERVER
from dedicated.parts.server import KEYS_MARK
from dedicated.parts.wanted import PORT as SERVER_PORT
from dedicated.parts.wanted import Wanted, public_url
from dedicated.parts.workload import Workload, resources

COMPONENT = "login"
PORT = 3000
BASE_PATH = "/ui/v2/login"
KEY_MOUNT = "/etc/login-key"
DEFAULT_RESOURCES: Manifest = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"memory": "512Mi"},
}


def workload(wanted: Wanted) -> Workload:
    """The login's workload."""
    domain = wanted.spec.domain
    variables = {
        "ZITADEL_API_URL": f"http://{wanted.name}-{SERVER}.{wanted.instance.namespace}.svc:{SERVER_PORT}",
        "CUSTOM_REQUEST_HEADERS": f"Host:{domain},X-Zitadel-Public-Host:{domain}",
        "ZITADEL_LOGINCLIENT_KEYFILE": f"{KEY_MOUNT}/private.pem",
        "AUDIENCE": public_url(domain),
        "NEXT_PUBLIC_BASE_PATH": BASE_PATH,
        "PORT": str(PORT),
    }
    return Workload(
        component=COMPONENT,
        replicas=wanted.login_replicas,
        image=wanted.release.login_image,
        args=(),
        port=PORT,
        app_protocol="http",
        environment=[{"name": name, "value": value} for name, value in variables.items()],
        mounts=[{"name": "login-key", "mountPath": KEY_MOUNT, "readOnly": True}],
        volumes=[
            {
                "name": "login-key",
                "secret": {
                    "secretName": f"{wanted.name}-{keys.LOGIN_KEY}",
                    "items": [{"key": "private.pem", "path": "private.pem"}],
                },
            }
        ],
        resources=resources(wanted.spec.login.resources, default=DEFAULT_RESOURCES),
        liveness=f"{BASE_PATH}/healthy",
        readiness=f"{BASE_PATH}/security",
        annotations={KEYS_MARK: wanted.keys_mark},
    )
