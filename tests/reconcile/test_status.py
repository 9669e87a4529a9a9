"""The status as readers judge it: kstatus, the schema, and the same words for the same facts."""

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import (
    CATALOGUE,
    DATABASE_FOUND,
    IDENTITY,
    KEY_FOUND,
    NOW,
    OWN_KEY,
    PLATFORM,
    body,
    nodes,
)
from dedicated.api.conditions import TYPES
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.probing import Entry
from dedicated.api.resource import parse_instance
from dedicated.api.status import InstanceStatus
from dedicated.contract.modifications import Modification
from dedicated.contract.prerequisites import Platform
from dedicated.contract.records import Record
from dedicated.parts.database.external import DatabaseReading
from dedicated.parts.keys import MasterkeyReading
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Plan
from dedicated.reconcile.observed import Failure, Observed, PodState, ServiceReading
from dedicated.reconcile.plan import plan
from dedicated.reconcile.rollouts import DeploymentState
from dedicated.reconcile.transitions import TOLD

SETUPS = ("acme-setup-00000000", "acme-init")
VERSIONS = st.sampled_from(["v4.14.0", "v4.15.2", "v4.16.0", "", "main"])
SMALL = st.integers(0, 5)
TEXT = st.text(max_size=12)


@st.composite
def deployments(draw: st.DrawFn) -> dict[str, DeploymentState]:
    """Any two, one or no Deployment in any state."""
    names = draw(st.sets(st.sampled_from(["acme-server", "acme-login"])))
    return {
        name: DeploymentState(
            generation=draw(SMALL),
            observed_generation=draw(SMALL),
            replicas=draw(SMALL),
            updated=draw(SMALL),
            ready=draw(SMALL),
            available=draw(SMALL),
            surplus=draw(SMALL),
            version=draw(VERSIONS),
            complete=draw(st.booleans()),
            revision=draw(st.sampled_from(["", "1", "7"])),
        )
        for name in names
    }


def jobs() -> st.SearchStrategy[dict[str, JobState]]:
    """Any Jobs in any state."""
    state = st.builds(
        JobState,
        complete=st.booleans(),
        failed=st.booleans(),
        failures=SMALL,
        version=VERSIONS,
        deleting=st.booleans(),
    )
    return st.dictionaries(st.sampled_from(SETUPS), state)


PODS = st.lists(
    st.builds(
        PodState,
        name=TEXT,
        component=st.sampled_from(["server", "login", "schema", ""]),
        node=st.sampled_from(["z1-1", "z2-1", "z3-1", "gone", ""]),
        ready=st.booleans(),
        finished=st.booleans(),
        deleting=st.booleans(),
        problem=st.sampled_from(["", "server: CrashLoopBackOff", "login: ErrImagePull", "x" * 2000]),
    ),
    max_size=6,
)
TIMES = st.sampled_from(["2026-03-01T11:00:00Z", "2026-02-01T11:00:00Z", "2026-03-01T12:30:00Z"])
RECORDS = st.lists(
    st.builds(
        Record,
        name=TEXT,
        instance=st.just("acme"),
        modification=st.builds(
            Modification,
            object=st.sampled_from(["Service/s1", "Service/s2"]),
            manager=TEXT,
            operation=TEXT,
            at=TIMES,
            fields=st.lists(st.text(max_size=2000), max_size=14).map(tuple),
            repaired_at=TIMES,
        ),
    ),
    max_size=30,
)
MASTERKEYS = st.sampled_from(
    [KEY_FOUND, MasterkeyReading(False), MasterkeyReading(True, "bad"), MasterkeyReading(True, "", "other")]
)
OBSERVED = st.builds(
    Observed,
    deployments=deployments(),
    jobs=jobs(),
    pods=PODS.map(tuple),
    nodes=st.sampled_from([None, (), nodes(2), nodes(3), nodes(12)]),
    platform=st.sampled_from([PLATFORM, Platform(), Platform("v1.29.0", ahead=-60)]),
    identity=st.sampled_from([None, IDENTITY]),
    masterkey=MASTERKEYS,
    database=st.sampled_from(
        [DATABASE_FOUND, DatabaseReading(False), DatabaseReading(True, problem="it is bad")]
    ),
    service=st.sampled_from(
        [
            None,
            ServiceReading(True, "answers"),
            ServiceReading(True, "answers", Entry(NOW)),
            ServiceReading(False, "502 " * 999, Entry(None, "Certificate", "no " * 999)),
        ]
    ),
    failures=st.lists(
        st.builds(
            Failure, what=TEXT, reason=st.sampled_from(["ApplyRefused", "NameTaken"]), message=TEXT
        ),
        max_size=30,
    ).map(tuple),
    deleted=st.just({}),
    records=RECORDS.map(tuple),
    forged=st.just({}),
    senior=st.sampled_from(["", "elder"]),
)
BODIES = st.sampled_from(
    [
        body(),
        body(release={"version": "v9.9.9"}),
        body(release={"version": "v4.14.0"}),
        body(keys=OWN_KEY),
        body(domain="?"),
        body(infrastructure={"zones": {"names": ["z1", "z2", "z3"]}}),
        body(database={"external": {"maxConnections": 20}}),
    ]
)


def decide(instance: Manifest, observed: Observed) -> Plan:
    """One pass."""
    return plan(parse_instance(instance), observed, catalogue=CATALOGUE, now=NOW, settled={})


def conditions(status: Manifest | None) -> dict[str, str]:
    """Status by condition type."""
    return {get_str(item, "type"): get_str(item, "status") for item in get_list(status, "conditions")}


Verdict = Literal["Terminating", "InProgress", "Failed", "Current"]


def kstatus(instance: Manifest, status: Manifest) -> Verdict:
    """How Flux, Helm and others read an object: the rules of cli-utils' kstatus, restated."""
    metadata, found = get_map(instance, "metadata"), conditions(status)
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if get_int(status, "observedGeneration") != get_int(metadata, "generation"):
        return "InProgress"
    if found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found.get("Ready", "True") == "True" else "InProgress"


@settings(max_examples=100, deadline=None)
@given(BODIES, OBSERVED)
def test_readers_of_the_status_are_never_misled(instance: Manifest, observed: Observed) -> None:
    status = decide(instance, observed).status
    assert status is not None
    found = conditions(status)
    assert tuple(found) == TYPES
    assert not (found["Reconciling"] == "True" and found["Stalled"] == "True")
    if found["Ready"] == "True":
        assert found["Reconciling"] == found["Stalled"] == "False"
        assert found["Available"] == "True"
    assert (kstatus(instance, status) == "Current") == (found["Ready"] == "True")
    assert (kstatus(instance, status) == "Failed") == (found["Stalled"] == "True")
    assert get_int(status, "observedGeneration") == get_int(instance, "metadata", "generation")


@settings(max_examples=100, deadline=None)
@given(BODIES, OBSERVED)
def test_the_api_server_takes_every_status(instance: Manifest, observed: Observed) -> None:
    status = decide(instance, observed).status
    assert status is not None
    InstanceStatus.model_validate(status)
    assert None not in status.values()


@settings(max_examples=100, deadline=None)
@given(BODIES, OBSERVED)
def test_every_finding_says_who_must_act_and_how(instance: Manifest, observed: Observed) -> None:
    status = decide(instance, observed).status
    for finding in get_list(status, "findings"):
        assert get_str(finding, "responsible") in ("Provider", "Customer")
        assert get_str(finding, "action")
        assert get_str(finding, "message")
        assert get_str(finding, "code")
    stalled = conditions(status)["Stalled"] == "True"
    assert not stalled or get_list(status, "findings")


@settings(max_examples=100, deadline=None)
@given(BODIES, OBSERVED)
def test_alerts_find_the_party_of_what_stalls_and_of_a_prerequisite(
    instance: Manifest, observed: Observed
) -> None:
    status = decide(instance, observed).status
    codes = {get_str(finding, "code") for finding in get_list(status, "findings")}
    for item in get_list(status, "conditions"):
        if (get_str(item, "type"), get_str(item, "status")) in {
            ("Stalled", "True"),
            ("PrerequisitesMet", "False"),
        }:
            assert get_str(item, "reason") in codes


@settings(max_examples=60, deadline=None)
@given(BODIES, OBSERVED)
def test_the_status_does_not_depend_on_the_status_before(instance: Manifest, observed: Observed) -> None:
    once = decide(instance, observed)
    again = decide({**instance, "status": once.status}, observed)
    assert again.status == once.status
    assert [note for note in again.events if note.reason != "ModificationRepaired"] == []
    assert again.stages == once.stages
    assert again.wake_at == once.wake_at


@settings(max_examples=60, deadline=None)
@given(OBSERVED, OBSERVED)
def test_events_tell_of_transitions_only(first: Observed, second: Observed) -> None:
    instance = body()
    before = decide(instance, first).status
    decided = decide({**instance, "status": before}, second)
    old, new = conditions(before), conditions(decided.status)
    changed = {kind for kind in TOLD if old[kind] != new[kind] and new[kind] != "Unknown"}
    told = [note.reason for note in decided.events if note.reason != "ModificationRepaired"]
    assert len(told) <= len(changed)
    assert set(told) <= {TOLD[kind][new[kind] != "True"] for kind in changed}


@pytest.mark.parametrize("count", [0, 1, 25])
def test_findings_are_bounded_and_summed_up(count: int) -> None:
    failures = tuple(Failure(f"object {number}", "ApplyRefused", "no") for number in range(count))
    observed = Observed(
        nodes=nodes(),
        platform=PLATFORM,
        identity=IDENTITY,
        masterkey=KEY_FOUND,
        database=DATABASE_FOUND,
        failures=failures,
    )
    status = decide(body(), observed).status
    assert len(get_list(status, "findings")) == min(count, 20)
    assert get_str(status, "summary", "findings") == ("Provider: ApplyRefused" if count else "")


def test_a_finding_that_blocks_is_never_the_one_left_out() -> None:
    failures = tuple(Failure(f"object {number}", "ApplyRefused", "no") for number in range(25))
    observed = Observed(nodes=nodes(), platform=PLATFORM, failures=failures)
    status = decide(body(release={"version": "v9.9.9"}), observed).status
    codes = [get_str(finding, "code") for finding in get_list(status, "findings")]
    assert len(codes) == 20
    assert "ReleaseUnknown" in codes


def test_findings_tell_whom_to_reach() -> None:
    observed = Observed(nodes=nodes(2), platform=PLATFORM, identity=IDENTITY, masterkey=KEY_FOUND)
    status = decide(body(contacts={"provider": "desk@provider.example"}), observed).status
    found = {get_str(item, "responsible"): item for item in get_list(status, "findings")}
    assert get_str(found["Provider"], "contact") == "desk@provider.example"
    assert "contact" not in get_map(found["Customer"])


def test_the_responsibilities_are_those_of_the_spec() -> None:
    status = decide(body(options=["DDoSProtection"]), Observed()).status
    assert "DDoSProtection" in get_list(status, "responsibilities", "provider")
    assert "WAF" in get_list(status, "responsibilities", "customer")


def test_several_kinds_of_findings_are_counted_in_the_summary() -> None:
    observed = Observed(nodes=nodes(2), platform=PLATFORM, identity=IDENTITY, masterkey=KEY_FOUND)
    status = decide(body(), observed).status
    assert get_str(status, "summary", "findings") == "Customer: DatabaseSecretMissing +1"
