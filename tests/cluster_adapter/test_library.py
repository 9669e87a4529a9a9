"""What the operator's process loads of the Kubernetes library: `kubernetes.aio`, and next to nothing else."""

import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "operator"

LOADED = """
import sys
import dedicated.controllers.main, dedicated.controllers.term
assert "kopf" in sys.modules
known = "kubernetes", "requests", "websocket"
print(*sorted(name for name in sys.modules if name.partition(".")[0] in known))
"""
USED = """
import dedicated.cluster.transport
import kubernetes.aio.client, kubernetes.aio.watch, kubernetes.client, kubernetes.config
from kubernetes import aio
assert aio.client is kubernetes.aio.client is dedicated.cluster.transport.client
assert kubernetes.client.ApiClient is not kubernetes.aio.client.ApiClient
print(kubernetes.aio.watch.Watch.__name__, kubernetes.config.load_kube_config.__name__)
"""
KOPF_TAKES = "kubernetes.client.models"
"""Two of the models, to know them by when a handler hands one in."""


def in_a_fresh_process(program: str) -> list[str]:
    """The words it prints."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_operator_loads_no_synchronous_client() -> None:
    loaded = in_a_fresh_process(LOADED)
    assert "kubernetes.aio.client.api_client" in loaded
    synchronous = [name for name in loaded if not f"{name}.".startswith("kubernetes.aio.")]
    others = [name for name in synchronous if not name.startswith(KOPF_TAKES)]
    assert others == ["kubernetes", "kubernetes.client"]  # neither loads anything by itself


def test_nothing_of_the_library_is_out_of_reach() -> None:
    assert in_a_fresh_process(USED) == ["Watch", "load_kube_config"]
