"""The command line against a real API server, the chart's policy in force: as customer and as provider."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.record_examples import FULL, record
from cli.running import Ran, run
from cluster.instances import instance
from cluster.records_stage import grant, policies_in_force, verbs
from cluster.standing import SIMULATED, records, until
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE, RECORD
from dedicated.contract.dates import Month
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace
from testbed.tools import binary

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

READING: Manifest = {
    "apiGroups": [INSTANCE.group],
    "resources": [INSTANCE.plural, RECORD.plural],
    "verbs": ["get", "list", "patch"],
}
ASKED: Manifest = {"approval": "Required", "timeZone": "UTC"}


@dataclass(frozen=True, slots=True)
class Stage:
    """An instance whose customer is asked for each maintenance, and people who run commands."""

    cluster: Cluster
    namespace: str

    def run(self, user: str, *arguments: str) -> Ran:
        """A command as a user, at the time of day."""
        config = self.cluster.user_kubeconfig(user)
        return run(*arguments, "--kubeconfig", str(config), "-n", self.namespace, now=datetime.now(UTC))

    def restore(self, name: str, at: datetime, fact: str, **spec: JsonValue) -> None:
        """A record of an earlier time."""
        self.cluster.as_user("restorer").create(
            {
                "apiVersion": RECORD.api_version,
                "kind": RECORD.kind,
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"instance": "acme", "fact": fact, "by": "restorer", "at": rfc3339(at), **spec},
            }
        )

    def stored(self) -> list[Manifest]:
        return records(self.cluster.api, self.namespace)


@pytest.fixture
def stage(cluster: Cluster, make_namespace: MakeNamespace) -> Iterator[Stage]:
    namespace = make_namespace(labels=SIMULATED)
    nobody = record({**FULL, "by": "nobody"}, name="acme-1")
    probe: Manifest = {**nobody, "metadata": {**get_map(nobody, "metadata"), "namespace": namespace}}
    with policies_in_force(cluster, namespace, "records", probe=probe):
        grant(cluster, namespace, "customer", READING, verbs("act-as-customer"))
        grant(cluster, namespace, "provider", READING, verbs("act-as-provider"))
        grant(cluster, namespace, "restorer", READING, verbs("restore-records"))
        cluster.api.create(instance(namespace, plan="Advanced", infrastructure={"class": "GoogleCloud"},
                                    maintenance=ASKED))  # fmt: skip
        yield Stage(cluster, namespace)


def asked(stage: Stage, now: datetime) -> str:
    """A service of half a year, asked this month; the request's name."""
    this = Month(now.year, now.month)
    name = f"regular-{this}"
    stage.restore("started", now - timedelta(days=180), "ServiceStarted")
    stage.restore("asked", this.start("UTC"), "Notified", request=name,
                  notice={"kind": "Regular", "duration": "2h"})  # fmt: skip
    return name


def test_a_customer_permits_withdraws_and_permits_again(stage: Stage) -> None:
    now = datetime.now(UTC)
    request = asked(stage, now)
    slot = ("--from", rfc3339(now + timedelta(hours=1)), "--to", rfc3339(now + timedelta(hours=5)))
    tried = stage.run("customer", "permit", "acme", request, *slot, "--dry-run")
    assert (tried.code, len(stage.stored())) == (0, 2), tried.err
    assert "would be recorded by customer" in tried.out

    first = stage.run("customer", "permit", "acme", request, *slot)
    assert first.code == 0, first.err
    assert "recorded by customer" in first.out
    assert "comes to Permitted if nothing more is recorded" in first.out
    again = stage.run("customer", "permit", "acme", request, *slot)
    assert (again.code, len(stage.stored())) == (0, 3)
    assert "recorded before by customer" in again.out
    assert again.out.split(":")[0] == first.out.split(":")[0]

    assert stage.run("customer", "withdraw", "acme", request, "--reason", "audit").code == 0
    second = datetime.now(UTC).replace(microsecond=0)
    until(lambda: datetime.now(UTC) > second + timedelta(seconds=1), "another second: in one, withdrawn wins")
    assert stage.run("customer", "permit", "acme", request, *slot).code == 0
    facts = sorted(get_str(body, "spec", "fact") for body in stage.stored())
    assert facts == ["Notified", "Permitted", "Permitted", "ServiceStarted", "Withdrawn"]

    said = json.loads(stage.run("provider", "ledger", "acme", "-o", "json").out)
    assert [get_str(row, "spec", "fact") for row in said][:2] == ["ServiceStarted", "Notified"]
    assert {get_str(row, "spec", "by") for row in said[2:]} == {"customer"}
    told = stage.run("provider", "status", "acme")
    assert told.code == 0, told.err
    assert "no operator has seen it yet" in told.out
    assert f"{request.removeprefix('regular-')}: Permitted" in told.out


def test_what_admission_refuses_is_said_in_its_words(stage: Stage) -> None:
    request = asked(stage, datetime.now(UTC))
    refused = stage.run("provider", "refuse", "acme", request)
    assert refused.code == 3
    assert "act-as-customer" in refused.err
    noticed = stage.run("customer", "record", "escalation", "acme", "--issue", "x", "--reference", "y")
    assert noticed.code == 3
    assert "act-as-provider" in noticed.err
    assert len(stage.stored()) == 2


def test_a_provider_escalates_what_three_months_refused(stage: Stage) -> None:
    now = datetime.now(UTC)
    this = Month(now.year, now.month)
    stage.restore("started", this.plus(-5).start("UTC"), "ServiceStarted")
    for back in (-3, -2, -1):
        month, name = this.plus(back), f"regular-{this.plus(back)}"
        notice: Manifest = {"kind": "Regular", "duration": "2h"}
        stage.restore(f"asked{back}", month.start("UTC"), "Notified", request=name, notice=notice)
        stage.restore(f"refused{back}", month.start("UTC") + timedelta(days=3), "Refused", request=name)
    issue = f"regular-{this.plus(-3)}"
    ran = stage.run("provider", "record", "escalation", "acme", "--issue", issue, "--reference", "TICKET-7")
    assert ran.code == 0, ran.err
    assert f"issue {issue}: escalated; to be resolved before" in ran.out
    early = stage.run("provider", "record", "notice", "acme", "--issue", issue, "--reference", "letter")
    assert early.code == 0
    assert "has no effect: the customer may resolve the issue until" in early.out
    told = stage.run("customer", "status", "acme").out
    assert "3 missed in a row" in told
    assert f"issue {issue}: the provider may give notice unless it is resolved before" in told


def test_agreements_and_instructions(stage: Stage) -> None:
    agreed = stage.run(
        "provider", "record", "agreement", "acme", "--clause", "S-2", "--value", "2", "--from", "2026-01-01",
        "--reference", "contract 7",
    )  # fmt: skip
    assert agreed.code == 0, agreed.err
    now = datetime.now(UTC)
    given = stage.run(
        "provider", "record", "instruction", "acme", "--to", "ServiceAccount:ops:debugger", "--object",
        "Deployment/acme-server", "--from", rfc3339(now), "--until", rfc3339(now + timedelta(days=2)),
        "--reason", "memory dump",
    )  # fmt: skip
    assert given.code == 0, given.err
    by_fact = {get_str(body, "spec", "fact"): get_map(body, "spec") for body in stage.stored()}
    assert get_map(by_fact["Agreement"], "agreement") == {
        "clause": "S-2", "value": "2", "validFrom": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert get_str(by_fact["Instruction"], "instruction", "grantee", "namespace") == "ops"
    long = stage.run(
        "provider", "record", "instruction", "acme", "--to", "User:eve", "--from", rfc3339(now),
        "--until", rfc3339(now + timedelta(days=8)), "--reason", "too long",
    )  # fmt: skip
    assert long.code == 2
    assert "at most 7 days (O-4)" in long.err


def test_higher_limits_are_recorded_and_taken_back(stage: Stage) -> None:
    now = datetime.now(UTC)
    until = ("--until", rfc3339(now + timedelta(days=30)), "--reference", "TICKET-8")
    nat = ("record", "override", "acme", "--range", "203.0.113.0/24", "--factor", "20", *until)
    assert stage.run("customer", *nat, "--reason", "NAT").code != 0
    raised = stage.run("provider", *nat, "--reason", "NAT")
    assert raised.code == 0, raised.err
    assert "203.0.113.0/24 has 20 times the published limits from" in raised.out
    assert "recorded before by" in stage.run("provider", *nat, "--reason", "NAT").out
    late = ("--from", rfc3339(now + timedelta(days=13)), "--until", rfc3339(now + timedelta(days=14)))
    void = stage.run(
        "provider", "record", "load-test", "acme", "--range", "192.0.2.0/28", "--range", "198.51.100.7/32",
        *late, "--reference", "approval",
    )  # fmt: skip
    assert void.code == 0, void.err
    assert "less than 14 days before" in void.out
    (name,) = (
        get_str(body, "metadata", "name")
        for body in stage.stored()
        if get_str(body, "spec", "fact") == "Override"
    )
    taken = ("record", "override-withdrawn", "acme", "--record", name, "--reason", "the office moved")
    assert f"{name} no longer holds" in stage.run("provider", *taken).out
    again = stage.run("provider", *nat, "--reason", "NAT")
    assert "recorded by" in again.out
    assert name not in again.out


FREEZE = ("--from", "2030-12-15", "--until", "2031-01-04", "--reason", "Year end")


def freezes(stage: Stage) -> list[JsonValue]:
    body = stage.cluster.api.get(INSTANCE, stage.namespace, "acme")
    return get_list(body, "spec", "maintenance", "freezes")


def test_a_freeze_is_printed_and_applied_only_where_it_is_wanted(stage: Stage) -> None:
    printed = stage.run("customer", "freeze", "acme", *FREEZE)
    assert (printed.code, freezes(stage)) == (0, []), printed.err
    assert "reason: Year end" in printed.out
    assert stage.run("customer", "freeze", "acme", *FREEZE, "--apply", "--dry-run").code == 0
    assert freezes(stage) == []
    applied = stage.run("customer", "freeze", "acme", *FREEZE, "--apply")
    assert applied.code == 0, applied.err
    assert freezes(stage) == [
        {"from": "2030-12-15T00:00:00Z", "until": "2031-01-04T00:00:00Z", "reason": "Year end"}
    ]


def test_a_freeze_is_not_applied_against_a_tool_of_gitops(stage: Stage) -> None:
    body = instance(stage.namespace, plan="Advanced", infrastructure={"class": "GoogleCloud"},
                    maintenance=ASKED)  # fmt: skip
    stage.cluster.api.apply(body, manager="argocd-controller")
    ran = stage.run("customer", "freeze", "acme", *FREEZE, "--apply")
    assert ran.code == 1
    assert "argocd-controller applies" in ran.err
    assert freezes(stage) == []


def test_what_is_not_there_and_who_may_not_look(stage: Stage, tmp_path: Path) -> None:
    missing = stage.run("customer", "status", "other")
    assert (missing.code, missing.err.count("\n")) == (3, 1)
    assert '"other" not found' in missing.err
    stranger = stage.run("stranger", "ledger", "acme")
    assert stranger.code == 3
    assert "stranger" in stranger.err
    assert run("ledger", "acme", "--kubeconfig", str(tmp_path / "none")).code == 4


def test_the_operators_manager_is_not_used_for_what_people_write(stage: Stage) -> None:
    request = asked(stage, datetime.now(UTC))
    assert stage.run("customer", "refuse", "acme", request, "--reason", "audit").code == 0
    (refusal,) = [body for body in stage.stored() if get_str(body, "spec", "fact") == "Refused"]
    managers = [get_str(item, "manager") for item in get_list(refusal, "metadata", "managedFields")]
    assert managers == ["dedicated-cli"]


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """An environment in which kubectl finds the plugin and its completion, as pip installs them."""
    for name, module, called in (
        ("kubectl-dedicated", "dedicated.cli.main", "main"),
        ("kubectl_complete-dedicated", "dedicated.cli.commands", "complete_for_kubectl"),
    ):
        script = tmp_path / name
        body = f"import sys\nfrom {module} import {called}\nsys.exit({called}())\n"
        script.write_text(f"#!{sys.executable}\n{body}")
        script.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_kubectl_runs_the_plugin_and_completes_it(stage: Stage, plugin: dict[str, str]) -> None:
    def kubectl(*arguments: str) -> str:
        command = [str(binary("kubectl")), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=plugin).stdout

    assert "Usage: kubectl dedicated check" in kubectl("dedicated", "check", "--help")
    config = str(stage.cluster.user_kubeconfig("customer"))
    told = kubectl("dedicated", "status", "acme", "-n", stage.namespace, "--kubeconfig", config)
    assert told.startswith(f"{stage.namespace}/acme: Ready=Unknown")
    completed = kubectl("__complete", "dedicated", "explain", "Esc").splitlines()
    assert completed[0].startswith("EscalationDue\t")
    assert completed[-1] == ":4"
