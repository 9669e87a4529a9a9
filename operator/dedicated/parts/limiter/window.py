"""The rules that count a class: exact windows of a limit and of a ban, by marks.

HAProxy's rates are approximations of two buckets: they refuse a client that bursts its minute's budget at
0 s and again at 61 s, which is below the guarantee. So requests are numbered, per client, from 0: n is the
sum of what every replica counted. Requests are let through in groups of G, one hundredth of the limit, and
the last of a group leave a mark that lives as long as the window. Request n is refused if n >= limit and the
mark of request n - limit is alive: that request, or one at most G - 1 later, was let through within the
window. So no more than the limit (with its tolerance of 1 %) pass in any window, and never fewer than the
published limit. A ban is the same over offered requests.

- The last K of a group mark it, since replicas that count at once may each miss some numbers.
- A mark's key is the client's address with the group's number in it. Groups are numbered modulo 1000; at
  most about 200 live at once.
- Counters are written by `src_inc_gpc0` on a changed source, never tracked: an open stream would hold them.
- A replica that is not asked for a minute would forget its share of n, and the numbers would start over
  below the marks. So, by a die, a request is counted in the share of a replica that is about to forget it.
- A policy's thresholds stand in the rules only as what nobody is below: a client that has not reached these
  needs no look into the maps.
"""

from dedicated.contract.rate_limits import TOLERANCE_PERCENT, Kind, Threshold
from dedicated.parts.limiter import tables
from dedicated.parts.limiter.maps import API_BAN, API_LIMIT, UI_BAN, UI_LIMIT

DIE = 16
"""Sides of the die thrown for each request: 0 keeps counters, 1 is logged."""
KEEP, LOGGED = 0, 1
FORGOTTEN_SOON = 30_000
"""Milliseconds: a counter with less left is kept."""
NEVER = 90_000
GROUPS = 1000
PARTS = 100 + TOLERANCE_PERCENT
IS_BANNED = "{ var(txn.ban) -m found }"
IS_OVER = "{ var(txn.wait) -m found }"
IS_IPV6 = "{ var(txn.v6) -m found }"


def group(threshold: int) -> int:
    """Requests of one mark."""
    return max(1, threshold // PARTS)


def marking(size: int, replicas: int) -> int:
    """How many requests at the end of a group mark it."""
    return 1 if replicas == 1 else min(size, 2 * replicas)


def limit_map(kind: Kind) -> str:
    """The file of limits of a class."""
    return UI_LIMIT if kind == "ui" else API_LIMIT


def ban_map(kind: Kind) -> str:
    """The file of bans of a class."""
    return UI_BAN if kind == "ui" else API_BAN


def counting(kind: Kind, floor: Threshold, *, replica: int, replicas: int) -> list[str]:
    """Count a request. Afterwards `txn.ban` or `txn.wait` are the milliseconds of its refusal.

    `txn.k` is the client's key, and the source; a client without a key is exempt.
    """
    others = [other for other in range(replicas) if other != replica]
    return [
        f"http-request set-var(txn.ban) var(txn.k),table_expire({tables.banned(kind)})",
        *_offered(kind, replica, others),
        *_ban(kind, floor.ban),
        *_mark_offered(kind, floor.ban, replicas),
        *_numbered(kind, replica, others),
        *_limit(kind, floor.limit),
        *_admitted(kind, replica),
        *_mark_admitted(kind, floor.limit, replicas),
        *_write("mj", tables.ban_marks(kind)),
        *_write("wj", tables.marks(kind)),
    ]


def _offered(kind: Kind, replica: int, others: list[int]) -> list[str]:
    own = tables.offered(kind, replica)
    counts = f"{{ var(txn.k) -m found }} !{IS_BANNED}"
    return [
        *_keep("offkept", [tables.offered(kind, other) for other in others], counts),
        f"http-request set-var(txn.o) src_inc_gpc0({own}) if {counts}{_unless('offkept', others)}",
        *(
            [f"http-request set-var(txn.o) var(txn.k),table_gpc0({own}) if {{ var(txn.offkept) -m found }}"]
            if others
            else []
        ),
        *(
            f"http-request set-var(txn.o) var(txn.k),table_gpc0({tables.offered(kind, other)}),add(txn.o)"
            for other in others
        ),
    ]


def _keep(name: str, others: list[str], counts: str) -> list[str]:
    """Count in another replica's share, if that is about to be forgotten."""
    return [
        f"http-request set-var(txn.{name}) src_inc_gpc0({table}) if {{ var(txn.die) -m int {KEEP} }} {counts}"
        f" !{{ var(txn.{name}) -m found }} {{ var(txn.k),table_expire({table},{NEVER}) lt {FORGOTTEN_SOON} }}"
        for table in others
    ]


def _unless(name: str, others: list[int]) -> str:
    return f" !{{ var(txn.{name}) -m found }}" if others else ""


def _ban(kind: Kind, floor: int) -> list[str]:
    table = tables.banned(kind)
    return [
        *_look_back("b", number="var(txn.o),sub(1)", map_=ban_map(kind), floor=floor),
        *_alive("trip", "bj", tables.ban_marks(kind)),
        f"http-request set-var(txn.x) src_inc_gpc0({table}) if {{ var(txn.trip) -m found }}",
        "http-request set-var(txn.ban) int(60000) if { var(txn.trip) -m found }",
    ]


def _limit(kind: Kind, floor: int) -> list[str]:
    return [
        *_look_back("l", number="var(txn.n)", map_=limit_map(kind), floor=floor),
        *_alive("wait", "lj", tables.marks(kind)),
    ]


def _look_back(name: str, *, number: str, map_: str, floor: int) -> list[str]:
    """`txn.<name>j`: the group of the request that a threshold's count is before this one."""
    found = f"{{ var(txn.{name}t) -m found }}"
    return [
        f"http-request set-var(txn.{name}t) var(txn.real),map_ip_int({map_},{floor}) if {{ {number} -m int ge {floor} }}",
        f"http-request set-var(txn.{name}g) var(txn.{name}t),div({floor}),mul({group(floor)}) if {found}",
        f"http-request set-var(txn.{name}j) {number},sub(txn.{name}t),div(txn.{name}g),mod({GROUPS})"
        f" if {found} {{ {number},sub(txn.{name}t) ge 0 }}",
    ]


def _alive(name: str, mark: str, table: str) -> list[str]:
    """`txn.<name>`: the milliseconds that a mark has left."""
    found = f"{{ var(txn.{mark}) -m found }}"
    return [
        f"http-request set-var(txn.{name}) {_ipv4_key(mark)},table_expire({table}) if {found} !{IS_IPV6}",
        f"http-request set-var(txn.{name}) {_ipv6_key(mark)},table_expire({table}) if {found} {IS_IPV6}",
    ]


def _ipv4_key(mark: str) -> str:
    return f"str(::),concat(,txn.{mark},:),concat(,txn.k)"


def _ipv6_key(mark: str) -> str:
    """The text of a prefix ends with `::`."""
    return f"var(txn.k),concat(,txn.{mark})"


def _mark_offered(kind: Kind, floor: int, replicas: int) -> list[str]:
    return _ends_group("m", "var(txn.o),sub(1)", ban_map(kind), floor=floor, replicas=replicas)


def _numbered(kind: Kind, replica: int, others: list[int]) -> list[str]:
    """`txn.r`: what the other replicas let through; `txn.n`: the number of this request."""
    first, *more = others or [replica]
    rest = [
        f"http-request set-var(txn.r) var(txn.k),table_gpc0({tables.admitted(kind, first)})",
        *(
            f"http-request set-var(txn.r) var(txn.k),table_gpc0({tables.admitted(kind, other)}),add(txn.r)"
            for other in more
        ),
    ]
    own = f"var(txn.k),table_gpc0({tables.admitted(kind, replica)})"
    return [
        *(rest if others else []),
        f"http-request set-var(txn.n) {own}{',add(txn.r)' if others else ''}"
        f" if {{ var(txn.o) -m found }} !{IS_BANNED}",
    ]


def _admitted(kind: Kind, replica: int) -> list[str]:
    """`txn.i`: the number of this request among those that this replica let through, from 1."""
    own = tables.admitted(kind, replica)
    return [f"http-request set-var(txn.i) src_inc_gpc0({own}) if {{ var(txn.n) -m found }} !{IS_OVER}"]


def _mark_admitted(kind: Kind, floor: int, replicas: int) -> list[str]:
    number = f"var(txn.i){',add(txn.r)' if replicas > 1 else ''},sub(1)"
    return _ends_group("w", number, limit_map(kind), floor=floor, replicas=replicas)


def _ends_group(name: str, number: str, map_: str, *, floor: int, replicas: int) -> list[str]:
    """`txn.<name>j`: the group that this request is to mark, being of the last in it.

    A raised threshold's group is a multiple of the floor's, and ends with one.
    """
    size = group(floor)
    last = marking(size, replicas)
    ends = f"{{ {number},mod({size}) ge {size - last} }}"
    raised = f"{{ {number},mod(txn.{name}g),add({last}),div(txn.{name}g) gt 0 }}"
    return [
        f"http-request set-var(txn.{name}g) var(txn.real),map_ip_int({map_},{floor}),div({floor}),mul({size})"
        f" if {ends}",
        f"http-request set-var(txn.{name}j) {number},div(txn.{name}g),mod({GROUPS})"
        f" if {{ var(txn.{name}g) -m found }} {raised}",
    ]


def _write(mark: str, table: str) -> list[str]:
    found = f"{{ var(txn.{mark}) -m found }}"
    return [
        f"http-request set-src {_ipv4_key(mark)} if {found} !{IS_IPV6}",
        f"http-request set-src {_ipv6_key(mark)} if {found} {IS_IPV6}",
        f"http-request set-var(txn.x) src_inc_gpc0({table}) if {found}",
    ]
