"""What an agent knows at a moment, told by its loops; the report and the figures are made of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dedicated.agents.limiter.latency import Latencies
from dedicated.agents.limiter.observing import Figures
from dedicated.contract.limiter_report import Phase, Proof, Report, Thresholds


class State:
    """The facts of one replica. `changed` is called where somebody acts on what is new."""

    def __init__(
        self,
        *,
        replica: int,
        now: Callable[[], datetime],
        latencies: Latencies,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.latencies = latencies
        self.figures = Figures()
        self.content = ""
        self.wanted = ""
        self.proof: Proof | None = None
        self._now = now
        self._changed = changed
        self._known = Report(replica=replica, measured_at=now(), started_at=now())

    @property
    def phase(self) -> Phase:
        """How far what is wanted is."""
        return self._known.phase

    @property
    def message(self) -> str:
        """Why it is no further."""
        return self._known.message

    def tell(self, phase: Phase, message: str = "") -> None:
        """How far what is wanted is."""
        if (phase, message) != (self._known.phase, self._known.message):
            self._known = replace(self._known, phase=phase, message=message)
            self._changed()

    def want(self, digest: str) -> None:
        """The content that the ConfigMap holds now."""
        if digest != self.wanted:
            self.wanted = digest
            self._changed()

    def take(self, digest: str, policy_hash: str, thresholds: Thresholds) -> None:
        """What the process has in force, by its own word."""
        self.content = digest
        self._known = replace(self._known, policy_hash=policy_hash, thresholds=thresholds)
        self._changed()

    def prove(self, proof: Proof) -> None:
        """A proof that ended."""
        self.proof = proof
        self._changed()

    def see(self, figures: Figures) -> None:
        """Figures of now."""
        apart = self.figures.apart
        self.figures = figures
        if apart != figures.apart:
            self._changed()

    def report(self) -> Report:
        """All of it."""
        seen = self.figures
        return replace(
            self._known,
            measured_at=self._now(),
            content=self.content,
            wanted=self.wanted,
            proof=self.proof,
            haproxy=seen.version,
            bans=seen.bans,
            tracked=seen.tracked,
            room=seen.room,
            requests=seen.minute.requests,
            refused=seen.minute.refused,
            failed=seen.minute.failed,
            apart=seen.apart,
            p50=self.latencies.quantile(0.5),
            p99=self.latencies.quantile(0.99),
            from_cluster=round(self.latencies.near(), 4),
            top_paths=seen.top_paths,
        )
