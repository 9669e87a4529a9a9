"""Where a testbed lives on disk, and what it tells others about itself."""

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one testbed and the files in it."""

    root: Path

    @property
    def state(self) -> Path:
        """The state file: exists exactly while the testbed is ready."""
        return self.root / "state.json"

    @property
    def keep(self) -> Path:
        """Exists while the testbed shall stay up without users (`testbed up`)."""
        return self.root / "keep"

    @property
    def users(self) -> Path:
        """Lock shared by every process that uses the testbed."""
        return self.root / "users.lock"

    @property
    def starting(self) -> Path:
        """Lock of whoever starts or stops the testbed."""
        return self.root / "starting.lock"

    @property
    def tests(self) -> Path:
        """Lock shared by running tests; exclusive for those that disturb others."""
        return self.root / "tests.lock"

    @property
    def processes(self) -> Path:
        """Identities of the processes started, for `down` after a kill."""
        return self.root / "processes.json"

    @property
    def run(self) -> Path:
        """Everything that goes with the testbed: data, keys, sockets."""
        return self.root / "run"

    @property
    def pki(self) -> Path:
        """Keys, certificates and kubeconfigs."""
        return self.run / "pki"

    @property
    def pods(self) -> Path:
        """Directories of the pods that really run."""
        return self.run / "pods"

    @property
    def logs(self) -> Path:
        """Logs of all processes; outlives the testbed when something failed."""
        return self.root / "logs"

    @property
    def audit(self) -> Path:
        """Audit log of the API server: one JSON event a line."""
        return self.logs / "audit.log"


def python_path() -> str:
    """PYTHONPATH of the testbed's processes: our sources before what there is."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    ours = [str(CHECKOUT / "operator"), str(CHECKOUT / "e2e")]
    return os.pathsep.join(
        [*ours, *(path for path in given if Path(path).is_absolute() and path not in ours)]
    )


def cache_root() -> Path:
    """Where built things are kept outside the checkout: `$DEDICATED_CACHE`, or a folder of the user."""
    return Path(os.environ.get("DEDICATED_CACHE") or Path.home() / ".cache" / "dedicated-operator")


def default_home() -> Home:
    """`$DEDICATED_STATE`, or `.cache/testbed` of the checkout."""
    return Home(Path(os.environ.get("DEDICATED_STATE") or CHECKOUT / ".cache" / "testbed").resolve())


@dataclass(frozen=True, slots=True)
class State:
    """What a user of a running testbed needs to know. Addresses are `IP:PORT` on loopback."""

    server: str
    """URL of the API server."""
    kubeconfig: str
    """Path of the administrator's kubeconfig."""
    ca: str
    """Path of the certificate authority of the API server and of the front."""
    front: str
    """Address where the public names of instances answer (TLS)."""
    postgres: str
    """DSN of the PostgreSQL superuser, without a database name's guarantee of life."""
    supervisor: int
    """Process id of the supervisor."""
    tools: dict[str, str]
    """Program name -> path taken."""

    def write(self, home: Home) -> None:
        """Publish atomically."""
        write_atomically(home.state, json.dumps(dataclasses.asdict(self), indent=2) + "\n")


def read_state(home: Home) -> State | None:
    """The state of a testbed that is ready, or None."""
    try:
        return State(**json.loads(home.state.read_text()))
    except (FileNotFoundError, TypeError, ValueError):
        return None


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file so that readers see the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    Path(name).chmod(mode)
    Path(name).replace(path)
