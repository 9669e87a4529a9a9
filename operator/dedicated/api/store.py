"""What a bucket that holds backups says of itself.

A reading is a fact with a time, made by the recovery agent and judged elsewhere. What could not be asked is
None: access denied is not the same as "not configured". Where to look the agent is told by a file, which
holds no secret.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from dedicated.api.rules import ApiModel

StoreRole = Literal["Repository", "Copy"]


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket that another one replicates to. `region` is None where it could not be asked."""

    bucket: str
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """What is known of one place at a time. None: it could not be asked, which is not 'no'.

    `name` is the bucket's. `region` is as the store answers it, empty
    where it answers none; what that means depends on the `endpoint`. `encryption` is the algorithm of the
    bucket's default, empty where it has none. `lock_days`: 0 without a lock. `writable`: a small object was
    put and read again. `unanswered` names the questions that were not answered, with the store's own code:
    `Replication: AccessDenied`.
    """

    at: datetime
    name: str
    role: StoreRole = "Repository"
    endpoint: str = ""
    region: str | None = None
    targets: tuple[Target, ...] | None = None
    encryption: str | None = None
    versioned: bool | None = None
    lock_days: int | None = None
    public: bool | None = None
    writable: bool | None = None
    unanswered: tuple[str, ...] = ()


class BucketPlace(ApiModel):
    """A bucket that the recovery agent is to look at. `credentials` is the folder of a mounted Secret."""

    role: StoreRole
    bucket: str
    endpoint: str
    region: str
    prefix: str
    credentials: str
    ca_file: str | None = None


PLACES = TypeAdapter[list[BucketPlace]](Annotated[list[BucketPlace], Field(max_length=4)])
"""The file."""
