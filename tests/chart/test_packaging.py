"""What `make package` makes is complete and of one version."""

import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import packager
from dedicated import __version__

VERSION = __version__


def test_charts_have_the_version_of_the_project() -> None:
    for chart in packager.CHARTS:
        metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
        found = (metadata["name"], metadata["version"], metadata["appVersion"])
        assert found == (chart.name, VERSION, VERSION)


def test_context_has_all_that_the_dockerfile_copies(tmp_path: Path) -> None:
    wheel = packager.build_wheel(tmp_path)
    packager.image_context(wheel, tmp_path / "image")
    instructions = (tmp_path / "image/Dockerfile").read_text().splitlines()
    patterns = [
        line.split()[1] for line in instructions if line.startswith("COPY ") and "--from" not in line
    ]
    assert len(patterns) == 2
    for pattern in patterns:
        assert len(list((tmp_path / "image").glob(pattern))) == 1, pattern
    ignored = (tmp_path / "image/.dockerignore").read_text().splitlines()
    assert {f"!{pattern}" for pattern in patterns} == {line for line in ignored if line.startswith("!")}


def test_wheel_has_the_package_and_its_command(tmp_path: Path) -> None:
    wheel = packager.build_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        commands = archive.read(f"dedicated_operator-{VERSION}.dist-info/entry_points.txt").decode()
    sources = packager.ROOT / "operator"
    wanted = {str(path.relative_to(sources)) for path in sources.rglob("*.py")}
    assert wanted == {name for name in names if name.endswith(".py")}
    assert "dedicated = dedicated.cli.main:main" in commands


def test_wheel_can_be_made_again_byte_for_byte(tmp_path: Path) -> None:
    first, second = (packager.build_wheel(tmp_path / name) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_every_pinned_requirement_has_a_hash() -> None:
    lines = (packager.ROOT / "requirements/run.txt").read_text().replace("\\\n", "").splitlines()
    pins = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)


@pytest.mark.cluster  # Helm is built by the testbed.
def test_packed_charts_bring_their_definitions(tmp_path: Path) -> None:
    packed = packager.package_charts(tmp_path)
    assert [path.name for path in packed] == [
        f"dedicated-operator-{VERSION}.tgz",
        f"dedicated-operator-crds-{VERSION}.tgz",
    ]
    for path in packed:
        with tarfile.open(path) as archive:
            names = archive.getnames()
        assert [name for name in names if "/files/crds/" in name]
