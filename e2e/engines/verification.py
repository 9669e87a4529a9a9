"""The verification of restored copies, played: what the Job would write of what the played engine restored.

One `step` looks at the verifications of a namespace and writes the verdicts that are missing, as the field
manager that the process is. Limit: no database is looked at; the point is the simulator's, and the rest is
well unless a test says otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.objects import CONFIG_MAP, JOB, ROLE_BINDING
from dedicated.contract.recovery.proof import MANAGER, VERDICT, Check, Goal, Verdict, to_json
from dedicated.parts.verification import COMPONENT
from engines.simulator import Simulator
from testbed.client import Api

SELECTOR = f"app.kubernetes.io/component={COMPONENT}"


@dataclass(slots=True)
class Verifications:
    """The Jobs of one namespace. `broken` is what a check finds wrong with the pages of each copy."""

    api: Api
    engine: Simulator
    broken: str = ""
    fingerprint: Callable[[], str] = lambda: ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The contract's time."""
    holding: bool = False
    """Nobody looks at a copy."""

    def step(self) -> None:
        """Write what is found in each copy that nobody has told of."""
        if self.holding:
            return
        for job in self.api.list(JOB, self.engine.namespace, labels=SELECTOR):
            name = get_str(job, "metadata", "name")
            record = self.api.find(CONFIG_MAP, self.engine.namespace, name)
            if record is None or get_str(record, "data", VERDICT):
                continue
            if self.api.find(ROLE_BINDING, self.engine.namespace, name) is None:  # it may not write yet
                continue
            (container,) = get_list(job, "spec", "template", "spec", "containers")
            text = to_json(self._verdict([str(item) for item in get_list(container, "args")]))
            change: Manifest = {"data": {VERDICT: text}}
            self.api.patch(CONFIG_MAP, self.engine.namespace, name, change, manager=MANAGER)

    def _verdict(self, arguments: list[str]) -> Verdict:
        told = dict(pairwise(arguments))
        at = parse_time(told["--until"])
        assert at is not None
        reached = at - self.engine.astray
        short = reached < at
        pages = Check("Pages", "Failed" if self.broken else "Passed", self.broken or "all read")
        point = Check("Point", "Failed" if short else "Passed", f"restored to {rfc3339(reached)}")
        well = (Check("Recovery", "Passed", "ended"), Check("Events", "Passed", "1 event"))
        return Verdict(
            written=self.clock(),
            restore=told["--restore"],
            goal=Goal(at, newest="--newest" in arguments),
            recovered=True,
            restored_to=reached,
            shortfall=at - reached if short else timedelta(0),
            exact=True,
            events=1,
            keys=1,
            keys_opened=1,
            fingerprint=self.fingerprint(),
            checks=(*well, pages, point, Check("Keys", "Passed", "1 of 1")),
            took=timedelta(seconds=1),
        )
