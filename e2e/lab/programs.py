"""The lab's programs, and what to say where one is missing. `install.sh` beside this installs them."""

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

OLDEST = 15
"""Version of PostgreSQL: the role pg_checkpoint is not in an older one."""
SKIP_REASON = "the lab's programs are not installed"
REQUIRED = "LAB_REQUIRED"
"""Set where a missing program is a failure instead of a skip, as in CI."""


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's folder of programs, pgBackRest, and the user that they run as (None: ourselves)."""

    postgres: Path
    pgbackrest: Path
    user: int | None


def find() -> Programs:
    """The programs. LookupError says which are missing."""
    postgres = _newest_postgres()
    pgbackrest = shutil.which("pgbackrest")
    missing = [
        name
        for name, found in ((f"PostgreSQL >= {OLDEST}", postgres), ("pgbackrest", pgbackrest))
        if not found
    ]
    if postgres is None or pgbackrest is None:
        raise LookupError(f"{SKIP_REASON}: {', '.join(missing)} (e2e/lab/install.sh)")
    user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
    return Programs(postgres, Path(pgbackrest), user)


def _newest_postgres() -> Path | None:
    found = [
        path.parent
        for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")
        if path.parts[-3].isdecimal() and int(path.parts[-3]) >= OLDEST
    ]
    return max(found, key=lambda folder: int(folder.parts[-2]), default=None)
