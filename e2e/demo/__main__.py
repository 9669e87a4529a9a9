"""`python -m demo up|down`: bring the demo up and tell what it shows, or take everything away."""

import sys
import time

from demo import story
from demo.cluster import Demo, DemoError
from testbed.gobuild import BuildError
from testbed.home import default_home
from testbed.session import StartError


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 failed (the cause is printed), 2 wrong arguments."""
    demo = Demo(default_home())
    match arguments:
        case ["down"]:
            print("The demo is gone." if demo.down() else "Nothing was up.")
            return 0
        case ["up"] | []:
            try:
                _up(demo)
            except (DemoError, StartError, BuildError, LookupError) as error:
                print(f"\nThe demo did not come up: {error}", file=sys.stderr)
                return 1
            return 0
    print(__doc__, file=sys.stderr)
    return 2


def _up(demo: Demo) -> None:
    begun = time.monotonic()
    steps = (
        ("control plane of Kubernetes 1.36, three zones", demo.start_control_plane),
        ("definitions of database engines", demo.install_engines),
        ("Helm chart of the operator", demo.install_chart),
        ("operator, under its own ServiceAccount", demo.start_operator),
        ("database, Secret and DedicatedInstance by kubectl", demo.apply_instance),
        ("instance", demo.wait_ready),
        ("rate limits of the instance", demo.wait_limits),
        ("instance with a database engine", demo.apply_clustered),
    )
    for number, (title, step) in enumerate(steps, start=1):
        started = time.monotonic()
        print(f"[{number}/{len(steps)}] {title}", flush=True)
        for line in step():
            print(f"      {line}", flush=True)
        print(f"      done after {time.monotonic() - started:.1f} s", flush=True)
    print(f"\nReady after {time.monotonic() - begun:.1f} s.\n")
    print(story.tell(demo))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
