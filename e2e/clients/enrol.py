"""The users that the clients are, made through the public API by one who may."""

from dataclasses import dataclass, field

from clients.target import Identity, Target


@dataclass(frozen=True, slots=True)
class Owner:
    """A system user with IAM_OWNER (the operator's own), or any bearer token that has it."""

    user: str = ""
    private_pem: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)


async def enrol(target: Target, *, owner: Owner, name: str = "client") -> Identity:
    """A human and a machine user of this name, new ones each time. ConnectionError, PermissionError as told."""
    raise NotImplementedError
