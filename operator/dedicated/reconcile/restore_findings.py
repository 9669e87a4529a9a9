"""What needs somebody of a Recovery: one that failed, or that does not get to its end.

The newest Recovery speaks: whoever asks again, or deletes the object, has heard. A switch that is held by a
word that is missing is told at once, what should go on by itself after `PATIENCE`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dedicated.api.findings import Finding
from dedicated.api.json import get_str
from dedicated.contract.dates import when
from dedicated.reconcile.restore_words import hold, words
from dedicated.reconcile.restores import Course, Scene

PATIENCE = timedelta(minutes=15)
"""For setup and rollout, which take minutes."""
FAILED, STUCK = "RecoveryFailed", "RecoveryStuck"


def findings(scene: Scene, found: tuple[Course, ...]) -> Iterator[Finding]:
    """Of the newest Recovery, where somebody must act."""
    recoveries = [one for one in found if one.order.purpose == "Recovery"]
    newest = max(recoveries, key=lambda one: (one.order.created, one.order.name), default=None)
    if newest is None:
        return
    if newest.phase == "Failed":
        yield _failed(scene, newest)
    elif newest.phase == "Switching" and scene.now >= stuck_at(scene, newest):
        yield _not_rolled_out(scene, newest) if newest.fact else _not_switched(scene, newest)


def stuck_at(scene: Scene, course: Course) -> datetime:
    """From when on a switch that is under way needs somebody."""
    begun = course.fact.at if course.fact else course.verified or scene.now
    needs_word = course.fact is None and course.setup is not None and course.setup.complete
    return scene.now if needs_word and hold(scene, course) else begun + PATIENCE


def _failed(scene: Scene, course: Course) -> Finding:
    told, order = course.order.status, course.order
    reason, message, _ = words(scene, course)
    if order.told == "Failed":
        reason, message = get_str(told, "reason"), get_str(told, "message")
    return Finding(
        code=FAILED,
        responsible="Provider",
        message=f"restore {order.name} failed ({reason}): {message}. Nothing was switched: {course.source} "
        "is the database as before (B-4)",
        action=f"mend the cause and ask again: dedicated restore {scene.instance.name} -n "
        f"{scene.instance.namespace}; or, with no restore needed: kubectl delete ir {order.name}",
    )


def _not_switched(scene: Scene, course: Course) -> Finding:
    _, message, _ = words(scene, course)
    return Finding(
        code=STUCK,
        responsible="Provider",
        message=f"restore {course.order.name} is not switched to: {message}. Meanwhile {course.source} is "
        "the database as before (B-4)",
        action="ask again with acceptLossSince, or keep the old database away; where the setup does not end, "
        f"read its log: kubectl get jobs -n {scene.instance.namespace}",
    )


def _not_rolled_out(scene: Scene, course: Course) -> Finding:
    fact = course.fact
    assert fact is not None
    since = when(fact.at, scene.zone)
    return Finding(
        code=STUCK,
        responsible="Provider",
        message=f"restore {course.order.name} was switched to {fact.cluster} at {since}, and is not rolled "
        f"out: pods of before serve on {fact.source}, and what they write there is lost with it (B-4)",
        action=f"look at the pods that do not get ready: kubectl get pods -n {scene.instance.namespace}; "
        "mend the cause, and the rollout goes on by itself",
    )
