"""What a refused client is told: 429, with the seconds until it is worth asking again.

One answer serves HTTP and gRPC: clients of gRPC see RESOURCE_EXHAUSTED. An answer without a body loses its
content type, which gRPC needs; it is set afterwards.
"""

from dedicated.contract.rate_limits import TOLERANCE_PERCENT, WINDOW, Kind
from dedicated.parts.limiter.tables import REFUSED, TOP_PATHS
from dedicated.parts.limiter.window import IS_BANNED, IS_OVER, limit_map

IS_REFUSED = "{ var(txn.retry) -m found }"
IS_GRPC = "{ var(txn.grpc) -m found }"
CORS = "hdr access-control-allow-origin * hdr access-control-expose-headers retry-after"


def refusing() -> list[str]:
    """`txn.retry`: whole seconds; `txn.reason`."""
    return [
        f"http-request set-var(txn.retry) var(txn.wait),add(999),div(1000) if {IS_OVER}",
        f"http-request set-var(txn.reason) str(limited) if {IS_OVER}",
        f"http-request set-var(txn.retry) var(txn.ban),add(999),div(1000) if {IS_BANNED}",
        f"http-request set-var(txn.reason) str(banned) if {IS_BANNED}",
    ]


def counted(kind: Kind) -> list[str]:
    """Refusals by class and reason, and by path."""
    return [
        f"http-request track-sc0 str({kind}_),concat(,txn.reason) table {REFUSED} if {IS_REFUSED}",
        f"http-request track-sc1 path,word(1,/,2) table {TOP_PATHS} if {IS_REFUSED}",
    ]


def answers(kind: Kind, floor: int) -> list[str]:
    """The answer to a client."""
    grpc = "req.hdr(content-type) -m beg application/grpc"
    body = f'{{"code":8,"message":"rate limit exceeded",{_fields(kind)}}}'
    wait = "hdr retry-after %[var(txn.retry)] hdr cache-control no-store"
    quota = f"%[var(txn.real),map_ip_int({limit_map(kind)},{floor}),mul(100),div({100 + TOLERANCE_PERCENT})]"
    return [
        f"http-request set-var(txn.grpc) bool(true) if {IS_REFUSED} {{ {grpc} }} !{{ {grpc}-web }}",
        f"http-after-response set-header content-type application/grpc if {IS_GRPC}",
        'http-request return status 429 hdr grpc-status 8 hdr grpc-message "rate limit exceeded"'
        f" hdr grpc-retry-pushback-ms %[var(txn.retry),mul(1000)] {wait} if {IS_GRPC}",
        f"http-request return status 429 content-type application/json {wait}"
        f" hdr ratelimit-policy '\"{kind}\";q={quota};w={WINDOW}' {CORS} lf-string '{body}' if {IS_REFUSED}",
    ]


def probe_answers(kind: Kind) -> list[str]:
    """The answer to the agent, which asks in the name of a reserved address: nothing reaches the server."""
    policy = "hdr x-policy %[var(proc.policy_hash)]"
    return [
        f"http-request return status 429 content-type application/json hdr retry-after %[var(txn.retry)] {policy}"
        f" lf-string '{{\"code\":8,{_fields(kind)}}}' if {IS_REFUSED}",
        f"http-request return status 204 {policy}",
    ]


def _fields(kind: Kind) -> str:
    return f'"reason":"%[var(txn.reason)]","class":"{kind}","retryAfterSeconds":%[var(txn.retry)]'
