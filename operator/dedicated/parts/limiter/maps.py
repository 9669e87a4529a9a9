"""Files that the agent changes in the running process: thresholds by range, and lists of ranges.

The longest prefix wins. Two entries of every map hold for everybody else.
"""

from collections.abc import Callable, Iterable

from dedicated.contract.rate_limits import Entry, Policy, Threshold
from dedicated.parts.limiter.site import NEAR, Site

EVERYBODY = ("0.0.0.0/0", "::/0")
UI_LIMIT, UI_BAN = "ui_limit.map", "ui_ban.map"
API_LIMIT, API_BAN = "api_limit.map", "api_ban.map"
EXEMPT, TRUSTED, NEARBY = "exempt.lst", "trusted.lst", "near.lst"
MAPS = (UI_LIMIT, UI_BAN, API_LIMIT, API_BAN)
LISTS = (EXEMPT, TRUSTED, NEARBY)


def run_time_files(policy: Policy, site: Site) -> dict[str, str]:
    """Name -> text, the same for every replica."""
    trusted = site.client_address.trusted
    return {
        UI_LIMIT: _map(policy, lambda source: source.ui.limit),
        UI_BAN: _map(policy, lambda source: source.ui.ban),
        API_LIMIT: _map(policy, lambda source: source.api.limit),
        API_BAN: _map(policy, lambda source: source.api.ban),
        EXEMPT: _lines(entry.range for entry in policy.entries if entry.exempt),
        TRUSTED: _lines(trusted),
        NEARBY: _lines((*trusted, NEAR)),
    }


def _map(policy: Policy, figure: Callable[[Policy | Entry], int]) -> str:
    everybody = ((range_, figure(policy)) for range_ in EVERYBODY)
    raised = ((entry.range, figure(entry)) for entry in policy.entries if not entry.exempt)
    return _lines(f"{range_} {count}" for range_, count in (*everybody, *raised))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def thresholds(policy: Policy, kind: str) -> Threshold:
    """Of everybody who has no entry."""
    return policy.ui if kind == "ui" else policy.api
