"""The key bundle's Jobs, played without a store: what each would have put is kept here, as its mark.

For tests of something else, and for the crash harness: there is no second of a process, and no S3. The record
is written as the real one writes it, by the Job's account, and the pod ends.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import CONFIG_MAP, POD
from dedicated.contract.recovery.escrow import MANAGER, REPORT, Report, Written, from_json, to_json
from dedicated.parts.escrow import COMPONENT, record_name
from testbed.client import Api, ApiError


@dataclass
class EscrowJobs:
    """The node of one namespace. `account` gives the API as a ServiceAccount; `put` are the marks written."""

    api: Api
    namespace: str
    account: Callable[[str], Api]
    put: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)

    def step(self) -> None:
        """Carry out the Jobs whose pods run."""
        for pod in self.api.list(POD, self.namespace, labels=f"{LABEL_COMPONENT}={COMPONENT}"):
            uid = get_str(pod, "metadata", "uid")
            if get_str(pod, "status", "phase") == "Running" and uid not in self.done:
                with contextlib.suppress(ApiError):  # gone meanwhile, with its instance
                    self._write(pod)
                    finish(self.api, pod)
                self.done.add(uid)

    def _write(self, pod: Manifest) -> None:
        (container,) = get_list(pod, "spec", "containers")
        parts = (str(one).partition("=") for one in get_list(container, "args"))
        told = {name: value for name, _, value in parts}
        name = record_name(told["--instance"])
        known = from_json(get_str(self.api.get(CONFIG_MAP, self.namespace, name), "data", REPORT))
        report = known if known and known.incarnation == told["--uid"] else Report(told["--uid"])
        identity = self.api.get(CONFIG_MAP, self.namespace, f"{told['--instance']}-identity")
        report = replace(report, fingerprint=get_str(identity, "data", "masterkey"))
        if mark := told.get("--bundle"):
            report = replace(report, bundle=self._put(mark, report.bundle))
        if mark := told.get("--ledger"):
            report = replace(report, ledger=self._put(mark, report.ledger))
        body: Manifest = {"data": {REPORT: to_json(report)}}
        self.account(name).patch(CONFIG_MAP, self.namespace, name, body, manager=MANAGER)

    def _put(self, mark: str, before: Written | None) -> Written:
        self.put.append(mark)
        number = before.number + 1 if before else 1
        return Written(mark, number, f"{mark}-{number}.age", "0" * 64, datetime.now(UTC))


def finish(api: Api, pod: Manifest, code: int = 0) -> None:
    """The pod of a Job ends: kwok's stages leave that to who plays it."""
    state: Manifest = {"terminated": {"exitCode": code, "reason": "Completed"}}
    statuses: list[JsonValue] = [
        {**get_map(item), "state": state, "ready": False}
        for item in get_list(pod, "status", "containerStatuses")
    ]
    status: Manifest = {"phase": "Failed" if code else "Succeeded", "containerStatuses": statuses}
    namespace, name = (get_str(pod, "metadata", key) for key in ("namespace", "name"))
    api.patch(POD, namespace, name, {"status": status}, subresource="status")
