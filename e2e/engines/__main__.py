"""`python -m engines NAMESPACE DSN`: play a namespace's engines, and what is beside an instance.

Until stopped, on the testbed that is up.
"""

import sys
import time
from functools import partial

from dedicated.api.json import get_str
from dedicated.api.objects import CONFIG_MAP
from engines.escrow_jobs import EscrowJobs
from engines.recovery_agent import RecoveryAgents
from engines.simulator import BUSY, PAUSE, Simulator
from engines.verification import Verifications
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.home import default_home
from testbed.session import alive


def _fingerprint(api: Api, namespace: str) -> str:
    """Of the masterkey of the namespace's instance, as every copy of its database has it."""
    (identity,) = api.list(CONFIG_MAP, namespace, labels="app.kubernetes.io/component=keys")
    return get_str(identity, "data", "masterkey")


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
    account = partial(cluster.as_account, namespace)
    agents = RecoveryAgents(cluster.api, namespace, account)
    verifications = Verifications(
        cluster.api, simulator, fingerprint=partial(_fingerprint, cluster.api, namespace)
    )
    escrow = EscrowJobs(cluster.api, namespace, account)
    while True:
        try:
            for played in (simulator, agents, verifications, escrow):
                played.step()
        except ApiError as error:
            if error.status not in BUSY:
                raise
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
