"""Leader and standby know for how long the API server has not answered."""

import asyncio

from cluster_adapter.test_lease import LeaseApi, candidate
from dedicated.api.json import Manifest
from dedicated.api.objects import Kind
from dedicated.cluster.errors import ApiError
from virtual_time import run_virtual


def test_how_long_the_api_server_has_not_answered_is_known_to_leader_and_standby() -> None:
    async def main() -> None:
        api = LeaseApi()
        leader, standby = candidate(api, "one"), candidate(api, "two")
        await leader.acquire()
        tasks = [asyncio.create_task(leader.keep()), asyncio.create_task(standby.acquire())]
        await asyncio.sleep(10)
        assert max(leader.unheard, standby.unheard) <= 10.0
        api.down = lambda: True
        await asyncio.sleep(70)
        assert min(leader.unheard, standby.unheard) > 60.0
        api.down = lambda: False
        await asyncio.sleep(5)
        assert standby.unheard <= 5.0
        for task in tasks:
            task.cancel()

    run_virtual(main())


class Refusing(LeaseApi):
    """An API server that lets nobody read the lease."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        raise ApiError(status=403, reason="Forbidden", message=f"{kind.plural} {namespace}/{name}")


def test_a_refusal_is_an_answer() -> None:
    async def main() -> None:
        lease = candidate(Refusing(), "one")
        await asyncio.sleep(100)
        assert lease.unheard == 100.0
        waiting = asyncio.create_task(lease.acquire())
        await asyncio.sleep(1)
        assert lease.unheard <= 1.0
        waiting.cancel()

    run_virtual(main())
