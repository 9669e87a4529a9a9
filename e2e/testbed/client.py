"""A small synchronous client of the API server for tests: plain dictionaries in and out.

Not the operator's client on purpose: what checks should not share the errors of what is checked.
Resources are named as in URLs: `v1/pods`, `apps/v1/deployments`; or by the operator's `Kind`.
"""

import base64
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

import urllib3
import yaml

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.objects import Kind

Resource = Kind | str
Manifests = list[Manifest]
Content = Literal["merge", "json", "strategic"]
_CONTENT = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "": "application/json",
}


class ApiError(Exception):
    """A refusal by the API server."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message


@dataclass(frozen=True, slots=True)
class Api:
    """Requests as one user. Safe to use from several threads."""

    server: str
    pool: urllib3.PoolManager
    headers: dict[str, str]
    _plurals: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)

    @classmethod
    def from_kubeconfig(cls, path: Path | str) -> "Api":
        """A client for the one user of a kubeconfig that the testbed wrote."""
        config = as_manifest(yaml.safe_load(Path(path).read_text()))
        cluster = get_map(get_list(config, "clusters")[0], "cluster")
        user = get_map(get_list(config, "users")[0], "user")
        headers = {"Accept": "application/json"}
        if token := get_str(user, "token"):
            headers["Authorization"] = f"Bearer {token}"
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for name, holder in (
                ("certificate-authority-data", cluster),
                ("client-certificate-data", user),
                ("client-key-data", user),
            ):
                if data := get_str(holder, name):
                    files[name] = str(Path(folder) / name)
                    Path(files[name]).write_bytes(base64.b64decode(data))
            context = urllib3.util.create_urllib3_context()
            context.load_verify_locations(files["certificate-authority-data"])
            if "client-certificate-data" in files:
                context.load_cert_chain(files["client-certificate-data"], files["client-key-data"])
        pool = urllib3.PoolManager(ssl_context=context, retries=False, timeout=60, maxsize=8)
        return cls(get_str(cluster, "server"), pool, headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: JsonValue = None,
        content: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Send one request; a JSON object comes back, or ApiError is raised."""
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        headers = self.headers | {"Content-Type": _CONTENT[content]}
        data = None if body is None else json.dumps(body).encode()
        answer = self.pool.request(method, url, body=data, headers=headers)
        text = answer.data.decode(errors="replace")
        try:
            value = as_manifest(json.loads(text))
        except (ValueError, TypeError):
            value = {"message": text}
        if answer.status >= 400:
            raise ApiError(answer.status, get_str(value, "reason"), get_str(value, "message"))
        return value

    def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Manifest:
        """One object; ApiError 404 if there is none. Namespace "" for what has none."""
        return self.request("GET", _path(resource, namespace, name, subresource))

    def find(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """One object, or None."""
        try:
            return self.get(resource, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(
        self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Manifests:
        """All objects that match both selectors; namespace "": of all. apiVersion and kind are filled in."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        answer = self.request(
            "GET", _path(resource, namespace), query={name: value for name, value in query.items() if value}
        )
        kind = {
            "apiVersion": get_str(answer, "apiVersion"),
            "kind": get_str(answer, "kind").removesuffix("List"),
        }
        return [{**kind, **as_manifest(item)} for item in get_list(answer, "items")]

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """POST an object."""
        query = {"dryRun": "All"} if dry_run else {}
        return self.request("POST", self._collection(manifest), body=manifest, query=query)

    def apply(
        self,
        manifest: Manifest,
        *,
        manager: str = "tests",
        force: bool = True,
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Server-side apply."""
        query = {"fieldManager": manager, "force": str(force).lower()} | (
            {"dryRun": "All"} if dry_run else {}
        )
        path = f"{self._collection(manifest)}/{quote(get_str(manifest, 'metadata', 'name'))}"
        path += f"/{subresource}" if subresource else ""
        return self.request("PATCH", path, body=manifest, content="apply", query=query)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: JsonValue,
        *,
        content: Content = "merge",
        subresource: str = "",
        manager: str = "",
    ) -> Manifest:
        """Patch an object."""
        query = {"fieldManager": manager} if manager else {}
        path = _path(resource, namespace, name, subresource)
        return self.request("PATCH", path, body=body, content=content, query=query)

    def replace(self, manifest: Manifest) -> Manifest:
        """PUT an object."""
        return self.request(
            "PUT",
            f"{self._collection(manifest)}/{quote(get_str(manifest, 'metadata', 'name'))}",
            body=manifest,
        )

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> bool:
        """Ask for deletion; False if there was nothing. `grace` in seconds, 0 forces."""
        options: Manifest = {"propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", _path(resource, namespace, name), body=options)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def wait_for(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        condition: Callable[[Manifest | None], bool],
        *,
        timeout: float = 30,
        what: str = "the condition",
    ) -> Manifest:
        """Look every 0.1 s until the object (None: it does not exist) meets the condition.

        Returns the object, `{}` if it is gone. AssertionError after `timeout` seconds shows it.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = self.find(resource, namespace, name)
            if condition(found):
                return found or {}
            if time.monotonic() > deadline:
                shown = yaml.safe_dump(without_managed_fields(found) if found else None)
                label = resource.plural if isinstance(resource, Kind) else resource
                raise AssertionError(f"{label} {namespace}/{name}: not within {timeout:g} s: {what}\n{shown}")
            time.sleep(0.1)

    def _collection(self, manifest: Manifest) -> str:
        version, kind = get_str(manifest, "apiVersion"), get_str(manifest, "kind")
        if (version, kind) not in self._plurals:
            for entry in get_list(self.request("GET", _group_path(version)), "resources"):
                if "/" not in get_str(entry, "name"):
                    found = (get_str(entry, "name"), as_manifest(entry).get("namespaced") is True)
                    self._plurals[version, get_str(entry, "kind")] = found
        if (version, kind) not in self._plurals:
            raise ApiError(404, "NotFound", f"the server has no {version} {kind}")
        plural, namespaced = self._plurals[version, kind]
        namespace = get_str(manifest, "metadata", "namespace") or "default"
        return _path(f"{version}/{plural}", namespace if namespaced else "")


def _group_path(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _path(resource: Resource, namespace: str, name: str = "", subresource: str = "") -> str:
    if isinstance(resource, Kind):
        version, plural = resource.api_version, resource.plural
    else:
        version, _, plural = resource.rpartition("/")
    parts = [_group_path(version)]
    if namespace:
        parts += ["namespaces", quote(namespace)]
    parts += [part for part in (plural, quote(name), subresource) if part]
    return "/".join(parts)


def without_managed_fields(manifest: Manifest) -> Manifest:
    """The manifest as a person wants to read it."""
    metadata = {key: value for key, value in get_map(manifest, "metadata").items() if key != "managedFields"}
    return {**manifest, "metadata": metadata}


def condition(manifest: Manifest | None, kind: str) -> str:
    """Status ("True", "False", "Unknown") of a condition of an object; empty if it has none."""
    for entry in get_list(manifest, "status", "conditions"):
        if get_str(entry, "type") == kind:
            return get_str(entry, "status")
    return ""
