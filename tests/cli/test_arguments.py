"""Arguments of `dedicated run` become settings, and what cannot work is refused."""

import argparse
from pathlib import Path

import pytest

from dedicated.cli.arguments import add_run_arguments, settings_of
from dedicated.contract.places import built_in
from dedicated.controllers.main import SettingsError, load_atlas
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


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9090", ("0.0.0.0", 9090)),
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("[::1]:9090", ("::1", 9090)),
    ],
)
def test_pages_are_served_at_an_address_or_at_all(text: str, address: tuple[str, int]) -> None:
    assert parsed("--http", text).http_address == address


@pytest.mark.parametrize("text", ["9090", ":", ":0", "127.0.0.1"])
def test_pages_need_a_port(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--http", text)
    assert "--http" in capsys.readouterr().err


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "often"])
def test_audits_come_after_a_time(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed("--audit-hours", "0.5").audit_hours == 0.5
    with pytest.raises(SystemExit):
        parsed("--audit-hours", hours)
    assert "--audit-hours" in capsys.readouterr().err


def test_the_map_of_places_is_read_from_a_file(tmp_path: Path) -> None:
    assert load_atlas(parsed().places_file) == built_in()
    file = tmp_path / "places.yaml"
    file.write_text("places: {cellar: [CH]}", encoding="utf-8")
    assert load_atlas(parsed("--places", str(file)).places_file).countries("cellar") == {"CH"}
    file.write_text("places: {cellar: [Swiss]}", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"--places .*: places\.cellar\.0: "):
        load_atlas(file)
