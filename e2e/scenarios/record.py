"""What is seen while a scenario runs: rows of clients, states of the cluster, marks of what was done.

All times are seconds since the epoch by the clock of the runner's machine: clients, samples of the API and
marks of faults are taken on one machine, so that they can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from clients.rows import Row

POINT = "recovery/newestRecoverablePoint"
"""The state with the newest point to which the status says that a restore can go."""

DATABASE_SERVER = "database"
"""Subject of the states of the database's servers, before the name of each."""

FULL_BEFORE, FULL = "processors full before, %", "processors full, %"
"""Numbers by which times are to be read: where it is full before the fault they say more of the machine."""


@dataclass(frozen=True, slots=True)
class State:
    """From `at` on, `name` of `subject` was `value`. Only changes are kept.

    Subjects: `instance` (names: conditions, `summary/FIELD`, `finding/CODE` with `present` or `absent`),
    `node/NAME` and `database/NAME` (name `Ready`), `api` (name `answers`: False while the API server gave no
    answer, so that nothing was read).
    """

    at: float
    subject: str
    name: str
    value: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What was done, when: a fault, its healing, a change, a note."""

    at: float
    what: Literal["fault", "heal", "change", "note"]
    text: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that was seen of one scenario, from `begun` to `ended`.

    `rows` are the clients' requests. `stored` are the tokens in the database at the end; None where it was
    not asked. `numbers` are a step's own measurements by name.
    """

    begun: float
    ended: float
    rows: tuple[Row, ...] = ()
    states: tuple[State, ...] = ()
    marks: tuple[Mark, ...] = ()
    stored: frozenset[str] | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
