"""The charts, rendered by the real Helm, as manifests to look at or to apply.

Tests and the testbed take the operator's rights from here, so that what is tested is what is shipped.
"""

import json
import subprocess
from pathlib import Path

import yaml

from dedicated.api.json import Manifest, as_manifest
from testbed.tools import binary

CHARTS = Path(__file__).resolve().parent.parent / "charts"
OPERATOR = "dedicated-operator"
CRDS = "dedicated-operator-crds"


class HelmError(Exception):
    """Helm refused; the text is what it printed."""


def helm(*arguments: str, values: Manifest | None = None) -> str:
    """Run Helm and return what it printed; `values` is the content of a values file."""
    command = [str(binary("helm")), *arguments, *(["--values", "-"] if values is not None else [])]
    done = subprocess.run(
        command,
        input=json.dumps(values) if values is not None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HelmError(done.stderr or done.stdout)
    return done.stdout


def render(
    chart: str,
    *,
    values: Manifest,
    release: str = OPERATOR,
    namespace: str = "dedicated-system",
    charts: Path = CHARTS,
) -> list[Manifest]:
    """The manifests of a chart (`OPERATOR` or `CRDS`) as `helm install` would send them.

    `charts` is the folder of the charts: another checkout's for another version.
    """
    text = helm("template", release, str(charts / chart), "--namespace", namespace, values=values)
    return [as_manifest(document) for document in yaml.safe_load_all(text) if document]


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those manifests that are of one of these kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]
