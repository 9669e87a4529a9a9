"""The keys that go with an export: the masterkey and the configuration, as a tar of files."""

import io
import tarfile
from pathlib import Path


def pack(folder: Path) -> bytes:
    """Every file below a folder of mounted Secrets and ConfigMaps, in order of name. Raises OSError.

    Hidden names are the kubelet's.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not any(part.startswith("..") for part in name.parts):
                data = path.read_bytes()
                head = tarfile.TarInfo(str(name))
                head.size, head.mode = len(data), 0o600
                archive.addfile(head, io.BytesIO(data))
    return out.getvalue()
