"""Archives: their parts refer to each other as the OCI layout wants; and keys change with what goes in."""

import hashlib
import json
import tarfile
from pathlib import Path

from images.dockerfile import Config
from images.keys import recipe_key
from images.oci import Image, Layer, digest_of, write
from images.recipes import Recipe


def layer(path: Path, text: str) -> Layer:
    path.write_text(text)
    return Layer(path, digest_of(path))


def test_an_archive_holds_each_shared_layer_once(tmp_path: Path) -> None:
    base, one, two = (layer(tmp_path / name, name) for name in ("base", "one", "two"))
    config = Config({"A": "b"}, user="7", entrypoint=("run",), ports=("80",))
    images = [
        Image("localhost/one:dev-1", (base, one), config),
        Image("localhost/two:dev-2", (base, two), config),
    ]
    write(images, tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as archive:
        names = archive.getnames()
        content = {name: archive.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    assert len(names) == len(set(names))
    for name, data in content.items():
        if name.startswith("blobs/sha256/"):
            assert name.endswith(hashlib.sha256(data).hexdigest())
    index = json.loads(content["index.json"])
    for entry, image in zip(index["manifests"], images, strict=True):
        assert entry["annotations"]["io.containerd.image.name"] == image.reference
        manifest = json.loads(content[blob(entry["digest"])])
        told = json.loads(content[blob(manifest["config"]["digest"])])
        wanted = [f"sha256:{each.digest}" for each in image.layers]
        assert [each["digest"] for each in manifest["layers"]] == wanted == told["rootfs"]["diff_ids"]
        for each in (*manifest["layers"], manifest["config"], entry):
            assert each["size"] == len(content[blob(each["digest"])])
        assert told["config"]["User"] == "7"
        assert told["config"]["ExposedPorts"] == {"80/tcp": {}}
    docker = json.loads(content["manifest.json"])
    assert [each["RepoTags"] for each in docker] == [[image.reference] for image in images]


def blob(digest: str) -> str:
    return digest.replace("sha256:", "blobs/sha256/")


def test_a_key_changes_with_every_file_that_goes_in(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("one")
    (tmp_path / "beside").write_text("one")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY tree /tree\n")
    recipe = Recipe("test", dockerfile, folders={"": tmp_path})
    first = recipe_key(recipe)
    (tmp_path / "beside").write_text("two")
    assert recipe_key(recipe) == first
    (tmp_path / "tree/file").write_text("two")
    second = recipe_key(recipe)
    (tmp_path / "tree/file").rename(tmp_path / "tree/other")
    third = recipe_key(recipe)
    dockerfile.write_text("FROM scratch\nCOPY tree /elsewhere\n")
    assert len({first, second, third, recipe_key(recipe)}) == 4
