"""Makes what is shipped: the wheel, the image's context and the two charts.

`python -m packager sync-crds` copies the generated definitions into the charts, since Helm packs only
files below a chart. `python -m packager package [--out DIR]` fills DIR (default `dist`):

    DIR/dedicated_operator-VERSION-py3-none-any.whl
    DIR/dedicated-operator-VERSION.tgz, DIR/dedicated-operator-crds-VERSION.tgz
    DIR/image/                Dockerfile, requirements/run.txt and dist/*.whl: `docker build DIR/image`

No image is built: that needs a base image, which is not fetched here.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from testbed.tools import binary

ROOT = Path(__file__).resolve().parent.parent
CHARTS = (ROOT / "charts/dedicated-operator", ROOT / "charts/dedicated-operator-crds")
GENERATED = ROOT / "crds"


def chart_copies(chart: Path) -> Path:
    """The folder of a chart that its template reads definitions from."""
    return chart / "files" / "crds"


def sync_crds(*, generated: Path = GENERATED, charts: tuple[Path, ...] = CHARTS) -> None:
    """Make the definitions in the charts equal to the generated ones."""
    for folder in map(chart_copies, charts):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in generated.glob("*.yaml"):
            shutil.copyfile(source, folder / source.name)


def stale_copies(*, generated: Path = GENERATED, charts: tuple[Path, ...] = CHARTS) -> list[str]:
    """Definitions in the charts that are missing, left over or different: `CHART: FILE`."""
    wanted = contents(generated)
    return [
        f"{chart.name}: {name}"
        for chart, found in ((chart, contents(chart_copies(chart))) for chart in charts)
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """File name -> bytes of the definitions in a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.yaml")}


def build_wheel(out: Path) -> Path:
    """Build the wheel into `out`, in place of any older one."""
    for old in out.glob("*.whl"):
        old.unlink()
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)])
    (wheel,) = out.glob("*.whl")
    return wheel


def image_context(wheel: Path, out: Path) -> None:
    """Fill `out` with exactly what the Dockerfile copies, at the paths it has in the repository."""
    shutil.rmtree(out, ignore_errors=True)
    for source, target in (
        (ROOT / "Dockerfile", out / "Dockerfile"),
        (ROOT / ".dockerignore", out / ".dockerignore"),
        (ROOT / "requirements/run.txt", out / "requirements/run.txt"),
        (wheel, out / "dist" / wheel.name),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def package_charts(out: Path) -> list[Path]:
    """Pack the charts into `out`, in place of any older ones."""
    for old in out.glob("dedicated-operator*.tgz"):
        old.unlink()
    for chart in CHARTS:
        run([str(binary("helm")), "package", str(chart), "--destination", str(out)])
    return sorted(out.glob("dedicated-operator*.tgz"))


def package(out: Path, *, say: Callable[[str], None] = print) -> None:
    """Fill `out` with wheel, image context and charts."""
    if stale := stale_copies():
        raise SystemExit("Definitions in the charts are stale: run make crds.\n" + "\n".join(stale))
    out.mkdir(parents=True, exist_ok=True)
    wheel = build_wheel(out)
    image_context(wheel, out / "image")
    for path in (wheel, out / "image", *package_charts(out)):
        say(f"made {path}")


def run(command: list[str]) -> None:
    """Run a command in the repository; its output is shown only where it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="packager", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("sync-crds", help="copy crds/ into the charts")
    to_dist = commands.add_parser("package", help="wheel, image context and charts")
    to_dist.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    match options.command:
        case "sync-crds":
            sync_crds()
        case _:
            package(options.out.resolve())


if __name__ == "__main__":
    main()
