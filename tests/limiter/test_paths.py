"""A path's class is the one that the contract gives it, however it is written: no spelling is a way round."""

import socket
from random import Random

import pytest

from dedicated.contract.rate_limits import class_of
from limiter.http1 import Endpoint
from limiter.stand import standing

WORDS = (
    *("/", "//", "/./", "/../", "/.", "/..", "ui", "/ui/", "UI", "v2/login", "oauth", ".well-known", "debug"),
    *("%2f", "%2F", "%75", "%69", "%2e", "%2E%2e", "%25", "%00", "%zz", "%2", "%", ";a=b", "+", "a.b", "..."),
)
KNOWN = (
    *(
        "/ui/console",
        "/%75i/x",
        "/ui%2Fx",
        "//ui//x",
        "/x/..%2fui/",
        "/./ui/",
        "/x/.",
        "/x/..",
        "/ui",
        "/UI/x",
    ),
    *("/ui;a/x", "/.well-known/openid-configuration", "/a%2eb", "/a%00", "/%", "/%7", "/%7g", "/ui/%2575"),
)
PROBED = 400


def asked(endpoint: Endpoint, paths: list[str]) -> list[str]:
    """How each was taken: `ui` or `api` by whose budget it was refused from, or `400`.

    The budgets of the client are spent, and only that of ui: what is let through is of api.
    """
    with socket.create_connection(endpoint) as link, link.makefile("rb") as answers:
        link.sendall(b"PROXY TCP4 192.0.2.77 127.0.0.1 4000 8406\r\n")

        def status(path: str) -> int:
            link.sendall(f"GET {path} HTTP/1.1\r\nhost: probe\r\n\r\n".encode())
            first, length = answers.readline(), 0
            while (line := answers.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            answers.read(length)
            return int(first.split()[1])

        assert [status("/ui/x") for _ in range(607)][-1] == 429
        return [{429: "ui", 204: "api"}[status(path)] for path in paths]


def refused(endpoint: Endpoint, path: str) -> bool:
    """Whether a path is answered with 400, after which the connection is closed."""
    with socket.create_connection(endpoint) as link, link.makefile("rb") as answers:
        link.sendall(b"PROXY TCP4 192.0.2.78 127.0.0.1 4000 8406\r\n")
        link.sendall(f"GET {path} HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n".encode())
        return answers.readline().split()[1] == b"400"


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_class_of_any_spelling(seed: int) -> None:
    chance = Random(seed)
    made = ["/" + "".join(chance.choices(WORDS, k=chance.randint(1, 6))) for _ in range(PROBED)]
    paths = list(dict.fromkeys((*KNOWN, *made)))
    with standing() as stand:
        endpoint = stand.probe(0)
        classed = [path for path in paths if class_of(path) is not None]
        taken = asked(endpoint, classed)
        wrong = [
            (path, class_of(path), seen)
            for path, seen in zip(classed, taken, strict=True)
            if seen != class_of(path)
        ]
        let_through = [path for path in paths if class_of(path) is None and not refused(endpoint, path)]
    assert (wrong, let_through) == ([], [])
    assert {*taken} == {"ui", "api"}
