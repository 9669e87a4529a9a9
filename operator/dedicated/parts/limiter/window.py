"""The rules that count a class (RL-2): exact windows of a limit and of a ban, by marks.

HAProxy's rates are approximations of two buckets: they refuse a client that bursts its minute's budget at
0 s and again at 61 s, which is below the guarantee. So requests are numbered, per client, from 0: n is the
sum of what every replica counted. Requests are let through in groups of G, one hundredth of the limit, and
the first of a group leaves a mark that lives as long as the window. Request n is refused if n >= limit and
the mark of request n - limit is alive: that request was let through within the window. So nobody is refused
below the limit, and at most G - 1 pass above it, less than 1 %. A ban is the same over offered requests.

- Any request of a group marks it where it sees no mark yet, since replicas that count at once each miss some
  numbers: a group without a mark lets so many more through. Of a ban only the first do, and renew it: its
  marks outlive a clean slate, after which numbers start over.
- The very first of a group does not: a client of one request leaves no mark.
- A mark's key is the client's address with the group's number in it. Groups are numbered modulo 1000; at
  most about 200 live at once.
- Counters are written by `src_inc_gpc0` on a changed source, never tracked: an open stream would hold them.
- A share of n that is forgotten while its client goes on through another replica sets n back behind its
  marks: a second budget. So shares of what was let through live for about an hour. Of what was offered, which
  has to end with a ban, a request is counted by a die in the share of a replica that was not asked for a
  while. That writes over what the other counts at that moment: a ban comes a little later, nobody is refused.
- A policy's thresholds stand in the rules only as what nobody is below: a client that has not reached these
  is not held against the maps.
"""

from dedicated.contract.rate_limits import BAN, TOLERANCE_PERCENT, Kind, Threshold
from dedicated.parts.limiter import tables
from dedicated.parts.limiter.maps import API_BAN, API_LIMIT, UI_BAN, UI_LIMIT
from dedicated.parts.limiter.rules import found, put, source

DIE = 256
"""Sides of the die that is thrown for each request."""
KEEP_OFFERED, LOGGED = "252:255", "0:15"
"""What it has to show."""
OFFERED_SOON = 30_000
"""Milliseconds: a share with less left is kept."""
NEVER = 900_000
GROUPS = 1000
PARTS = 100 + TOLERANCE_PERCENT
IS_BANNED = found("ban")
IS_OVER = found("wait")
IS_IPV6 = found("v6")


def group(threshold: int) -> int:
    """Requests of one mark."""
    return max(1, threshold // PARTS)


def marking(size: int, replicas: int) -> int:
    """How many of a ban's group mark it: a group without a mark delays a ban by so many requests."""
    return min(size, 4 * replicas)


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
    markers = marking(group(floor.ban), replicas)
    return [
        put("ban", f"var(txn.k),table_expire({tables.banned(kind)})"),
        _over("ban"),
        *_offered(kind, replica, others),
        *_ban(kind, floor.ban),
        *_marked("m", "var(txn.o),sub(1)", ban_map(kind), floor=floor.ban, markers=markers),
        *_numbered(kind, replica, others),
        *_look_back("l", number="var(txn.n)", map_=limit_map(kind), floor=floor.limit),
        *_alive("wait", "lj", tables.marks(kind)),
        *_admitted(kind, replica),
        *_marked("w", _number(others), limit_map(kind), floor=floor.limit),
        *_write("mj", tables.ban_marks(kind)),
        *_write("wj", tables.marks(kind), once=True),
    ]


def _offered(kind: Kind, replica: int, others: list[int]) -> list[str]:
    """`txn.o`: how many requests the client has offered, with this one."""
    own = tables.offered(kind, replica)
    theirs = [tables.offered(kind, other) for other in others]
    counts = f"{found('k')} !{IS_BANNED}"
    return [
        *_keep("okept", theirs, counts, shows=KEEP_OFFERED, soon=OFFERED_SOON),
        put("o", f"src_inc_gpc0({own})", f"{counts} !{found('okept')}" if others else counts),
        *([put("o", f"var(txn.k),table_gpc0({own})", found("okept"))] if others else []),
        *(put("o", f"var(txn.k),table_gpc0({table}),add(txn.o)") for table in theirs),
    ]


def _keep(name: str, others: list[str], counts: str, *, shows: str, soon: int) -> list[str]:
    """Count in another replica's share, if that would be forgotten."""
    when = f"{{ var(txn.die) -m int {shows} }} {counts} !{found(name)}"
    return [
        put(name, f"src_inc_gpc0({table})", f"{when} {{ {expiry} lt {soon} }}")
        for table in others
        for expiry in [f"var(txn.k),table_expire({table},{NEVER})"]
    ]


def _ban(kind: Kind, floor: int) -> list[str]:
    """Ban the client, from this request on."""
    return [
        *_look_back("b", number="var(txn.o),sub(1)", map_=ban_map(kind), floor=floor),
        *_alive("trip", "bj", tables.ban_marks(kind)),
        put("x", f"src_inc_gpc0({tables.banned(kind)})", found("trip")),
        put("ban", f"int({BAN * 1000})", found("trip")),
    ]


def _look_back(name: str, *, number: str, map_: str, floor: int) -> list[str]:
    """`txn.<name>j`: the group of the request that a threshold's count is before this one."""
    threshold, size, mark = f"{name}t", f"{name}g", f"{name}j"
    before = f"{number},sub(txn.{threshold})"
    return [
        put(threshold, f"var(txn.real),map_ip_int({map_},{floor})", f"{{ {number} -m int ge {floor} }}"),
        put(size, f"var(txn.{threshold}),div({floor}),mul({group(floor)})", found(threshold)),
        put(mark, f"{before},div(txn.{size}),mod({GROUPS})", f"{found(threshold)} {{ {before} ge 0 }}"),
    ]


def _alive(name: str, mark: str, table: str) -> list[str]:
    """`txn.<name>`: the milliseconds that a mark has left."""
    return [
        put(name, f"{_ipv4_key(mark)},table_expire({table})", f"{found(mark)} !{IS_IPV6}"),
        put(name, f"{_ipv6_key(mark)},table_expire({table})", f"{found(mark)} {IS_IPV6}"),
        _over(name),
    ]


def _over(name: str) -> str:
    """An entry whose time is over is still found until HAProxy, when it is busy, gets to sweep the table."""
    return f"http-request unset-var(txn.{name}) if {{ var(txn.{name}) -m int 0 }}"


def _ipv4_key(mark: str) -> str:
    return f"str(::),concat(,txn.{mark},:),concat(,txn.k)"


def _ipv6_key(mark: str) -> str:
    """The text of a prefix ends with `::`."""
    return f"var(txn.k),concat(,txn.{mark})"


def _numbered(kind: Kind, replica: int, others: list[int]) -> list[str]:
    """`txn.r`: what the other replicas let through; `txn.n`: the number of this request."""
    sums = [f"var(txn.k),table_gpc0({tables.admitted(kind, other)})" for other in others]
    own = f"var(txn.k),table_gpc0({tables.admitted(kind, replica)})"
    counts = f"{found('o')} !{IS_BANNED}"
    return [
        *(put("r", f"{share},add(txn.r)" if at else share) for at, share in enumerate(sums)),
        put("n", f"{own},add(txn.r)" if others else own, counts),
    ]


def _admitted(kind: Kind, replica: int) -> list[str]:
    """`txn.i`: how many requests this replica let through, with this one."""
    return [put("i", f"src_inc_gpc0({tables.admitted(kind, replica)})", f"{found('n')} !{IS_OVER}")]


def _number(others: list[int]) -> str:
    """The request's number, as counted: no two of a replica have the same."""
    return f"var(txn.i){',add(txn.r)' if others else ''},sub(1)"


def _marked(name: str, number: str, map_: str, *, floor: int, markers: int | None = None) -> list[str]:
    """`txn.<name>j`: the group that this request is to mark: one of the first, but not the very first.

    A raised threshold's group is a multiple of the floor's, and begins with one.
    """
    size, mark = f"{name}g", f"{name}j"
    floor_size = group(floor)
    first = 1 if floor_size > 1 else 0
    last = floor_size - 1 if markers is None else min(first + markers, floor_size) - 1
    raised = f"var(txn.real),map_ip_int({map_},{floor}),div({floor}),mul({floor_size})"
    within = "" if markers is None else f" {{ {number},mod(txn.{size}) le {last} }}"
    return [
        put(size, raised, f"{{ {number},mod({floor_size}) -m int {first}:{last} }}"),
        put(mark, f"{number},div(txn.{size}),mod({GROUPS})", f"{found(size)}{within}"),
    ]


def _write(mark: str, table: str, *, once: bool = False) -> list[str]:
    """Write a mark; `once`: where there is none yet."""
    ipv4 = f"{found(mark)} !{IS_IPV6}"
    ipv6 = f"{found(mark)} {IS_IPV6}"
    if once:
        ipv4 = f"{ipv4} !{{ {_ipv4_key(mark)},in_table({table}) }}"
        ipv6 = f"{ipv6} !{{ {_ipv6_key(mark)},in_table({table}) }}"
    written = f"{mark}w"
    return [
        put(written, _ipv4_key(mark), ipv4),
        put(written, _ipv6_key(mark), ipv6),
        source(f"var(txn.{written})", found(written)),
        put("x", f"src_inc_gpc0({table})", found(written)),
    ]
