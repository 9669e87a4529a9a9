"""Where clients connect, who they are, and how often they ask."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from clients.rows import Kind

SECONDS = 5.0
"""A request has its answer in this time, or has failed."""
LIMIT_PER_SECOND: Mapping[str, float] = {"ui": 600 / 60, "api": 3000 / 60}
"""What the contract lets one client address ask (RL-1)."""
SHARE = 0.5
"""The part of it that clients use."""
REQUESTS: Mapping[Kind, Mapping[str, int]] = {
    "login": {"ui": 3},
    "token": {"api": 1},
    "write": {"api": 1},
    "page": {"ui": 1},
    "call": {"api": 1},
}
"""How many requests of which class one turn of a kind makes."""


@dataclass(frozen=True, slots=True)
class Target:
    """A public name, asked at an address as `curl --resolve` does, so that no DNS is needed.

    `sources`: addresses of this machine to ask from, in turn; none: as the system chooses. `ca`: PEM file of
    the only authority that is trusted; empty: the system's.
    """

    name: str
    address: str
    port: int = 443
    ca: str = ""
    sources: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The URL prefix, which is also the issuer."""
        return f"https://{self.name}" + ("" if self.port == 443 else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A human with a password, and a machine with its key (PEM). The key and the password are secrets."""

    login_name: str
    password: str = field(repr=False)
    user: str
    key_id: str
    private_pem: str = field(repr=False)


def identity_to_json(identity: Identity) -> str:
    """For the file that `python -m clients --identity` reads."""
    return json.dumps(asdict(identity))


def identity_from_json(text: str) -> Identity:
    """Raises `ValueError` or `TypeError` for anything else."""
    return Identity(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds between two requests of each kind, over all sources together. ValueError if too often."""

    login: float = 1.0
    token: float = 0.5
    write: float = 0.1
    sources: int = 1

    def __post_init__(self) -> None:
        for kind in ("ui", "api"):
            asked = sum(REQUESTS[name].get(kind, 0) / self.interval(name) for name in self.kinds)
            allowed = LIMIT_PER_SECOND[kind] * SHARE * max(1, self.sources)
            if asked > allowed:
                raise ValueError(f"{asked:g} requests of {kind} a second are more than {allowed:g}")

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What is asked for; an interval of 0 leaves a kind out."""
        named: tuple[Kind, ...] = ("login", "token", "write")
        return tuple(name for name in named if self.interval(name) > 0)

    def interval(self, kind: Kind) -> float:
        """Seconds between two requests of a kind."""
        return {"login": self.login, "token": self.token, "write": self.write}.get(kind, 0.0)
