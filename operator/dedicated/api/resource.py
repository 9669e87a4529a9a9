"""A `DedicatedInstance` as read from the API server, judged once on its way in.

Objects older than a rule, or let through by ratcheting, may hold what today's schema refuses. They
become `InvalidInstance` with path and reason, never a traceback.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from dedicated.api.conditions import parse_time, shorten
from dedicated.api.instance import InstanceSpec
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import Key
from dedicated.api.source import Source

PATH_LIMIT = 200
"""Characters of a path: the reason behind it must be seen, however deep or long the names."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of the object whatever its spec says; `deleted` is when somebody deleted it."""

    key: Key
    uid: str
    generation: int
    resource_version: str
    finalizers: tuple[str, ...]
    deleting: bool
    status: Manifest
    deleted: datetime | None = None


@dataclass(frozen=True, slots=True)
class Database:
    """Which cluster of an engine is an instance's database, by name; empty: the first one.

    One that was restored knows the cluster that it comes from, and the `point`: with `exact` it ends there,
    else it has everything that was archived, until the point at least. `replaces` is the database that it was
    made beside, where that is another one than its source, whose cluster may be gone. Which it is, is a
    recorded fact (`contract.recovery.restore`), and it goes with the instance as a value.
    """

    cluster: str = ""
    source: str = ""
    point: datetime | None = None
    exact: bool = False
    replaces: str = ""


FIRST = Database()


@dataclass(frozen=True, slots=True)
class Instance:
    """A valid instance."""

    meta: Meta
    spec: InstanceSpec
    database: Database = FIRST
    imported: bool = False
    """Whether what `spec.from` names is the instance's by now, on record: from then on it has no effect."""

    @property
    def name(self) -> str:
        """The instance's name: the stem of its children's names."""
        return self.meta.key.name

    @property
    def namespace(self) -> str:
        """The namespace that holds the instance and all its children."""
        return self.meta.key.namespace

    @property
    def arriving(self) -> Source | None:
        """What is still to be imported; None: nothing."""
        return None if self.imported else self.spec.from_

    @property
    def incarnation(self) -> str:
        """What tells the instance's data from that of another of its name, and from what it was restored
        from: its uid, with the mark of a restored database."""
        mark = self.database.cluster.rpartition("-")[2]
        return f"{self.meta.uid}-{mark}" if mark else self.meta.uid


@dataclass(frozen=True, slots=True)
class InvalidInstance:
    """An instance whose spec breaks today's rules: (path, reason) each."""

    meta: Meta
    problems: tuple[tuple[str, str], ...]


def meta_of(body: Manifest) -> Meta:
    """The metadata of a `DedicatedInstance` body."""
    metadata = get_map(body, "metadata")
    return Meta(
        key=Key(get_str(metadata, "namespace"), get_str(metadata, "name")),
        uid=get_str(metadata, "uid"),
        generation=get_int(metadata, "generation"),
        resource_version=get_str(metadata, "resourceVersion"),
        finalizers=tuple(item for item in get_list(metadata, "finalizers") if isinstance(item, str)),
        deleting=bool(metadata.get("deletionTimestamp")),
        status=get_map(body, "status"),
        deleted=parse_time(get_str(metadata, "deletionTimestamp")),
    )


def parse_instance(body: Manifest) -> Instance | InvalidInstance:
    """The instance of a body from the API server."""
    meta = meta_of(body)
    try:
        return Instance(meta=meta, spec=InstanceSpec.model_validate(get_map(body, "spec")))
    except ValidationError as error:
        problems = tuple(
            (_path(item["loc"]), item["msg"]) for item in error.errors(include_url=False, include_input=False)
        )
        return InvalidInstance(meta=meta, problems=problems)


def _path(location: tuple[str | int, ...]) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return shorten(f"spec{parts}", PATH_LIMIT)
