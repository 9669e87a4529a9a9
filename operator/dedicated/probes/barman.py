"""A server of barman-cloud in a bucket: the names of its objects, and the few that are to be read."""

import asyncio
from dataclasses import dataclass, field

from dedicated.probes.objects import Access, NoObjectsError, open_objects
from dedicated.probes.repository import ANSWER_SECONDS, RepositoryError

INFO_ENDS = "/backup.info"
HISTORY = ".history"


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """What a server's folder holds: bytes by name below it, and what `backup.info` and histories say."""

    sizes: dict[str, int] = field(default_factory=dict)
    infos: dict[str, str] = field(default_factory=dict)
    history_name: str = ""
    history: bytes = b""


@dataclass(frozen=True, slots=True)
class Barman:
    """A server's folder in a bucket, such as `acme/login-1b2c`."""

    bucket: str
    folder: str
    access: Access

    async def read(self) -> ServerFolder:
        """What is in it now. Raises RepositoryError."""
        prefix = f"{self.folder.strip('/')}/".removeprefix("/")
        try:
            async with asyncio.timeout(ANSWER_SECONDS), open_objects(self.bucket, self.access) as objects:
                sizes = {
                    name.removeprefix(prefix): stored async for name, stored in objects.sizes(prefix)
                }
                infos = {
                    name: (await objects.read(prefix + name)).decode(errors="replace")
                    for name in sizes
                    if name.startswith("base/") and name.endswith(INFO_ENDS)
                }
                newest = max((name for name in sizes if HISTORY in name), default="")
                history = await objects.read(prefix + newest) if newest else b""
        except NoObjectsError as error:
            raise RepositoryError(f"the bucket could not be read: {error}") from None
        except TimeoutError:
            raise RepositoryError(f"no whole listing within {ANSWER_SECONDS:.0f} s") from None
        return ServerFolder(sizes, infos, newest, history)
