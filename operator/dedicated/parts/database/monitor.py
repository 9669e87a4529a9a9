"""The Secret with the password of the recovery agent's role, where an engine does not make one itself.

Made once and never changed, like the keys; it outlives the instance with the database that knows it.
"""

import base64

from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import SECRET
from dedicated.api.resource import Instance
from dedicated.parts.database.engine import COMPONENT, MONITOR
from dedicated.parts.metadata import lasting

RELOAD_LABEL = "cnpg.io/reload"
"""CloudNativePG looks at a role's Secret again only where it carries this."""


def secret(instance: Instance, name: str, password: str) -> Manifest:
    """The Secret, of the type that engines read users from."""
    head = lasting(SECRET, instance, name.removeprefix(f"{instance.name}-"), COMPONENT)
    get_map(head, "metadata", "labels")[RELOAD_LABEL] = "true"
    data: Manifest = {
        "username": base64.b64encode(MONITOR.encode()).decode(),
        "password": base64.b64encode(password.encode()).decode(),
    }
    return {**head, "type": "kubernetes.io/basic-auth", "data": data}
