"""The layers of the house: the contracts hold, and each of them bites.

A contract that nothing can break proves nothing: every one is broken on purpose in a copy of the package.
"""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CONTRACTS = CHECKOUT / ".importlinter"

BREAKS = {
    "layers": ("contract/intruder.py", "from dedicated.parts import keys"),
    "adapters": ("cluster/intruder.py", "from dedicated.reconcile import plan"),
    "apart": ("probes/intruder.py", "from dedicated.cluster import errors"),
    "pure": ("parts/intruder.py", "import random"),
    "client": ("controllers/intruder.py", "import kubernetes"),
    "shell": ("cli/intruder.py", "import kopf"),
}
"""Contract: a module that breaks it, and its one line."""
PURE = ("api", "contract", "parts", "reconcile")


def sections() -> list[str]:
    """Names of the contracts in `.importlinter`."""
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS)
    return [name.rpartition(":")[2] for name in parser.sections() if ":contract:" in name]


def verdict(root: Path) -> tuple[int, str]:
    """Exit code and words of import-linter about the package below `root`."""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()"]
    arguments = ["--config", str(CONTRACTS), "--no-cache"]
    done = subprocess.run(
        [*command, *arguments], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def titles(text: str, word: str) -> set[str]:
    """Titles of the contracts that import-linter calls KEPT or BROKEN."""
    return {line.rpartition(" ")[0].strip() for line in text.splitlines() if line.endswith(f" {word}")}


def title(section: str) -> str:
    """A contract's title."""
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS)
    return parser[f"importlinter:contract:{section}"]["name"]


def test_every_contract_is_broken_here_once() -> None:
    assert set(sections()) == set(BREAKS)


def test_the_contracts_hold_and_every_one_of_them_bites(tmp_path: Path) -> None:
    """One run on the package as it is, one on a copy in which every contract is broken at once."""
    code, text = verdict(CHECKOUT / "operator")
    assert code == 0, text
    assert titles(text, "KEPT") == {title(section) for section in sections()}
    shutil.copytree(
        CHECKOUT / "operator" / "dedicated",
        tmp_path / "dedicated",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for place, line in BREAKS.values():
        with (tmp_path / "dedicated" / place).open("a") as module:
            module.write(f"\n{line}\n")
    code, text = verdict(tmp_path)
    assert code != 0
    assert titles(text, "BROKEN") == {title(section) for section in sections()}


BANNED = {
    "the wall clock": "from datetime import datetime\n\nNOW = datetime.now()\n",
    "the old clock": "from datetime import datetime\n\nNOW = datetime.utcnow()\n",
    "today": "from datetime import date\n\nNOW = date.today()\n",
    "seconds": "import time\n\nNOW = time.time()\n",
    "the monotonic clock": "from time import monotonic\n\nNOW = monotonic()\n",
    "a pause": "import time\n\ntime.sleep(1)\n",
    "chance": "import random\n\nNUMBER = random.random()\n",
    "secrets": "import secrets\n\nTOKEN = secrets.token_hex()\n",
    "a random identity": "from uuid import uuid4\n\nNAME = uuid4()\n",
    "the environment": "import os\n\nHOME = os.environ\n",
    "a variable": "import os\n\nHOME = os.getenv('HOME')\n",
    "the network": "from urllib.request import urlopen\n\nPAGE = urlopen\n",
}


def with_banned_names(root: Path) -> set[str]:
    """Files below `root` in which ruff, configured as in the project, finds a banned name."""
    shutil.copy(CHECKOUT / "pyproject.toml", root)
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return {line.partition(":")[0] for line in done.stdout.splitlines() if "TID251" in line}


@pytest.mark.parametrize("layer", PURE)
def test_clock_chance_and_environment_are_banned_in_pure_layers(tmp_path: Path, layer: str) -> None:
    folder = tmp_path / "operator" / "dedicated" / layer
    folder.mkdir(parents=True)
    for number, text in enumerate(BANNED.values()):
        (folder / f"m{number}.py").write_text(text)
    (folder / "fine.py").write_text("from datetime import datetime\n\nKIND = datetime\n")
    found = {Path(name).name for name in with_banned_names(tmp_path)}
    assert found == {f"m{number}.py" for number in range(len(BANNED))}
