"""Bad weather between an operator and its API server: a policy of the fault proxy that draws from dice."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from faultproxy import Answer, Asked, CloseWatch, Decision, Delay, Forward, Half, Reset, StallWatch

CHANCE = 0.1
"""Of a request to go wrong while the weather is bad."""
Fault = Callable[[random.Random], Decision]
REQUEST_FAULTS: tuple[Fault, ...] = (
    lambda _: Answer(500),
    lambda _: Answer(503),
    lambda _: Answer(429, retry_after=1),
    lambda _: Reset("before"),
    lambda _: Reset("after"),
    lambda _: Half(),
    lambda dice: Delay(dice.uniform(0.1, 3.0)),
)
WATCH_FAULTS: tuple[Fault, ...] = (
    lambda dice: CloseWatch(dice.uniform(1.0, 60.0)),
    lambda dice: StallWatch(dice.uniform(1.0, 60.0)),
    lambda _: Answer(410),
    lambda _: Half(),
    lambda _: Reset("after"),
)


@dataclass(slots=True)
class Weather:
    """Forwards everything while the weather is not `bad`. Leases are spared: see `soak.OUTAGE_SECONDS`."""

    dice: random.Random
    bad: bool = False
    faults: int = 0

    def __call__(self, asked: Asked) -> Decision:
        """What shall become of the request."""
        chance = CHANCE * 3 if asked.watch else CHANCE
        if not self.bad or asked.resource == "leases" or self.dice.random() >= chance:
            return Forward()
        self.faults += 1
        return self.dice.choice(WATCH_FAULTS if asked.watch else REQUEST_FAULTS)(self.dice)
