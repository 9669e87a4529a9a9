"""`python -m limiters NAMESPACE`: play the agents of a namespace's limiters, until stopped.

On the testbed that is up.
"""

import sys
import time
from functools import partial

from engines.simulator import BUSY, PAUSE
from limiters.agents import LimiterAgents
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.home import default_home
from testbed.session import alive


def main(arguments: list[str]) -> int:
    """Plays for ever; exit code 2: wrong arguments, or no testbed."""
    home = default_home()
    state = alive(home)
    if len(arguments) != 1 or state is None:
        print(__doc__, file=sys.stderr)
        return 2
    (namespace,) = arguments
    cluster = Cluster.of(home, state)
    agents = LimiterAgents(cluster.api, namespace, partial(cluster.as_account, namespace))
    while True:
        try:
            agents.step()
        except ApiError as error:
            if error.status not in BUSY:
                raise
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
