"""What a pod beside an instance is started with is a command that there is."""

import pytest

from dedicated.cli.main import main
from dedicated.parts import escrow


@pytest.mark.parametrize("agent", ["recovery", escrow.COMPONENT, "verify"])
def test_every_agent_can_be_started(agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["agent", agent, "--help"])
    assert ended.value.code == 0
    assert f"dedicated agent {agent}" in capsys.readouterr().out
