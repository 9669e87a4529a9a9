"""What the API server says of an object that is not stored: strict validation, and its refusals judged."""

import json
import urllib.parse
from collections.abc import Iterable

import pytest

from api.counterexamples import Case
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.objects import Kind
from testbed.client import Api

SHARE = pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
"""Each seventh counter-example in a fair sample, each of them in a run of everything: one costs the API
server up to 50 ms of processor time."""


def placed(body: Manifest, namespace: str, **metadata: JsonValue) -> Manifest:
    """The object in a namespace."""
    return {**body, "metadata": {**get_map(body, "metadata"), "namespace": namespace, **metadata}}


def dry_run(
    api: Api, kind: Kind, body: Manifest, *, method: str = "POST", namespace: str = "default", path: str = ""
) -> tuple[int, Manifest]:
    """HTTP status and answer of a request that stores nothing. The answer has the causes of a refusal."""
    query = urllib.parse.urlencode({"dryRun": "All", "fieldValidation": "Strict"})
    url = f"{api.server}/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}{path}?{query}"
    headers = api.headers | {"Content-Type": "application/json"}
    answer = api.pool.request(method, url, body=json.dumps(body).encode(), headers=headers)
    return answer.status, as_manifest(json.loads(answer.data))


def fault(case: Case, status: int, answer: Manifest) -> str:
    """What is wrong with the refusal of a counter-example; empty if it is as it should be."""
    causes = get_list(answer, "details", "causes")
    said = [(get_str(cause, "field"), get_str(cause, "message")) for cause in causes]
    message = get_str(answer, "message")
    in_causes = any(field == case.field and case.says in text for field, text in said)
    # People read the message, not the causes.
    in_message = case.field in message and case.says in message
    if status == 422 and in_causes and in_message:
        return ""
    return f"{case.constraint.id}: {status} {said or message}"


def faults(found: Iterable[str]) -> list[str]:
    """Those that are faults."""
    return [text for text in found if text]
