"""Attempts to get round the limiter: by the path, the authority, headers that name another client or host."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from urllib.parse import unquote_to_bytes

HOST = "login.example.com"
OTHER = "other.example.com"
HIDDEN_UI = (
    *("/%75i/x", "/u%69/x", "/%75%69/x", "/ui%2Fx", "/ui%2fx", "/%75%69%2Fx", "/%55i/x"),
    *("//ui/x", "///ui///x", "/ui//x", "//%75i/x", "/%2Fui/x", "/%2f%2fui/x", "//ui%2fx"),
    *("/./ui/x", "/x/../ui/x", "/x/..%2fui/x", "/x/%2e%2e/ui/x", "/x/.%2e/ui/x", "/x/%2E./ui/x"),
    *("/%2e/ui/x", "/oauth/v2/../../ui/x", "/oauth/%2e%2e/ui/x", "/.//ui/x", "/x//..//ui/x"),
    *("/ui;a=b/x", "/ui/;a=b/x", "/;/ui/x", "/;a/../ui/x", "/ui/..;/x", "/ui/x;/../../y"),
    *("/ui%00/x", "/ui%09/x", "/ui%20/x", "/ui/%00", "/%00/ui/x", "/ui%0d%0a/x", "/ui%23/x"),
    *("/%2575i/x", "/ui%252fx", "/%25%37%35i/x", "/%u0075i/x", "/%7", "/%", "/%zzui/x", "/ui/%"),
    *("/ui\\x", "/\\ui/x", "\\ui\\x", "/ui/..\\x", "/UI/x", "/Ui/x", "/ui", "/ui?x", "/ui?/ui/", "/?/ui/"),
    *("/ui/x?a=/../", "/x?/ui/x", "/ui/../oauth", "/ui/%2e%2e/oauth", "/ui/x/..", "/ui/.", "/ui/.."),
    *("/ui/v2/login/x", "/ui/v2/%6cogin/x", "/ui/v2//login/x", "/ui/v2/login%2fx", "/ui/v2/login;x"),
    *("/ui/v2/login/../../x", "/ui/v2/loginx", "/ui/v2/login", "//ui/v2/login/x", "/ui/%76%32/login"),
    *(
        "/debug/metrics",
        "/%64ebug/metrics",
        "//debug/metrics",
        "/debug//metrics",
        "/metrics",
        "/debug/../debug/x",
    ),
)
SPOOFS = (
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-for", "203.0.113.9, 203.0.113.10"),
    ("x-forwarded-for", "unknown"),
    ("x-forwarded-for", ""),
    ("x-forwarded-for", "::ffff:203.0.113.9"),
    ("forwarded", "for=203.0.113.9;host=other.example.com;proto=http"),
    ("x-real-ip", "203.0.113.9"),
    ("x-forwarded-host", OTHER),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "1"),
    ("x-forwarded-prefix", "/x"),
    ("x-zitadel-instance-host", OTHER),
    ("x-zitadel-public-host", OTHER),
    ("x-zitadel-forward-host", OTHER),
    ("x-middleware-subrequest", "middleware"),
    ("x-original-url", "/ui/x"),
    ("x-rewrite-url", "/ui/x"),
    ("x-http-method-override", "DELETE"),
    ("upgrade", "h2c"),
)
FORGED = frozenset(name for name, _ in SPOOFS) - {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
"""What must not reach a back end at all; the rest is overwritten."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: of HTTP/1.1 as raw text up to its last header, of HTTP/2 as headers; then the body."""

    name: str
    raw: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()


def read_by_server(path: str) -> str:
    """The path as a server takes it that undoes escapes once and counts slashes once."""
    text = unquote_to_bytes(path.partition("?")[0]).decode("latin-1")
    while "//" in text:
        text = text.replace("//", "/")
    return text


def is_ui(path: str) -> bool:
    """Whether the stricter class is due."""
    return read_by_server(path).startswith("/ui/")


def _raw(target: str, *lines: str, method: str = "GET") -> str:
    return "\r\n".join((f"{method} {target} HTTP/1.1", *lines)) + "\r\n"


def by_path() -> Iterator[Attempt]:
    """Every spelling of a path, in HTTP/1.1 with and without authority, and in HTTP/2."""
    for path in HIDDEN_UI:
        yield Attempt(f"h1 {path}", _raw(path, f"Host: {HOST}"))
        yield Attempt(f"h2 {path}", headers=h2(path))
        yield Attempt(f"h1 absolute {path}", _raw(f"http://{HOST}{path}", f"Host: {HOST}"))


def by_authority() -> Iterator[Attempt]:
    """One host asked for, another one told."""
    targets = ("/ui/x", "/oauth/x")
    for target in targets:
        yield Attempt(f"h1 two hosts {target}", _raw(target, f"Host: {HOST}", f"Host: {OTHER}"))
        yield Attempt(f"h1 absolute other {target}", _raw(f"https://{OTHER}{target}", f"Host: {HOST}"))
        yield Attempt(f"h1 user {target}", _raw(f"http://{HOST}@{OTHER}{target}", f"Host: {HOST}"))
        yield Attempt(f"h1 no host {target}", _raw(target))
        yield Attempt(f"h1 list {target}", _raw(target, f"Host: {HOST}, {OTHER}"))
        yield Attempt(f"h1 scheme {target}", _raw(f"HTTP://{HOST}{target}", f"Host: {HOST}"))
        yield Attempt(f"h1 ftp {target}", _raw(f"ftp://{HOST}{target}", f"Host: {HOST}"))
        yield Attempt(f"h1 space {target}", _raw(target, f"Host : {HOST}", f"Host: {OTHER}"))
        yield Attempt(f"h1 connect {target}", _raw(f"{HOST}:443", f"Host: {HOST}", method="CONNECT"))
        plain = h2(target)
        yield Attempt(f"h2 host {target}", headers=(*plain, ("host", OTHER)))
        yield Attempt(f"h2 hosts {target}", headers=(*plain, ("host", HOST), ("host", OTHER)))
        yield Attempt(f"h2 authorities {target}", headers=(*plain[:3], (":authority", OTHER), *plain[3:]))
        without = tuple(pair for pair in plain if pair[0] != ":authority")
        yield Attempt(f"h2 no authority {target}", headers=without)
        yield Attempt(f"h2 host alone {target}", headers=(*without, ("host", HOST)))
        yield Attempt(f"h2 user {target}", headers=h2(target, host=f"{HOST}@{OTHER}"))
        yield Attempt(f"h2 paths {target}", headers=(*plain, (":path", "/oauth/y")))
        yield Attempt(f"h2 scheme {target}", headers=(plain[0], (":scheme", "ftp"), *plain[2:]))
        yield Attempt(f"h2 absolute {target}", headers=h2(f"http://{OTHER}{target}"))
        yield Attempt(f"h2 line {target}", headers=h2(f"/x HTTP/1.1\r\nHost: {OTHER}\r\n\r\nGET {target}"))
        yield Attempt(f"h2 blank {target}", headers=h2(f"/x {target}"))
        connect = ((":method", "CONNECT"), (":authority", HOST), (":protocol", "websocket"))
        yield Attempt(f"h2 connect {target}", headers=(*connect, (":scheme", "https"), (":path", target)))


def by_header() -> Iterator[Attempt]:
    """Headers that servers behind proxies believe, as headers and as trailers."""
    for (name, value), path in product(SPOOFS, ("/ui/x", "/oauth/x")):
        yield Attempt(f"h1 {name} {path}", _raw(path, f"Host: {HOST}", f"{name.title()}: {value}"))
        yield Attempt(f"h2 {name} {path}", headers=(*h2(path), (name, value)))
        yield Attempt(f"h2 twice {name} {path}", headers=(*h2(path), (name, value), (name, value)))
        post = h2(path, method="POST")
        yield Attempt(f"h2 trailer {name} {path}", headers=post, body=b"x", trailers=((name, value),))
    for pseudo in (":path", ":authority", ":method"):
        post = h2("/oauth/x", method="POST")
        yield Attempt(f"h2 trailer {pseudo}", headers=post, body=b"x", trailers=((pseudo, "/ui/x"),))
    smuggled = ("transfer-encoding", "chunked"), ("content-length", "0"), ("connection", "x-forwarded-for")
    for name, value in smuggled:
        headers = (*h2("/oauth/x", method="POST"), (name, value))
        yield Attempt(f"h2 {name}", headers=headers, body=b"0\r\n\r\nGET /ui/x")
    both = (f"Host: {HOST}", "Content-Length: 4", "Transfer-Encoding: chunked")
    body = b"0\r\n\r\nGET /ui/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    yield Attempt("h1 both lengths", _raw("/oauth/x", *both, method="POST"), body=body)


def h2(path: str, *, host: str = HOST, method: str = "GET") -> tuple[tuple[str, str], ...]:
    """Headers of a plain request."""
    return ((":method", method), (":scheme", "https"), (":authority", host), (":path", path))
