"""`python -m engines KUBECONFIG NAMESPACE DSN`: play the engines' operators of a namespace until stopped."""

import sys
import time

from engines.simulator import PAUSE, Simulator
from testbed.client import Api


def main(arguments: list[str]) -> int:
    """Plays for ever; exit code 2: wrong arguments."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    kubeconfig, namespace, dsn = arguments
    simulator = Simulator(Api.from_kubeconfig(kubeconfig), namespace, dsn)
    while True:
        simulator.step()
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
