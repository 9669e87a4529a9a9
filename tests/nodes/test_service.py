"""The whole service on three real nodes: from nothing to an instance that is Ready behind its public name."""

import json
import ssl
import urllib.request
from collections.abc import Iterator

import pytest

from dedicated.api.json import as_manifest, get_list, get_str
from images import trust
from nodes.provider import NodesProvider
from service import instance, operator, waiting
from service.steps import Service, address

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def service(nodes_cluster: NodesProvider) -> Iterator[Service]:
    found = Service(nodes_cluster)
    for _, step in found.steps():
        list(step())
    yield found
    found.down()


def test_two_replicas_in_different_zones_of_which_one_leads(service: Service) -> None:
    pods = operator.started(service.provider)
    assert len({pod.node for pod in pods}) == len(pods) == 2
    leads = operator.leader(service.provider)
    assert [pod.name for pod in pods if leads.startswith(pod.name)]


def test_the_operator_cannot_write_to_its_root(service: Service) -> None:
    tried = service.provider.kubectl(
        *("-n", operator.NAMESPACE, "exec", f"deployment/{operator.RELEASE}", "--"),
        *("python3", "-c", "open('/opt/dedicated/written', 'w')"),
        check=False,
    )
    assert "Read-only file system" in tried


def test_the_public_name_answers_from_the_machine(service: Service) -> None:
    context = ssl.create_default_context(cafile=str(trust.authority().certificate))
    context.check_hostname = False  # asked by address: there is no DNS of the cluster's here
    request = urllib.request.Request(
        f"https://{address(service.provider)}/.well-known/openid-configuration",
        headers={"Host": instance.DOMAIN},
    )
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        assert get_str(as_manifest(json.load(answer)), "issuer") == f"https://{instance.DOMAIN}"


def test_nobody_reaches_the_server_past_its_limiter(service: Service) -> None:
    body = service.provider.api.get(instance.RESOURCE, instance.NAMESPACE, instance.NAME)
    assert not [one for one in get_list(body, "status", "findings") if get_str(one, "code") == "BypassFound"]


def test_what_fails_is_told_with_its_cause(service: Service) -> None:
    pod = f"{instance.NAME}-limiter-0"
    with pytest.raises(waiting.NotReadyError, match=pod):
        waiting.conditions(service.provider, "NoSuchCondition", seconds=0)
