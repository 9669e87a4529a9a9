"""Layers: what an overlay changed comes out again as it was, with what it took away taken away."""

import os
import stat
from pathlib import Path

import pytest

from images import layers
from images.dockerfile import Copy
from images.stage import copy


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_files_links_modes_and_times_come_out_as_they_went_in(tmp_path: Path) -> None:
    upper, root = folder(tmp_path / "upper"), folder(tmp_path / "root")
    folder(upper / "a/b")
    (upper / "a/b/file").write_text("text")
    (upper / "a/b/file").chmod(0o4750)
    os.utime(upper / "a/b/file", (1000, 1000))
    (upper / "a/again").hardlink_to(upper / "a/b/file")
    (upper / "link").symlink_to("a/b")
    layers.pack(upper, tmp_path / "layer.tar")
    layers.apply(tmp_path / "layer.tar", root)
    found = (root / "a/b/file").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime, found.st_nlink) == (0o4750, 1000, 2)
    assert (root / "link").readlink() == Path("a/b")


def test_what_a_layer_took_away_is_taken_away(tmp_path: Path) -> None:
    upper, root = folder(tmp_path / "upper"), folder(tmp_path / "root")
    try:
        os.mknod(upper / "gone", stat.S_IFCHR, 0)
        os.mknod(upper / "tree", stat.S_IFCHR, 0)
    except PermissionError:
        pytest.skip("an overlay's marks need root")
    folder(root / "tree/inner")
    for name in ("gone", "stays"):
        (root / name).touch()
    layers.pack(upper, tmp_path / "layer.tar")
    layers.apply(tmp_path / "layer.tar", root)
    assert [path.name for path in root.iterdir()] == ["stays"]


def test_copy_puts_files_where_docker_would(tmp_path: Path) -> None:
    source, root = folder(tmp_path / "source"), folder(tmp_path / "root")
    folder(source / "tree")
    for name in ("one.whl", "two.whl", "tree/leaf"):
        (source / name).touch()
    copy(Copy("", ("*.whl",), "/dist/"), source=source, root=root)
    copy(Copy("", ("tree",), "/branch"), source=source, root=root)
    copy(Copy("", ("one.whl",), "/bin/program", 0o755), source=source, root=root)
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == [
        "bin/program",
        "branch/leaf",
        "dist/one.whl",
        "dist/two.whl",
    ]
    assert (root / "bin/program").stat().st_mode & 0o777 == 0o755
    with pytest.raises(FileNotFoundError):
        copy(Copy("", ("absent",), "/x"), source=source, root=root)


def test_what_is_copied_can_be_read_by_everybody(tmp_path: Path) -> None:
    source, root = folder(tmp_path / "source"), folder(tmp_path / "root")
    folder(source / "tree/__pycache__")
    (source / "tree/module.py").touch(mode=0o600)
    (source / "tree").chmod(0o700)
    copy(Copy("", ("tree",), "/tree"), source=source, root=root, left_out="__pycache__")
    assert (root / "tree").stat().st_mode & 0o777 == 0o755
    assert (root / "tree/module.py").stat().st_mode & 0o777 == 0o644
    assert not (root / "tree/__pycache__").exists()
    copy(Copy("build", ("tree",), "/built"), source=source, root=root)
    assert (root / "built/__pycache__").exists(), "what a stage has compiled belongs to the image"
