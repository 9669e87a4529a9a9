"""What a refused client is told: 429, with the seconds until it is worth asking again.

One answer serves HTTP and gRPC: clients of gRPC see RESOURCE_EXHAUSTED. An answer without a body loses its
content type, which gRPC needs; it is set afterwards.
"""

from dedicated.contract.rate_limits import TOLERANCE_PERCENT, WINDOW, Kind
from dedicated.parts.limiter.rules import answer, found, put
from dedicated.parts.limiter.tables import REFUSED, TOP_PATHS
from dedicated.parts.limiter.window import IS_BANNED, IS_OVER, limit_map

IS_REFUSED = found("retry")
IS_GRPC = found("grpc")
JSON = "content-type application/json"
WAIT = "hdr retry-after %[var(txn.retry)]"
NO_STORE = "hdr cache-control no-store"
CORS = "hdr access-control-allow-origin * hdr access-control-expose-headers retry-after"
POLICY = "hdr x-policy %[var(proc.policy_hash)]"


def refusing() -> list[str]:
    """`txn.retry`: whole seconds; `txn.reason`."""
    return [
        put("retry", "var(txn.wait),add(999),div(1000)", IS_OVER),
        put("reason", "str(limited)", IS_OVER),
        put("retry", "var(txn.ban),add(999),div(1000)", IS_BANNED),
        put("reason", "str(banned)", IS_BANNED),
    ]


def counted(kind: Kind) -> list[str]:
    """Refusals by class and reason, and by path."""
    return [
        f"http-request track-sc0 str({kind}_),concat(,txn.reason) table {REFUSED} if {IS_REFUSED}",
        f"http-request track-sc1 path,word(1,/,2) table {TOP_PATHS} if {IS_REFUSED}",
    ]


def answers(kind: Kind, floor: int) -> list[str]:
    """The answer to a client."""
    content_type = "req.hdr(content-type) -m beg application/grpc"
    pushback = "hdr grpc-retry-pushback-ms %[var(txn.retry),mul(1000)]"
    published = f"map_ip_int({limit_map(kind)},{floor}),mul(100),div({100 + TOLERANCE_PERCENT})"
    quota = f"hdr ratelimit-policy '\"{kind}\";q=%[var(txn.real),{published}];w={WINDOW}'"
    body = f'{{"code":8,"message":"rate limit exceeded",{_fields(kind)}}}'
    grpc = f'hdr grpc-status 8 hdr grpc-message "rate limit exceeded" {pushback}'
    return [
        put("grpc", "bool(true)", f"{IS_REFUSED} {{ {content_type} }} !{{ {content_type}-web }}"),
        f"http-after-response set-header content-type application/grpc if {IS_GRPC}",
        answer(f"429 {grpc} {WAIT} {NO_STORE}", IS_GRPC),
        answer(f"429 {JSON} {WAIT} {NO_STORE} {quota} {CORS} lf-string '{body}'", IS_REFUSED),
    ]


def probe_answers(kind: Kind) -> list[str]:
    """The answer to the agent, which asks in the name of a reserved address: nothing reaches the server."""
    body = f'{{"code":8,{_fields(kind)}}}'
    return [
        answer(f"429 {JSON} {WAIT} {POLICY} lf-string '{body}'", IS_REFUSED),
        answer(f"204 {POLICY}"),
    ]


def _fields(kind: Kind) -> str:
    return f'"reason":"%[var(txn.reason)]","class":"{kind}","retryAfterSeconds":%[var(txn.retry)]'
