"""tar archives unpacked the same way by every Python that this runs on."""

import io
import tarfile
from pathlib import Path


def unpack(packed: bytes, folder: Path) -> None:
    """Write what a tar archive holds into a folder; nothing outside of it."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        # By name, since Debian 12 has Python 3.11.2, which does not know it.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
