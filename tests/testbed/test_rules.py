"""What the testbed decides without a cluster: environments, images, states, endpoints, tools."""

from pathlib import Path

import pytest

from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from testbed import gobuild, tools
from testbed.locks import fair, open_lock, try_exclusive
from testbed.podrunner import environment, images, network, states
from testbed.podrunner.states import ContainerState, Running, Terminated, Waiting

OK = Terminated(0, "Completed", "t", "t")
BAD = Terminated(1, "Error", "t", "t")


def state(value: states.State, *, ready: bool = False, last: Terminated | None = None) -> ContainerState:
    return ContainerState("c", "i", value, last=last, ready=ready)


@pytest.mark.parametrize(
    ("policy", "inits", "mains", "expected"),
    [
        ("Always", [], [state(Waiting("ContainerCreating"))], "Pending"),
        ("Always", [state(Running("t"))], [state(Waiting("PodInitializing"))], "Pending"),
        ("Never", [state(BAD)], [state(Waiting("PodInitializing"))], "Failed"),
        ("Always", [state(BAD)], [state(Waiting("PodInitializing"))], "Pending"),
        ("Always", [state(OK)], [state(Running("t"))], "Running"),
        ("Always", [], [state(Waiting("CrashLoopBackOff"), last=BAD)], "Running"),
        ("Always", [], [state(BAD)], "Running"),
        ("OnFailure", [], [state(OK), state(OK)], "Succeeded"),
        ("OnFailure", [], [state(BAD)], "Running"),
        ("Never", [], [state(OK), state(BAD)], "Failed"),
    ],
)
def test_phase_follows_kubelet(
    policy: str, inits: list[ContainerState], mains: list[ContainerState], expected: str
) -> None:
    assert states.phase(policy, inits, mains) == expected


def test_unchanged_conditions_keep_their_time() -> None:
    facts = states.PodFacts("Always", "10.64.0.1", "10.63.0.1", "start")
    before = states.status(facts, [], [state(Running("t"))], before={}, now="then")
    after = states.status(facts, [], [state(Running("t"), ready=True)], before=before, now="now")
    times = {get_str(c, "type"): get_str(c, "lastTransitionTime") for c in get_list(after, "conditions")}
    assert times == {
        "PodReadyToStartContainers": "then",
        "Initialized": "then",
        "ContainersReady": "now",
        "Ready": "now",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$(A)b", "1b"), ("$$(A)", "$(A)"), ("$(NO)", "$(NO)"), ("$A $", "$A $"), ("$$$(A)", "$1")],
)
def test_expansion_follows_kubelet(text: str, expected: str) -> None:
    assert environment.expand(text, {"A": "1"}) == expected


@pytest.mark.parametrize(("text", "expected"), [("1Gi", 2**30), ("500m", 0.5), ("2", 2), ("1k", 1000)])
def test_quantities(text: str, expected: float) -> None:
    assert environment.quantity(text) == expected


@pytest.mark.parametrize(
    ("reference", "version", "role"),
    [
        ("registry.test/zitadel/zitadel:v4.15.2", "v4.15.2", "server"),
        ("registry:5000/zitadel:v4.15.2@sha256:ab", "v4.15.2", "server"),
        ("zitadel-login:v4.16.0-rc.1", "v4.16.0-rc.1", "login"),
        ("zitadel@sha256:ab", "", "server"),
    ],
)
def test_known_images(reference: str, version: str, role: str) -> None:
    image = images.find_image(reference)
    assert (image.version, image.program.role) == (version, role)


@pytest.mark.parametrize(
    "reference", ["zitadel", "zitadel:latest", "a/zitadel-other:v1.0.0", "zitadel:v1", ""]
)
def test_unknown_images_are_not_pulled(reference: str) -> None:
    with pytest.raises(images.ImageError, match="not found"):
        images.find_image(reference)


def test_commands_replace_the_entry_point() -> None:
    server, login = images.find_image("zitadel:v4.15.2"), images.find_image("zitadel-login:v4.15.2")
    assert images.command_line(server, ["/app/zitadel", "setup"], ["--x"])[2:] == [
        "fakezitadel",
        "server",
        "setup",
        "--x",
    ]
    assert images.command_line(login, ["node", "server.js"], [])[2:] == ["fakezitadel", "login"]
    with pytest.raises(images.StartError, match="executable file not found"):
        images.command_line(server, ["sh", "-c", "zitadel start"], [])


def endpoint_slice(address: str, *, ready: bool) -> Manifest:
    return {
        "metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": "s"}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}}],
    }


def test_resolve_map_names_ready_running_pods_only() -> None:
    ports: list[Manifest] = [{"name": "http", "port": 80}, {"name": "other", "port": 81}]
    service = as_manifest(
        {"metadata": {"namespace": "n", "name": "s"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}}
    )
    slices = [
        endpoint_slice("10.64.0.1", ready=True),
        endpoint_slice("10.64.0.2", ready=False),
        endpoint_slice("10.80.0.1", ready=True),
    ]
    found = network.resolve_map([service], slices)
    assert found["s.n.svc:80"] == found["s:80"] == ["127.64.0.1:8080"]
    assert found["s:81"] == []


def test_addresses_are_not_given_twice() -> None:
    addresses = network.Addresses(64)
    first = addresses.take()
    addresses.give_back(first)
    taken = {addresses.take() for _ in range(600)}
    assert len(taken) == 600
    assert first not in taken
    assert not [address for address in taken if address.endswith((".0", ".255"))]


def test_versions_come_from_module_files() -> None:
    versions = {family.name: tools.version_of(family) for family in tools.FAMILIES if family.module}
    assert versions["controlplane"].startswith("1.36.")
    assert versions["kwok"].startswith("0.8.")
    assert versions["helm"].startswith("4.")


def test_tools_at_hand_are_taken_only_in_the_right_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kwok = next(family for family in tools.FAMILIES if family.name == "kwok")

    def pretend(version: str) -> None:
        program = tmp_path / "kwok"
        program.write_text(f"#!/bin/sh\necho kwok version v{version}\n")
        program.chmod(0o755)

    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("DEDICATED_CACHE", str(tmp_path / "cache"))
    tools.cache_directory(kwok).mkdir(parents=True)
    for version, source in (("0.7.0", "built"), ("0.8.9", "KUBEBUILDER_ASSETS")):
        pretend(version)
        tools.take.cache_clear()
        assert tools.take("kwok").source == source
    tools.take.cache_clear()


def test_cache_key_depends_on_sources_and_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = tools.Family("t", ("t",), ".", "")
    monkeypatch.setattr(tools, "TOOLS", tmp_path)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "go.mod").write_text("module t\n")
    before = tools.cache_directory(family)
    (tmp_path / "t" / "main.go").write_text("package main\n")
    assert tools.cache_directory(family) != before
    with_source = tools.cache_directory(family)
    monkeypatch.setattr(gobuild, "FLAGS", ("-trimpath",))
    assert tools.cache_directory(family) != with_source


def test_sharers_exclude_who_must_be_alone(tmp_path: Path) -> None:
    path = tmp_path / "tests.lock"
    with fair(path, shared=True), fair(path, shared=True):
        assert not try_exclusive(open_lock(path))
    assert try_exclusive(open_lock(path))


def test_two_testbeds_get_different_blocks() -> None:
    with network.claim_block() as one, network.claim_block() as other:
        assert one != other
        assert network.runs_here(f"10.{one}.0.1")
        assert not network.runs_here("10.80.0.1")
