"""Layers of images: from an overlay's upper folder to a tar, and from tars to a folder.

An overlay marks what is gone by a character device 0:0 and folders that hide those below by an attribute; a
layer marks them by names that begin with `.wh.` (OCI image specification, "Whiteouts"). Times are kept,
since Python's compiled code refers to them; owners are numbers only.
"""

import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

GONE, HIDES = ".wh.", ".wh..wh..opq"


def pack(upper: Path, out: Path) -> None:
    """Write an overlay's upper folder as a layer."""
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as layer:
        for folder, folders, files in os.walk(upper):
            folders.sort()
            here = Path(folder)
            if here != upper and _hides(here):
                layer.addfile(tarfile.TarInfo(f"{here.relative_to(upper)}/{HIDES}"))
            for name in sorted((*folders, *files)):
                _add(layer, here / name, str((here / name).relative_to(upper)))


def apply(layer: Path, root: Path) -> None:
    """Unpack a layer over what the layers below it made."""
    subprocess.run(["tar", "-x", "--numeric-owner", "-p", "-f", layer, "-C", root], check=True)
    for mark in [*root.rglob(f"{GONE}*")]:
        if mark.name != HIDES:
            target = mark.with_name(mark.name.removeprefix(GONE))
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        mark.unlink()


def _add(layer: tarfile.TarFile, path: Path, name: str) -> None:
    found = path.lstat()
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == 0:
        parent, _, last = name.rpartition("/")
        layer.addfile(tarfile.TarInfo(f"{parent}/{GONE}{last}" if parent else GONE + last))
        return
    if stat.S_ISSOCK(found.st_mode):
        return
    entry = layer.gettarinfo(path, name)
    entry.uname = entry.gname = ""
    if entry.isreg():
        with path.open("rb") as file:
            layer.addfile(entry, file)
    else:
        layer.addfile(entry)


def _hides(folder: Path) -> bool:
    try:
        return os.getxattr(folder, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False
