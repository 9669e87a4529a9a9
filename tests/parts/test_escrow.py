"""The key bundle's Job: what it mounts, what it may do, what it is called."""

from datetime import UTC, datetime

from api.key_examples import CUSTOMER, KEY_BUNDLE, PROVIDER
from builders import body, clustered, spec
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, NETWORK_POLICY, ROLE
from dedicated.api.resource import Instance, parse_instance
from dedicated.contract.recovery.escrow import Marks, Owed, Report, Written
from dedicated.parts import escrow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MARKS = Marks("b1", "l1")
BOTH = Owed(bundle=True, ledger=True)


def kept(**changes: JsonValue) -> Instance:
    found = parse_instance({**body(), "spec": spec(keyBundle=KEY_BUNDLE, **changes)})
    assert isinstance(found, Instance)
    return found


def wanted(instance: Instance) -> escrow.EscrowWanted:
    assert instance.spec.key_bundle is not None
    return escrow.EscrowWanted(
        instance=instance,
        image="images.example.test/operator:1",
        bundle=instance.spec.key_bundle,
        secrets=escrow.secrets_of(instance),
        config_maps=("acme-identity", "acme-config-1", "acme-measured-2026-03"),
        versions={"zitadel": "v4.15.2", "empty": ""},
    )


def pod_of(job: Manifest) -> tuple[Manifest, Manifest]:
    """The pod's spec, and its one container."""
    pod = get_map(job, "spec", "template", "spec")
    (container,) = map(as_manifest, get_list(pod, "containers"))
    return pod, container


def test_what_is_packed_is_what_must_accompany_the_database() -> None:
    own = ("acme-admin", "acme-login-key", "acme-masterkey", "acme-operator-key")
    assert escrow.secrets_of(kept()) == (*own, "database")
    assert escrow.secrets_of(kept(**clustered())) == (*own, "passphrase"), "an engine makes its Secrets again"
    brought: Manifest = {"masterkey": {"secretRef": {"name": "own-key"}}}
    assert "own-key" in escrow.secrets_of(kept(keys=brought))
    assert "acme-masterkey" not in escrow.secrets_of(kept(keys=brought))
    assert "repository" not in escrow.secrets_of(kept(**clustered())), "credentials of stores are not lost"


def test_the_job_mounts_everything_to_read_and_waits_for_none_of_it() -> None:
    pod, container = pod_of(escrow.job(wanted(kept()), MARKS, BOTH, None))
    volumes = [as_manifest(one) for one in get_list(pod, "volumes")]
    mounts = [as_manifest(one) for one in get_list(container, "volumeMounts")]
    assert all(mount["readOnly"] is True for mount in mounts)
    assert [one["name"] for one in volumes] == [one["name"] for one in mounts]
    sources = [get_map(one, "secret") or get_map(one, "configMap") for one in volumes]
    assert all(source["optional"] is True for source in sources), "the Job says in words what is missing"
    store = next(one for one in volumes if one["name"] == "store")
    keys = [get_str(item, "key") for item in get_list(store, "secret", "items")]
    assert keys == ["access-key-id", "secret-access-key"]
    paths = {get_str(mount, "mountPath") for mount in mounts}
    assert "/etc/dedicated/escrow/secrets/acme-masterkey" in paths
    assert "/etc/dedicated/escrow/configmaps/acme-measured-2026-03" in paths


def test_its_arguments_are_names_public_keys_and_marks() -> None:
    _, container = pod_of(escrow.job(wanted(kept()), MARKS, BOTH, None))
    told = [str(one) for one in get_list(container, "args")]
    assert {f"--recipient=Provider={PROVIDER}", f"--recipient=Customer={CUSTOMER}"} <= {*told}
    assert {"--bundle=b1", "--ledger=l1", "--version=zitadel=v4.15.2"} <= {*told}
    assert not [one for one in told if one.startswith("--version=empty")]
    _, container = pod_of(escrow.job(wanted(kept()), MARKS, Owed(bundle=False, ledger=True), None))
    assert not [one for one in get_list(container, "args") if str(one).startswith("--bundle=")]


def test_it_may_read_no_secret_and_write_its_record_alone() -> None:
    found = {get_str(one, "kind"): one for one in escrow.manifests(wanted(kept()))}
    rules = get_list(found[ROLE.kind], "rules")
    told = [
        (get_list(rule, "resources"), get_list(rule, "resourceNames"), get_list(rule, "verbs"))
        for rule in rules
    ]
    assert told == [
        (["configmaps"], ["acme-escrow"], ["get", "patch"]),
        (["dedicatedinstances"], ["acme"], ["list"]),
        (["maintenances", "contractrecords", "instancebackups", "instancerestores"], [], ["list"]),
    ]
    assert "data" not in found[CONFIG_MAP.kind], "its data is the Job's"
    policy = get_map(found[NETWORK_POLICY.kind], "spec")
    assert policy["ingress"] == []
    ports = [as_manifest(port) for rule in get_list(policy, "egress") for port in get_list(rule, "ports")]
    assert {get_int(port, "port") for port in ports} == {53, 443, 6443}


def test_its_name_says_what_is_written_and_what_was_before() -> None:
    instance = kept()
    first = escrow.job_name(instance, MARKS, None)
    assert first == escrow.job_name(instance, MARKS, Report("uid"))
    assert first != escrow.job_name(instance, Marks("b2", "l1"), None)
    put = Written("b1", 1, "object", "0" * 64, NOW)
    assert first != escrow.job_name(instance, MARKS, Report("uid", bundle=put)), "the same again is another"
    longest = parse_instance({**body("a" * 40), "spec": spec(keyBundle=KEY_BUNDLE)})
    assert isinstance(longest, Instance)
    assert len(escrow.job_name(longest, MARKS, None)) <= 63


def test_a_job_is_under_way_until_it_was_carried_out() -> None:
    made: Manifest = {"name": "j", "creationTimestamp": "2026-03-01T12:00:00Z"}
    ended: list[JsonValue] = [{"type": "Complete", "status": "True"}]
    assert escrow.attempt_of({"metadata": made, "status": {"conditions": ended}}) is None
    gave_up: list[JsonValue] = [{"type": "Failed", "status": "True"}]
    failed = escrow.attempt_of({"metadata": made, "status": {"conditions": gave_up, "failed": 7}})
    assert failed is not None
    assert (failed.failed, failed.failures, failed.made) == (True, 7, NOW)


def test_what_the_job_writes_into_its_record_is_its_word_and_nothing_else_is() -> None:
    word: Manifest = {"f:data": {".": {}, "f:report": {}}}
    assert escrow.is_report("escrow", "dedicated-escrow-agent", word)
    assert not escrow.is_report("escrow", "kubectl-edit", word)
    assert not escrow.is_report("config", "dedicated-escrow-agent", word)
    assert not escrow.is_report("escrow", "dedicated-escrow-agent", {"f:data": {"f:other": {}}})
