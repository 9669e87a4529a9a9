"""The images themselves: what is in them runs under the restricted profile."""

import json
import tarfile

import pytest

from images.build import build
from images.trial import run

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(900)]


def test_the_operator_runs_read_only_and_without_rights() -> None:
    script = (
        "import os, json; from pathlib import Path\n"
        "def writes(path):\n"
        "    try: Path(path, 'x').touch(); return True\n"
        "    except OSError as error: return error.strerror\n"
        "caps = [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')]\n"
        "print(json.dumps([os.getuid(), os.getgid(), caps, writes('/opt'), writes('/tmp')]))"
    )
    done = run("operator", script, command=["python3", "-c"])
    assert json.loads(done.stdout) == [65532, 65532, ["0000000000000000"], "Read-only file system", True], (
        done.stderr
    )


def test_the_operator_without_a_cluster_says_so_and_ends() -> None:
    assert "Usage" in run("operator", "--help").stdout
    done = run("operator", "run")
    assert done.returncode not in {0, 137, 139}
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", [["haproxy", "-v"], ["pgbackrest", "version"]])
def test_the_operators_agents_find_their_programs(command: list[str]) -> None:
    done = run("operator", command=command)
    assert done.returncode == 0, done.stderr


def test_the_operators_image_brings_no_installers() -> None:
    (built,) = build("operator")
    with tarfile.open(built.layers[-1].path) as layer:
        names = layer.getnames()
    assert not [name for name in names if name.startswith("opt/dedicated") and "site-packages/pip" in name]
    assert not [name for name in names if name.endswith((".deb", "_Packages", "pkgcache.bin"))]
    assert [name for name in names if name.endswith("dedicated/cli/__pycache__/main.cpython-311.pyc")]
    assert built.size < 500e6


@pytest.mark.parametrize(
    ("name", "command", "word"),
    [
        ("zitadel", None, "flags"),
        ("clients", ["python3", "-m", "clients", "--help"], "usage"),
        ("haproxy", ["haproxy", "-v"], "HAProxy"),
        ("postgresql", ["postgres", "--version"], "PostgreSQL"),
        ("postgresql", ["barman-cloud-backup", "--version"], "3."),
        ("postgresql", ["id", "-un"], "postgres"),
        ("s3", ["weed", "version"], "version"),
        ("coredns", ["/coredns", "-plugins"], "kubernetes"),
        ("kube-router", ["kube-router", "--help"], "Usage"),
        ("node", ["containerd", "--version"], "containerd"),
        ("cloudnative-pg", ["/manager", "--help"], "Usage"),
    ],
)
def test_each_image_has_the_program_that_it_is_for(name: str, command: list[str] | None, word: str) -> None:
    done = run(name, command=command, env={"FAKEZ_VERSION": "v4.15.2"})
    assert word in done.stdout + done.stderr
