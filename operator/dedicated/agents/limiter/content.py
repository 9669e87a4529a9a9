"""What is wanted: the files of one replica and the policy behind them, out of a ConfigMap's data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dedicated.api.json import JsonValue, get_int, get_list, get_map, get_str
from dedicated.contract.limiter_report import Bounds, Thresholds
from dedicated.parts.limiter.configuration import CONFIGURATION, content_digest
from dedicated.parts.limiter.maps import LISTS, MAPS
from dedicated.parts.limiter.names import HASH_KEY, POLICY_FILE, file_key


class ContentError(Exception):
    """The ConfigMap is not one that can be followed; the text says why."""


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses that have thresholds of their own, or none: exempt."""

    text: str
    exempt: bool
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Told:
    """The policy, as far as a proof asks for it."""

    hash: str
    thresholds: Thresholds
    ban_seconds: int
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What one replica is to run; `digest` is of its files, `before` of those of the replica before it."""

    digest: str
    before: str
    files: Mapping[str, str]
    policy: Told


def content_of(data: Mapping[str, str], *, replica: int) -> Content:
    """The content for a replica. Raises ContentError."""
    needed = (file_key(replica, CONFIGURATION), *MAPS, *LISTS, POLICY_FILE, HASH_KEY)
    if missing := [key for key in needed if key not in data]:
        raise ContentError(f"the ConfigMap has no key {missing[0]}")
    own, before = _files(data, replica), _files(data, max(0, replica - 1))
    policy = _told(data[POLICY_FILE], data[HASH_KEY])
    return Content(content_digest(own), content_digest(before), own, policy)


def _files(data: Mapping[str, str], replica: int) -> dict[str, str]:
    """Name -> text of a replica's files."""
    shared = {name: data[name] for name in (*MAPS, *LISTS)}
    return {CONFIGURATION: data.get(file_key(replica, CONFIGURATION), ""), **shared}


def _told(text: str, digest: str) -> Told:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        raise ContentError(f"{POLICY_FILE} is no JSON") from None
    thresholds = _thresholds(value)
    if min(thresholds.ui.limit, thresholds.ui.ban, thresholds.api.limit, thresholds.api.ban) < 1:
        raise ContentError(f"{POLICY_FILE} tells no thresholds")
    ranges = tuple(_range(entry) for entry in get_list(value, "entries"))
    return Told(digest, thresholds, get_int(value, "banSeconds"), ranges)


def _range(value: JsonValue) -> Range:
    return Range(get_str(value, "range"), get_map(value).get("exempt") is True, _thresholds(value))


def _thresholds(value: JsonValue) -> Thresholds:
    ui, api = (Bounds(get_int(value, kind, "limit"), get_int(value, kind, "ban")) for kind in ("ui", "api"))
    return Thresholds(ui, api)
