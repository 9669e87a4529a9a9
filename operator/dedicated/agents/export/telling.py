"""What an export tells of itself while it runs, and its last word."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dedicated.agents.export.settings import Settings
from dedicated.agents.record import Record
from dedicated.cluster.own_object import OwnConfigMap
from dedicated.contract.transfer.export import MANAGER, REPORT, Report, Step, report_json

logger = logging.getLogger(__name__)


class Telling:
    """The report of an export, and the record that it is written into."""

    def __init__(self, settings: Settings, report: Report, *, now: Callable[[], datetime]) -> None:
        self.report = report
        self.now = now
        own = OwnConfigMap(
            settings.api_server, settings.credentials, settings.namespace, settings.record, MANAGER
        )
        self.record = Record(own, REPORT, lambda: report_json(self.report))

    def step(self, step: Step) -> float:
        """Begin a step; the monotonic clock's time."""
        logger.info("step", extra={"step": step})
        self.report = replace(self.report, step=step, written=self.now(), done=0, total=0)
        return time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """So many bytes of the step are done."""
        self.report = replace(self.report, done=done, total=total, written=self.now())

    def moved(self, count: int) -> None:
        """So many more are."""
        done = min(self.report.total, self.report.done + count)
        self.report = replace(self.report, done=done, written=self.now())
