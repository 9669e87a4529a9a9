"""HAProxy behind played sockets: what it is told, in what order, and what its answers come to."""

import pytest

from agents.haproxy_played import played
from dedicated.probes.haproxy import CHUNK, Haproxy, HaproxyError, Process, Row, Table

TABLES = """# table: rl/ban_ui, type: ipv6, size:65536, used:2
# table: refused, type: string, size:64, used:1
"""
STAT = """# pxname,svname,req_tot,hrsp_5xx,
edge,FRONTEND,9,1,
ui,ui1,,0,
ui,BACKEND,7,2,
"""
PEERS = """0x1: [29/Nov/2026:00:04:03] id=rl disabled=0
  0x2: id=acme-limiter-1(remote,active) addr=10.0.0.1:7000 last_status=ESTA last_hdshk=1s
  0x3: id=acme-limiter-2(remote,active) addr=10.0.0.2:7000 last_status=CONN last_hdshk=1s
  0x4: id=acme-limiter-0(local,inactive) addr=127.0.0.1:7000 last_status=NONE
"""

NEWER_PEERS = """0x1: [29/Nov/2026:00:04:03] id=rl disabled=0 flags=0x6 resync_timeout=<PAST> task_calls=9
  0x2: id=acme-limiter-1(remote,active) addr=10.0.0.1:7000 app_state=RUNNING learn_state=NONE last_status=ESTA last_hdshk=1s
        reconnect=4s heartbeat=2s confirm=0 tx_hbt=5 rx_hbt=5 no_hbt=0 new_conn=1 proto_err=0 coll=0
  0x3: id=acme-limiter-2(remote,inactive) addr=10.0.0.2:7000 app_state=STOPPED learn_state=NONE last_status=CONN last_hdshk=1s
  0x4: id=acme-limiter-0(local,inactive) addr=127.0.0.1:7000 app_state=STOPPED learn_state=NONE last_status=NONE
"""  # noqa: E501 - as HAProxy 3.2 writes it


async def test_a_map_is_exchanged_in_one_step() -> None:
    async with played() as process:
        process.maps["m"] = {"0.0.0.0/0": "1"}
        entries = [(f"10.0.{number}.0/24", "5") for number in range(CHUNK + 1)]
        await process.haproxy.exchange_map("m", entries)
        assert process.maps["m"] == dict(entries)
        assert [command.split("\n")[0] for command in process.told] == [
            "prepare map m",
            "add map @7 m <<",
            "add map @7 m <<",
            "commit map @7 m",
        ]
        assert all(len(command) < 16_000 for command in process.told)


async def test_a_list_is_exchanged_in_one_step_and_may_become_empty() -> None:
    async with played() as process:
        process.lists["l"] = ["10.0.0.0/8"]
        await process.haproxy.exchange_list("l", ["192.0.2.0/25", "2001:db8::/32"])
        assert process.lists["l"] == ["192.0.2.0/25", "2001:db8::/32"]
        assert await process.haproxy.entries("acl", "l") == ("192.0.2.0/25", "2001:db8::/32")
        await process.haproxy.exchange_list("l", [])
        assert process.lists["l"] == []


async def test_a_refusal_is_told_and_nothing_is_committed() -> None:
    async with played() as process:
        process.maps["m"] = {"0.0.0.0/0": "1"}
        process.answers["add map"] = "unable to parse 'x'.\n"
        with pytest.raises(HaproxyError, match=r"add map @7 m: unable to parse 'x'\."):
            await process.haproxy.exchange_map("m", [("0.0.0.0/0", "x")])
        assert process.maps["m"] == {"0.0.0.0/0": "1"}
        with pytest.raises(HaproxyError, match="prepare map n: Unknown map identifier"):
            await process.haproxy.exchange_map("n", [])


async def test_figures_are_numbers() -> None:
    async with played() as process:
        process.answers |= {"show table": TABLES, "show stat": STAT, "show peers": PEERS}
        assert await process.haproxy.tables() == {"ban_ui": Table(2, 65536), "refused": Table(1, 64)}
        assert await process.haproxy.rows() == {"edge": Row(9, 1), "ui": Row(7, 2)}
        assert await process.haproxy.unheard() == 1
        assert await process.haproxy.process() == Process("2.6.12", 100, 5)


@pytest.mark.parametrize("told", [PEERS, NEWER_PEERS])
async def test_replicas_that_are_apart_are_counted_whatever_the_version(told: str) -> None:
    async with played() as process:
        process.answers["show peers"] = told
        assert await process.haproxy.unheard() == 1


async def test_a_replica_whose_connection_ended_is_apart_whatever_the_last_status() -> None:
    async with played() as process:
        process.answers["show peers"] = PEERS.replace("1(remote,active)", "1(remote,inactive)")
        assert await process.haproxy.unheard() == 2


@pytest.mark.parametrize(
    ("flags", "learned"), [("0x0", False), ("0x1", False), ("0x6", False), ("0x3", True), ("0x200003", True)]
)
async def test_what_has_learned_of_all_is_known(flags: str, learned: bool) -> None:
    async with played() as process:
        process.answers["show peers"] = NEWER_PEERS.replace("flags=0x6", f"flags={flags}")
        assert await process.haproxy.learned() is learned


async def test_only_tables_of_paths_are_dumped() -> None:
    async with played() as process:
        process.answers["show table toppaths"] = (
            "# table: toppaths, type: string, size:1024, used:1\n"
            "0x1: key=/ui/console use=0 exp=3599 http_req_cnt=4 http_req_rate(60000)=4\n"
        )
        process.answers["show table"] = TABLES
        assert await process.haproxy.paths("toppaths") == {"/ui/console": 4}
        await process.haproxy.tables()
        assert process.told == ["show table toppaths", "show table"]


async def test_a_reload_is_done_when_a_new_worker_answers() -> None:
    async with played() as process:
        await process.haproxy.reload()
        assert process.pid == 101
        process.breaks = 1
        with pytest.raises(HaproxyError, match="refuses the configuration"):
            await process.haproxy.reload()


async def test_a_variable_is_set_and_read() -> None:
    async with played() as process:
        await process.haproxy.set_variable("proc.policy_hash", "abc")
        assert await process.haproxy.variable("proc.policy_hash") == "abc"
        assert await process.haproxy.variable("proc.other") == ""


async def test_nobody_there_is_told_by_the_socket() -> None:
    async with played() as process:
        gone = Haproxy(process.folder / "none.sock", process.folder / "none.sock")
        with pytest.raises(HaproxyError, match=r"none\.sock: No such file or directory"):
            await gone.process()
