"""Arguments of `dedicated run` become settings, and what cannot work is refused."""

import argparse

import pytest

from dedicated.cli.arguments import add_run_arguments, settings_of
from dedicated.controllers.settings import Settings


def parsed(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_run_arguments(parser, environment={"POD_NAME": "pod", "POD_NAMESPACE": "ns"}, hostname="host")
    return settings_of(parser.parse_args(["--releases", "releases.yaml", *arguments]))


def test_the_defaults_are_those_of_the_settings() -> None:
    found = parsed()
    plain = Settings(identity="pod", lease_namespace="ns", releases_file=found.releases_file)
    assert found == plain
    assert found.audit_hours == 10


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "often"])
def test_audits_come_after_a_time(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed("--audit-hours", "0.5").audit_hours == 0.5
    with pytest.raises(SystemExit):
        parsed("--audit-hours", hours)
    assert "--audit-hours" in capsys.readouterr().err
