"""What is told of a restore: the reason, who waits for what, and who must act."""

from dedicated.contract.dates import when
from dedicated.contract.recovery.restore import Target, loss_refused
from dedicated.reconcile.restores import Course, Scene

Words = tuple[str, str, str]
"""Reason, message, and who must act; empty: nobody."""


def words(scene: Scene, course: Course) -> Words:
    """What is told of a restore in its phase."""
    if course.phase == "Failed":
        return _failure(scene, course)
    if course.phase == "Waiting":
        return _waiting(course)
    if course.phase == "Switching":
        return _switching(scene, course)
    new, old = course.cluster, course.superfluous
    kept = f"until {when(course.keep_until, scene.zone)}" if course.keep_until else "meanwhile"
    engine = course.state.message if course.state else ""
    past = f" from the backups of {course.part}" if course.part != course.source else ""
    told = {
        "Restoring": ("EngineRestores", f"the engine restores {new}{past}: {engine}"),
        "Verifying": ("CopyIsLookedAt", f"{new} is restored, and looked at before anything uses it"),
        "Live": (
            "FirstBackupAwaited",
            f"{new} serves, and has no backup yet; {old} is kept until it has, and {kept}",
        ),
        "Retained": ("OldDatabaseKept", f"{new} serves; {old} is kept {kept}, then removed"),
        "Ready": ("CopyReady", f"{new} is verified, and kept {kept}, then removed"),
        "Removing": ("Removing", f"{old} is removed with its volumes"),
        "Removed": ("Removed", f"{old} is removed"),
    }
    return *told[course.phase], ""


def hold(scene: Scene, course: Course) -> str:
    """What keeps a verified database from being switched to; empty: nothing does."""
    if course.setup is None or not course.setup.complete:
        return "ZITADEL's setup against it is under way"
    target = course.target or Target(scene.now, exact=False)
    accepted = course.order.accepted
    refusal = loss_refused(target, accepted=accepted, answers=scene.answers, zone=scene.zone)
    return refusal.message if refusal else ""


def _waiting(course: Course) -> Words:
    if course.refusal is None:
        return "Beginning", f"database {course.cluster} is being made", ""
    responsible = "" if course.refusal.reason == "AnotherRuns" else "Provider"
    return course.refusal.reason, course.refusal.message, responsible


def _switching(scene: Scene, course: Course) -> Words:
    new = course.cluster
    if course.fact is not None:
        text = f"server and login are rolled out to {new}; {course.superfluous} is untouched"
        return "RollingOut", text, ""
    holding = hold(scene, course)
    text = f"{new} is verified. {holding or 'It becomes the database of the instance'}"
    if course.setup is not None and course.setup.complete and holding:
        return "OldDatabaseAnswers", text, "Provider"
    return "SetupRuns", text, ""


def _failure(scene: Scene, course: Course) -> Words:
    """Why nothing was switched, and what is left of it."""
    reason, text = _cause(course)
    if course.known.made and course.keep_until is not None and course.order.purpose != "Drill":
        text += f". {course.cluster} is kept until {when(course.keep_until, scene.zone)} to be looked at"
    return reason, text, "Provider"


def _cause(course: Course) -> tuple[str, str]:
    new, judged, refusal = course.cluster, course.judged, course.refusal
    if refusal is not None and not refusal.waits:
        return refusal.reason, refusal.message
    if judged is not None and not judged.passed:
        return judged.reason, judged.message
    if course.known.unprepared:
        return "SetupFailed", f"ZITADEL's setup against {new} failed: read its log"
    if not course.known.made:
        return "DatabaseLost", f"{new} is gone"
    said = course.state.message if course.state else ""
    return "TookTooLong", f"{new} did not come in time; its engine says: {said}"
