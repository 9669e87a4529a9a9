"""The agent beside a real HAProxy: what it changes, what it proves, what it refuses, and what it tells."""

from dataclasses import replace

import pytest

from dedicated.agents.limiter import telling
from dedicated.agents.limiter.applying import Applier
from dedicated.agents.limiter.files import Folder
from dedicated.contract import limiter_line
from dedicated.contract.limiter_report import Bounds, ClassProof, Thresholds, from_json
from dedicated.contract.rate_limits import Policy, policy_hash
from dedicated.probes.haproxy import Haproxy
from limiter.agents import agents_of, exempted, raised, shadowed
from limiter.haproxy import find, until
from limiter.http1 import burst, get, lines
from limiter.patterns import UI as PATH
from limiter.stand import standing

UI, API = ClassProof(606, 607, 2728, 60), ClassProof(3030, 3031, 9091, 60)


async def test_it_proves_what_runs_and_tells_it() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            (report,) = await agents.proven()
    assert report.proof is not None
    assert (report.proof.ui, report.proof.api, report.proof.detail) == (UI, API, "")
    assert report.thresholds == Thresholds(Bounds(606, 2727), Bounds(3030, 9090))
    assert report.policy_hash == policy_hash(Policy())
    assert (report.phase, report.message, report.haproxy) == ("Applied", "", "2.6.12")


async def test_a_raised_range_is_in_force_without_a_reload_and_proven() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            worker = stand.replicas[0].worker
            agents.want(exempted(raised(Policy(), "198.51.100.128/25", 2), "203.0.113.64/26"))
            (report,) = await agents.proven()
            assert stand.replicas[0].worker == worker
            found = stand.replicas[0].admin("get map ui_limit.map 198.51.100.200")
            exempt = stand.replicas[0].admin("get acl exempt.lst 203.0.113.100")
    assert 'value="1212"' in found
    assert "match=yes" in exempt
    assert report.proof is not None
    assert report.proof.ranges == 2


async def test_structure_is_taken_by_a_reload() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            worker = stand.replicas[0].worker
            agents.want(shadowed(Policy()))
            (report,) = await agents.proven()
            assert stand.replicas[0].worker != worker
    assert report.proof is not None
    assert report.proof.ui == UI


async def test_a_reload_right_after_the_start_forgets_no_ban() -> None:
    with standing() as stand:
        worker, files = stand.replicas[0].worker, dict(stand.files(0))
        async with lines(stand.endpoints, source=f"{stand.network}.150") as made:
            await burst(made, get(PATH), stand.rules("ui").ban + 1)
        folder = stand.replicas[0].folder
        process = Haproxy(folder / "admin.sock", folder / "master.sock")
        applier = Applier(process, Folder(folder), folder, find())
        await applier.apply(files, policy_hash=policy_hash(stand.policy), digest="any", reload=True)
        assert stand.replicas[0].worker != worker
        until(stand.linked, "the new worker has learned")
        async with lines(stand.endpoints, source=f"{stand.network}.150") as made:
            answer = await made[0].ask(get(PATH))
    assert answer.reason == "banned"


async def test_replicas_take_a_change_one_after_the_other() -> None:
    with standing(replicas=3) as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            agents.server.writes.clear()
            agents.want(raised(Policy(), "203.0.113.0/25", 3))
            await agents.proven()
            told = [(key, from_json(text)) for _, key, text in agents.server.writes]
    digest = policy_hash(stand.policy)
    seen = [(key, report.policy_hash == digest, report.proven) for key, report in told if report]
    began = [seen.index(next(one for one in seen if one[0] == key and one[1])) for key in ("r0", "r1", "r2")]
    ended = [seen.index((key, True, True)) for key in ("r0", "r1", "r2")]
    assert began[0] <= ended[0] < began[1] <= ended[1] < began[2] <= ended[2]


async def test_the_line_stops_at_a_refusal() -> None:
    with standing(replicas=2) as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            workers = [replica.worker for replica in stand.replicas]
            broken = agents.wanted(shadowed(Policy()))
            broken["r0.haproxy.cfg"] += "\nbackend broken\n    nonsense\n"
            agents.server.want(broken)
            await agents.told(0, lambda one: one.phase == "Rejected", "refused")
            waiting = await agents.told(1, lambda one: "refused" in one.message, "stopped")
            assert [replica.worker for replica in stand.replicas] == workers
    assert waiting.phase == "Waiting"
    assert waiting.policy_hash == policy_hash(Policy())


async def test_a_replica_that_is_gone_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter_line, "SILENT", 2)
    with standing(replicas=2) as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            await agents.stop(0)
            stand.replicas[0].kill()
            agents.want(raised(Policy(), "203.0.113.0/25", 3))
            waiting = await agents.told(1, lambda one: one.phase == "Waiting", "waiting")
            (report,) = await agents.proven(1)
            apart = await agents.told(1, lambda one: one.apart == 1, "the other is not heard")
    assert waiting.message == "replica 0 has not taken it yet"
    assert report.proof is not None
    assert apart.proven


async def test_a_replica_whose_haproxy_does_not_run_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter_line, "STUCK", 3)
    monkeypatch.setattr(telling, "BUSY", 0.5)
    with standing(replicas=2) as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            stand.replicas[0].kill()
            agents.want(raised(Policy(), "203.0.113.0/25", 3))
            (report,) = await agents.proven(1)
            first = agents.server.report(0)
    assert report.proof is not None
    assert first is not None
    assert first.phase == "Applying"


async def test_what_haproxy_refuses_is_told_and_the_old_serves_on() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            before = await agents.proven()
            worker = stand.replicas[0].worker
            broken = agents.wanted(raised(Policy(), "198.51.100.0/25", 2))
            broken["r0.haproxy.cfg"] += "\nbackend broken\n    nonsense\n"
            agents.server.want(broken)
            report = await agents.told(0, lambda one: one.phase == "Rejected", "refused")
            assert stand.replicas[0].worker == worker
            assert stand.serves(0)
            agents.want(Policy())
            (after,) = await agents.proven()
    assert "nonsense" in report.message
    assert (report.content, report.policy_hash) == (before[0].content, policy_hash(Policy()))
    assert report.wanted != report.content
    assert after.proof is not None


async def test_without_a_program_that_checks_the_reload_is_the_check() -> None:
    with standing() as stand:
        async with agents_of(stand) as agents:
            await agents.proven()
            await agents.stop(0)
            settings = agents.settings
            agents.settings = lambda replica: replace(settings(replica), haproxy="haproxy-that-is-not-there")  # type: ignore[method-assign]
            agents.start(0)
            broken = agents.wanted(shadowed(Policy()))
            broken["r0.haproxy.cfg"] += "\nbackend broken\n    nonsense\n"
            agents.server.want(broken)
            report = await agents.told(0, lambda one: one.phase == "Rejected", "refused")
            assert stand.serves(0)
            agents.want(Policy())
            (after,) = await agents.proven()
    assert report.message == "reload: HAProxy refuses the configuration"
    assert after.proof is not None
