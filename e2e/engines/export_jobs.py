"""The Jobs of exports, played without a database and a store: each step is told, one at a time, as the
process tells it, and the pod ends after the last. For the crash harness.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import CONFIG_MAP, POD
from dedicated.contract.transfer.export import MANAGER, REPORT, Report, Step, Took, report_json
from dedicated.parts.export import COMPONENT
from engines.escrow_jobs import finish
from testbed.client import Api, ApiError

STEPS: tuple[Step, ...] = ("Dumping", "Verifying", "Storing", "Completed")
SIZE, DUMP = 40_000_000, 7_000_000
"""Bytes of the database, and of its dump."""


@dataclass
class ExportJobs:
    """The node of one namespace. `account` gives the API as a ServiceAccount; `begun` are the orders whose
    process was started, by uid, one for each pod. A pod is not waited for: nobody here makes its volume."""

    api: Api
    namespace: str
    account: Callable[[str], Api]
    begun: list[str] = field(default_factory=list)
    told: dict[str, list[Step]] = field(default_factory=dict)
    """Pod -> the steps that it told of."""

    def step(self) -> None:
        """Tell the next step of each export that has a pod."""
        for pod in self.api.list(POD, self.namespace, labels=f"{LABEL_COMPONENT}={COMPONENT}"):
            if get_str(pod, "status", "phase") in ("Pending", "Running"):
                with contextlib.suppress(ApiError):  # gone meanwhile, with its order
                    self._go_on(pod)

    def _go_on(self, pod: Manifest) -> None:
        (container,) = get_list(pod, "spec", "containers")
        parts = (str(one).partition("=") for one in get_list(container, "args"))
        given = {name: value for name, _, value in parts}
        uid = get_str(pod, "metadata", "uid")
        if uid not in self.told:
            self.begun.append(given["--export"])
        told = self.told.setdefault(uid, [])
        if len(told) == len(STEPS):
            return
        step = STEPS[len(told)]
        body: Manifest = {"data": {REPORT: report_json(_report(given, step))}}
        name = given["--record"]
        self.account(name).patch(CONFIG_MAP, self.namespace, name, body, manager=MANAGER)
        told.append(step)
        if step == "Completed":
            finish(self.api, pod)


def _report(given: dict[str, str], step: Step) -> Report:
    now = datetime.now(UTC)
    report = Report(
        export=given["--export"],
        written=now,
        step=step,
        started=now,
        done=STEPS.index(step),
        total=len(STEPS),
        snapshot=now,
        database_bytes=SIZE,
        dump_bytes=DUMP,
        rows=1003,
    )
    if step != "Completed":
        return report
    manifest = f"{given['--folder']}/manifest.json"
    took = Took(1, 2, 3)
    return replace(report, took=took, stored_bytes=DUMP, manifest=manifest, manifest_sha256="0" * 64)
