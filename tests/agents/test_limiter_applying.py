"""Files into a played HAProxy: at once or by a reload, in an order that a kill cannot hurt, and back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.haproxy_played import Played, played
from dedicated.agents.limiter import applying
from dedicated.agents.limiter.applying import Applier, RejectedError, hash_in
from dedicated.agents.limiter.files import Folder
from dedicated.contract.rate_limits import Policy, policy_hash
from dedicated.parts.limiter.configuration import CONFIGURATION, HASH_VARIABLE, render
from dedicated.parts.limiter.site import Backend, Site
from dedicated.probes.haproxy import HaproxyError
from limiter.agents import exempted, raised

SITE = Site(
    name="acme",
    domain="login.example.com",
    server=Backend("10.0.0.1", 8080),
    login=Backend("10.0.0.2", 3000),
    peer_addresses=("10.0.0.3", "10.0.0.4"),
)
OLD = Policy()
NEW = exempted(raised(OLD, "198.51.100.0/25", 2), "192.0.2.0/25")
OLD_FILES, NEW_FILES = render(OLD, SITE, 0), render(NEW, SITE, 0)
OTHER_FILES = {**NEW_FILES, CONFIGURATION: NEW_FILES[CONFIGURATION] + "# another\n"}


@pytest.fixture
async def process() -> AsyncIterator[Played]:
    async with played() as made:
        for name, text in OLD_FILES.items():
            if name.endswith(".map"):
                made.maps[name] = dict(line.split(" ", 1) for line in text.splitlines())
            elif name in OLD_FILES[CONFIGURATION]:
                made.lists[name] = text.split()
        made.variables[HASH_VARIABLE] = policy_hash(OLD)
        folder = Folder(made.folder)
        folder.write(OLD_FILES)
        folder.end("old")
        yield made


def applier(process: Played, program: str = "haproxy-that-is-not-there") -> Applier:
    return Applier(process.haproxy, Folder(process.folder), process.folder, program)


async def take(applier: Applier, files: dict[str, str], policy: Policy = NEW) -> None:
    await applier.apply(files, policy_hash=policy_hash(policy), digest="new", reload=False)


async def test_maps_and_lists_change_at_once_and_the_hash_comes_last(process: Played) -> None:
    await take(applier(process), NEW_FILES)
    assert process.maps["ui_limit.map"]["198.51.100.0/25"] == "1212"
    assert process.lists["exempt.lst"] == ["192.0.2.0/25"]
    assert "reload" not in process.told
    assert "set var" in process.told[-1]
    assert Folder(process.folder).read(NEW_FILES) == NEW_FILES
    assert Folder(process.folder).mark == "new"
    assert await applier(process).differs(NEW_FILES) == ""
    assert await applier(process).differs(OLD_FILES) == "ui_limit.map"


async def test_structure_needs_a_reload_and_servers_are_remembered(process: Played) -> None:
    await take(applier(process), OTHER_FILES)
    assert "reload" in process.told
    assert "prepare map ui_limit.map" not in process.told
    assert (process.folder / "server-state").read_text() == "1\n# be_id\n"


async def test_the_hash_alone_is_no_structure(process: Played) -> None:
    assert hash_in(OLD_FILES[CONFIGURATION]) == policy_hash(OLD)
    assert hash_in("") == ""
    await take(applier(process), {**OLD_FILES, CONFIGURATION: NEW_FILES[CONFIGURATION]})
    assert "reload" not in process.told


async def test_a_reload_that_fails_puts_the_old_files_back(process: Played) -> None:
    process.breaks = 1
    with pytest.raises(RejectedError, match="refuses the configuration"):
        await take(applier(process), OTHER_FILES)
    assert process.failed == 0, "a good reload follows"
    assert process.variables[HASH_VARIABLE] == policy_hash(OLD)
    assert (Folder(process.folder).read(OLD_FILES), Folder(process.folder).mark) == (OLD_FILES, "old")


async def test_what_cannot_be_put_back_is_unknown(process: Played) -> None:
    process.breaks = 2
    with pytest.raises(HaproxyError, match="refuses the configuration"):
        await take(applier(process), OTHER_FILES)
    assert Folder(process.folder).read(OLD_FILES) == OLD_FILES
    assert Folder(process.folder).mark == "", "all of it is done again"


async def test_a_map_that_is_refused_is_put_back(process: Played) -> None:
    process.answers["add acl @7 exempt.lst 192"] = "unable to parse\n"
    with pytest.raises(RejectedError, match=r"add acl @7 exempt\.lst: unable to parse"):
        await take(applier(process), NEW_FILES)
    assert "198.51.100.0/25" not in process.maps["ui_limit.map"]
    assert process.variables[HASH_VARIABLE] == policy_hash(OLD)
    assert (Folder(process.folder).read(OLD_FILES), Folder(process.folder).mark) == (OLD_FILES, "old")


async def test_nobody_there_is_no_refusal(process: Played) -> None:
    gone = replace(applier(process), process=replace(process.haproxy, admin=Path("/nowhere.sock")))
    with pytest.raises(HaproxyError, match=r"nowhere\.sock: No such file"):
        await take(gone, NEW_FILES)
    assert Folder(process.folder).mark == "", "nothing is known: all of it is done again"


async def test_what_a_check_refuses_touches_nothing(process: Played) -> None:
    with pytest.raises(RejectedError, match="no reason is told"):
        await take(applier(process, program="false"), NEW_FILES)
    assert process.told == []
    assert (Folder(process.folder).read(OLD_FILES), Folder(process.folder).mark) == (OLD_FILES, "old")


async def test_a_process_that_still_learns_is_reloaded_when_it_has(process: Played) -> None:
    process.answers["show peers"] = "0x1: [now] id=rl disabled=0 flags=0x1 resync_timeout=4s\n"
    taking = asyncio.create_task(take(applier(process), OTHER_FILES))
    async with asyncio.timeout(5):
        while process.told.count("show peers") < 2:  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.01)
    assert process.pid == 100
    process.answers["show peers"] = "0x1: [now] id=rl disabled=0 flags=0x3 resync_timeout=<PAST>\n"
    await taking
    assert process.pid == 101


async def test_a_process_that_never_learns_is_reloaded_all_the_same(
    process: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "LEARNS_SECONDS", 0.1)
    process.answers["show peers"] = "0x1: [now] id=rl disabled=0 flags=0x1 resync_timeout=4s\n"
    await take(applier(process), OTHER_FILES)
    assert process.pid == 101
