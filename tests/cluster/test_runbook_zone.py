"""docs/runbooks/lost-zone.md, word by word: nodes of one zone vanish, and come back."""

from pathlib import Path

import pytest

from cluster.instances import condition
from cluster.observing import DISCOVERY, SECONDS, has_finding, visitor
from cluster.runbook_stage import NAME, arguments, followed, scene
from cluster.standing import until
from dedicated.api.json import get_list, get_str
from lab.trial import note
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_a_lost_zone_is_waited_for_and_nothing_is_repaired(
    cluster: Cluster, alone: None, namespace: str, database: str, run_operator: RunOperator,
    tmp_path: Path,
) -> None:  # fmt: skip
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    with (
        scene(cluster, namespace, database, tmp_path) as at,
        followed("lost-zone.md", cluster, tmp_path, NS=namespace, NAME=NAME) as person,
    ):
        guest = visitor(cluster, f"{namespace}.example.test")
        cluster.lose_zone("zone-a")
        at.engine.fail_over(f"{NAME}-database")  # its primary was there; the engine's own doing
        until(lambda: has_finding("TooFewZones")(at.body()), "the loss told", seconds=SECONDS)
        until(
            lambda: (
                get_str(at.body(), "status", "summary", "zones") == "2/3"
                and "in 2 zones" in get_str(condition(at.body(), "HighlyAvailable"), "message")
            ),
            "the zone counted out",
            seconds=SECONDS,
        )

        person.follow("What you see")
        person.follow("See that it serves")
        assert guest.ask(DISCOVERY)[0] == 200
        before = person.seconds
        cluster.return_zone("zone-a")
        person.follow("The zone is back")
        back = person.seconds - before
        person.follow("It is over")
        assert get_list(at.body(), "status", "findings") == []
        note("lost-zone.md, from the nodes to full strength", seconds=back)
