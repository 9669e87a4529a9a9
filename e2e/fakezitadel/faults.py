"""Switches that make the fake misbehave on purpose.

They come as one JSON object, keys as below, from `FAKEZ_FAULTS` or the file named by
`FAKEZ_FAULTS_FILE`, which is looked at again every second and wins while it exists. An unknown
switch is an error: a misspelt fault would let its test pass for no reason.
"""

import json
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SWITCHES = frozenset(
    {
        "setup.killAtStep",  # name: SIGKILL to itself once the step is started
        "setup.failAtStep",  # {name, times}: the step fails that many times
        "setup.delay",  # {name or *, seconds}
        "setup.hangAtStep",  # name: the step goes on until the switch is taken away
        "setup.panicAfterStarted",  # name: exit 2, no event
        "setup.loseFiles",  # true: SIGKILL after the instance exists, before its files are written
        "setup.legacyFailed",  # true: a failed step blocks all later setups
        "cleanup.fail",  # true: exit 1
        "start.notReadyFor",  # seconds after the start
        "start.readyFlap",  # period in seconds: ready in one, not ready in the next
        "start.crashAfter",  # seconds after the start: exit 1
        "start.stopDelay",  # seconds that requests still run after SIGTERM
        "start.ignoreTerm",  # true: only SIGKILL ends it
        "db.lost",  # true: not ready, the API answers 500
        "http.fail",  # {paths, rate, status}
        "http.latency",  # {paths, ms}
        "http.noAnswer",  # {paths}
        "auth.rejectAll",  # true: 401 to all
        "debugHostStrict",  # true: /debug answers 404 to an unknown host
    }
)
REREAD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class HttpFault:
    """What befalls one request."""

    delay_seconds: float = 0.0
    status: int | None = None
    silent: bool = False


class Faults:
    """The switches that are on. Mutable: it follows the file. ValueError at first for what cannot be read."""

    __slots__ = ("_base", "_checked", "_file", "_seen", "_values")

    def __init__(self, *, text: str = "", file: str = "") -> None:
        self._base = self._values = _parse(text)
        self._file = Path(file) if file else None
        self._seen: tuple[int, int] | None = None
        self._checked = float("-inf")
        if self._file is not None and self._file.exists():
            _parse(self._file.read_text())

    def get(self, name: str) -> Any:
        """A switch's value, or None."""
        if name not in SWITCHES:
            raise ValueError(f"no such fault switch: {name}")
        self._follow()
        return self._values.get(name)

    def seconds(self, name: str) -> float:
        """A switch's number, 0 if it is off."""
        return float(self.get(name) or 0)

    def http(self, path: str, *, draw: float) -> HttpFault:
        """What befalls a request for a path; `draw` in [0, 1) decides against the rate."""
        latency, failure, silence = (self.get(f"http.{kind}") for kind in ("latency", "fail", "noAnswer"))
        fails = failure and _covers(failure, path) and draw < float(failure.get("rate", 1))
        return HttpFault(
            delay_seconds=float(latency["ms"]) / 1000 if latency and _covers(latency, path) else 0.0,
            status=int(failure.get("status", 500)) if fails else None,
            silent=bool(silence and _covers(silence, path)),
        )

    def _follow(self) -> None:
        now = time.monotonic()
        if self._file is None or now - self._checked < REREAD_SECONDS:
            return
        self._checked = now
        try:
            state = self._file.stat()
            seen = (state.st_mtime_ns, state.st_size)
            if seen != self._seen:
                self._values = _parse(self._file.read_text())
                self._seen = seen
        except FileNotFoundError:
            self._values, self._seen = self._base, None
        except (OSError, ValueError):
            # Caught in the middle of being written: the switches stay, the next look tries again.
            return


def _parse(text: str) -> dict[str, Any]:
    values = json.loads(text) if text.strip() else {}
    if not isinstance(values, dict):
        raise ValueError("fault switches must be a JSON object")
    if unknown := sorted(set(values) - SWITCHES):
        raise ValueError(f"no such fault switch: {', '.join(unknown)}")
    return values


def _covers(switch: dict[str, Any], path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in switch["paths"])
