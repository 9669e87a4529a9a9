"""Figures of the last minute over a worker's end, and paths that tell of nobody."""

import pytest

from agents.haproxy_played import Played, played
from dedicated.agents.limiter.observing import Observer, plain_path, top_paths
from dedicated.contract.limiter_report import Counts, Refused, TopPath

TABLES = """# table: rl/adm_ui_r1, type: ipv6, size:131072, used:40
# table: rl/off_ui_r1, type: ipv6, size:131072, used:41
# table: rl/adm_ui_r0, type: ipv6, size:131072, used:99
# table: rl/off_api_r1, type: ipv6, size:131072, used:7
# table: rl/mark_ui, type: ipv6, size:262144, used:900
# table: rl/ban_ui, type: ipv6, size:32768, used:2
# table: rl/ban_api, type: ipv6, size:32768, used:1
"""


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def counted(process: Played, *, ui: int, login: int, api: int, refused: int) -> None:
    process.answers |= {
        "show stat": "# pxname,svname,req_tot,hrsp_5xx,\n"
        f"ui,BACKEND,{ui},0,\nlogin,BACKEND,{login},1,\napi,BACKEND,{api},2,\nprobe_ui,BACKEND,2728,0,\n",
        "show table refused": f"0x1: key=ui_limited use=0 exp=1 http_req_cnt={refused} x=0\n",
        "show table toppaths": "0x1: key=/ui/console use=0 exp=1 http_req_cnt=3 http_req_rate(60000)=3\n",
        "show table": TABLES,
        "show peers": "",
    }


async def test_what_is_told_is_of_the_last_minute() -> None:
    time = Time()
    async with played() as process:
        observer = Observer(process.haproxy, replica=1, monotonic=time)
        counted(process, ui=1000, login=10, api=500, refused=5)
        first = await observer.look()
        assert first.minute.requests == Counts(0, 0), "what was there before this process is not of a minute"
        time.now = 10
        counted(process, ui=1100, login=15, api=520, refused=9)
        found = await observer.look()
        assert (found.minute.requests, found.minute.refused) == (Counts(105, 20), Refused(4, 0, 0, 0))
        assert (found.bans, found.tracked, found.room) == (Counts(2, 1), Counts(41, 7), 131_072)
        assert found.top_paths == (TopPath("/ui/console", 3),)
        time.now = 70
        counted(process, ui=1101, login=15, api=520, refused=9)
        found = await observer.look()
        assert (found.minute.requests, found.ever.requests) == (Counts(1, 0), Counts(106, 20))


@pytest.mark.parametrize(("pid", "uptime"), [(101, 12), (100, 2)])
async def test_a_new_worker_counts_from_0_even_if_it_has_the_number_of_the_old(pid: int, uptime: int) -> None:
    time = Time()
    async with played() as process:
        observer = Observer(process.haproxy, replica=0, monotonic=time)
        counted(process, ui=1000, login=0, api=0, refused=0)
        await observer.look()
        process.pid, process.uptime = pid, uptime
        time.now = 10
        counted(process, ui=30, login=0, api=0, refused=2)
        found = await observer.look()
    assert (found.minute.requests.ui, found.minute.refused.ui_limited) == (30, 2)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/ui/console", "/ui/console"),
        ("/ui/console/users/12", "/ui/console"),
        ("/zitadel.user.v2.UserService/ListUsers", "/zitadel.user.v2.UserService/ListUsers"),
        ("/v2/users", "/v2/users"),
        ("/oauth/v2", "/oauth/v2"),
        ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/users/203.0.113.7", "/users/*"),
        ("/users/2001:db8::1", "/users/*"),
        ("/users/alice@example.com", "/users/*"),
        ("/users/123456789", "/users/*"),
        ("/", "/"),
        ("/a?b=c", "/a"),
    ],
)
def test_a_path_tells_of_nobody(path: str, plain: str) -> None:
    assert plain_path(path) == plain


def test_the_most_refused_come_first_and_alike_are_one() -> None:
    found = top_paths({"/users/1": 2, "/users/2": 3, "/ui/console": 4})
    assert found == (TopPath("/users/*", 5), TopPath("/ui/console", 4))
