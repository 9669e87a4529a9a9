"""`python -m engines NAMESPACE DSN`: play a namespace's engines and recovery agents, until stopped.

On the testbed that is up.
"""

import sys
import time
from functools import partial

from engines.recovery_agent import RecoveryAgents
from engines.simulator import BUSY, PAUSE, Simulator
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.home import default_home
from testbed.session import alive


def main(arguments: list[str]) -> int:
    """Plays for ever; exit code 2: wrong arguments, or no testbed."""
    home = default_home()
    state = alive(home)
    if len(arguments) != 2 or state is None:
        print(__doc__, file=sys.stderr)
        return 2
    namespace, dsn = arguments
    cluster = Cluster.of(home, state)
    simulator = Simulator(cluster.api, namespace, dsn)
    agents = RecoveryAgents(cluster.api, namespace, partial(cluster.as_account, namespace))
    while True:
        try:
            simulator.step()
            agents.step()
        except ApiError as error:
            if error.status not in BUSY:
                raise
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
