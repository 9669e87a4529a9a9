"""As much of `aws` as runbooks use: `aws s3 sync s3://BUCKET/PREFIX FOLDER`.

Variables are the real one's: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_CA_BUNDLE`. What is there already is fetched again.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from dedicated.probes.objects import Access, Objects, open_objects
from lab.s3 import write_credentials

PIECE = 4 * 1024 * 1024


async def _fetch(bucket: Objects, prefix: str, into: Path) -> None:
    async for name, size in bucket.sizes(prefix):
        path = into / name.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for begin in range(0, size, PIECE):
                file.write((await bucket.ask(key=name, span=(begin, min(size, begin + PIECE)))).body)
        print(f"download: s3://{bucket.bucket}/{name} to {path}")


async def _sync(source: str, into: Path) -> None:
    name, _, prefix = source.removeprefix("s3://").partition("/")
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("https://")
    with tempfile.TemporaryDirectory() as folder:
        pair = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        credentials = write_credentials(Path(folder), *pair)
        authority = Path(os.environ["AWS_CA_BUNDLE"])
        access = Access(endpoint, os.environ["AWS_REGION"], credentials, authority)
        async with open_objects(name, access) as bucket:
            await _fetch(bucket, f"{prefix.rstrip('/')}/", into)


def main(arguments: list[str]) -> int:
    """Exit code 2: what is asked is not among what this does."""
    if arguments[:2] != ["s3", "sync"] or len(arguments) != 4 or not arguments[2].startswith("s3://"):
        print(f"aws {' '.join(arguments)}: not played", file=sys.stderr)
        return 2
    asyncio.run(_sync(arguments[2], Path(arguments[3])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
