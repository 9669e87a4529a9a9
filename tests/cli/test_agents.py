"""What a pod beside an instance is started with is a command that there is."""

from argparse import ArgumentParser

import pytest

from dedicated.agents.limiter.settings import Settings
from dedicated.cli.limiter_arguments import add_limiter_arguments, limiter_settings_of
from dedicated.cli.main import main
from dedicated.parts import escrow
from dedicated.parts.limiter import names


@pytest.mark.parametrize(
    "agent", ["recovery", escrow.COMPONENT, "verify", "export", "import", names.COMPONENT]
)
def test_every_agent_can_be_started(agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["agent", agent, "--help"])
    assert ended.value.code == 0
    assert f"dedicated agent {agent}" in capsys.readouterr().out


def limiter(*arguments: str, host: str = "acme-limiter-2") -> Settings:
    parser = ArgumentParser()
    add_limiter_arguments(parser, environment={"HOSTNAME": host, "POD_NAMESPACE": "acme-ns"})
    return limiter_settings_of(parser.parse_args(["--instance", "acme", *arguments]))


def test_a_limiters_agent_knows_its_replica_by_its_hosts_name() -> None:
    found = limiter()
    assert (found.replica, found.namespace, found.wanted, found.report) == (
        2,
        "acme-ns",
        "acme-limiter",
        "acme-limiter-report",
    )
    assert limiter("--replica", "1").replica == 1
    with pytest.raises(ValueError, match="--replica"):
        limiter(host="laptop")


def test_without_a_replica_a_limiters_agent_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOSTNAME", "laptop")
    assert main(["agent", "limiter", "--instance", "acme"]) == 2
    assert "name the replica with --replica" in capsys.readouterr().err
