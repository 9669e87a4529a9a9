"""The key bundle in a pass: what is to be kept, whether it is, and the Job that is made for it.

One Job at a time. One that was carried out is taken away, and so is one that failed, or that gets nowhere and
would write what is no longer so; then the next is made, by what the record says was written. A Job of what is
no longer so is let end while it works: what it packs is what it finds.

`KeysEscrowed` is judged of every instance. Where an engine of ours keeps the database it counts in
`DataProtected`: its backups are worth nothing without the keys. With engine `external` and no `keyBundle` it
is `Unknown`, and nothing is asked for.
"""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import KEYS_ESCROWED, Condition, rfc3339
from dedicated.api.findings import Finding
from dedicated.api.json import JsonValue, Manifest, array, digest, get_str
from dedicated.api.objects import CONFIG_MAP, JOB, ROLE_BINDING, Ref
from dedicated.api.resource import Instance
from dedicated.contract.facts import KeysOpened
from dedicated.contract.places import place_of_bucket
from dedicated.contract.recovery.escrow import (
    Attempt,
    Marks,
    Opener,
    Report,
    Written,
    keys_escrowed,
    next_change,
    owed,
)
from dedicated.contract.residency import may_hold
from dedicated.parts import config, escrow, measured
from dedicated.parts.escrow import EscrowWanted
from dedicated.parts.wanted import Wanted
from dedicated.reconcile.actions import Action, Ask, Delete
from dedicated.reconcile.location import Located
from dedicated.reconcile.observed import Observed

NOT_CONFIGURED = "spec.keyBundle is not set: with this cluster the keys would be lost, and with them the data"
ACTIONS = {
    "NotConfigured": "set spec.keyBundle: recipients of provider and customer, and a bucket of its own",
    "WriteFailed": "mend the cause; it is tried again by itself",
    "LedgerStale": "look at the pod of the Job: kubectl get pods -l app.kubernetes.io/component=escrow",
    "SecretMissing": "bring the Secret back",
    "OutsideRegion": "name a bucket inside the data location",
    "AgentMissing": "set --agent-image to the operator's own image, as its chart does",
}
"""Reason of `KeysEscrowed` that lasts, and what to do."""


@dataclass(frozen=True, slots=True)
class Escrow:
    """What is said of the key bundle. `wanted` is None where none can be written, `marks` where there are no
    keys to be kept; `hindered` says why nothing can be written now."""

    condition: Condition
    findings: tuple[Finding, ...] = ()
    status: Manifest | None = None
    wanted: EscrowWanted | None = None
    marks: Marks | None = None
    hindered: bool = False
    wake_at: datetime | None = None


def judge(
    instance: Instance,
    observed: Observed,
    wanted: Wanted | None,
    located: Located,
    *,
    serving: str,
    zone: str,
    now: datetime,
) -> Escrow:
    """Judge what is kept. `serving` is the release known to the database, empty before the first."""
    spec = instance.spec.key_bundle
    if spec is None:
        engine = instance.spec.database.engine != "external"
        condition = Condition(
            KEYS_ESCROWED, "False" if engine else "Unknown", "NotConfigured", NOT_CONFIGURED
        )
        return Escrow(condition, _findings(condition))
    report, since = _believed(instance, observed), observed.escrowed.made if observed.escrowed else None
    making = _wanted(instance, observed, wanted, serving=serving) if wanted else None
    marks = _marks(making, observed) if making else None
    attempt = observed.escrowing[0] if observed.escrowing else None
    hindrance = _hindrance(instance, observed, located)
    opened = max((fact.at for fact in observed.facts if isinstance(fact, KeysOpened)), default=None)
    condition = hindrance or keys_escrowed(
        marks, report, attempt, since=since, opened=opened, zone=zone, now=now
    )
    return Escrow(
        condition=condition,
        findings=_findings(condition),
        status=_status(report, opened) if report else None,
        wanted=making,
        marks=marks,
        hindered=hindrance is not None or any(not version for version in observed.bundled.values()),
        wake_at=next_change(marks, report, attempt, since=since, now=now),
    )


def actions(instance: Instance, observed: Observed, judged: Escrow, *, now: datetime) -> tuple[Action, ...]:
    """The Job that is owed, and those to be taken away first."""
    ours = {
        ref: child
        for ref, child in observed.children.items()
        if ref.kind == JOB.kind and child.component == escrow.COMPONENT
    }
    marks, wanted, report = judged.marks, judged.wanted, _believed(instance, observed)
    under_way = {attempt.name: attempt for attempt in observed.escrowing}
    over = [
        Delete(ref, child.uid)
        for ref, child in sorted(ours.items())
        if not child.deleting and _is_over(under_way.get(ref.name), instance, marks, report, observed)
    ]
    if ours or judged.hindered or wanted is None or marks is None or not _stands(wanted, observed):
        return tuple(over)
    due = owed(marks, report, now=now)
    return (Ask(escrow.job(wanted, marks, due, report)),) if due.anything else ()


def is_kept(instance: Instance, observed: Observed, judged: Escrow, *, now: datetime) -> bool:
    """Whether bundle and ledger hold what there is now, and not what there was a moment ago."""
    if judged.condition.status != "True" or judged.marks is None:
        return False
    due = owed(judged.marks, _believed(instance, observed), now=now)
    return not due.anything and due.ledger_at is None


def _is_over(
    attempt: Attempt | None,
    instance: Instance,
    marks: Marks | None,
    report: Report | None,
    observed: Observed,
) -> bool:
    """Whether a Job was carried out, gave up, or gets nowhere with what is no longer so."""
    if attempt is None or attempt.failed:
        return True
    if observed.is_stranded(attempt.image, escrow.COMPONENT, failures=attempt.failures):
        return True
    if marks is None or attempt.name == escrow.job_name(instance, marks, report):
        return False
    pods = (pod for pod in observed.pods if pod.component == escrow.COMPONENT and not pod.finished)
    return attempt.failures > 0 or any(pod.problem for pod in pods)


def _stands(wanted: EscrowWanted, observed: Observed) -> bool:
    """Whether the record and the right to write it are there."""
    needed = {Ref(CONFIG_MAP.kind, wanted.name), Ref(ROLE_BINDING.kind, wanted.name)}
    return needed <= observed.children.keys()


def _believed(instance: Instance, observed: Observed) -> Report | None:
    report = observed.escrowed.report if observed.escrowed else None
    return report if report is not None and report.incarnation == instance.meta.uid else None


def _wanted(instance: Instance, observed: Observed, wanted: Wanted, *, serving: str) -> EscrowWanted | None:
    spec = instance.spec.key_bundle
    if spec is None or not observed.agent_image:
        return None
    config_maps = (f"{instance.name}-identity", *_configuration(wanted, observed), *_months(observed))
    return EscrowWanted(
        instance=instance,
        image=observed.agent_image,
        bundle=spec,
        secrets=escrow.secrets_of(instance),
        config_maps=config_maps,
        versions={
            "zitadel": serving or wanted.release.version,
            "wanted": wanted.release.version,
            "serverImage": wanted.release.server_image,
            "loginImage": wanted.release.login_image,
        },
    )


def _configuration(wanted: Wanted, observed: Observed) -> tuple[str, ...]:
    """The configuration that is wanted, once it is there; until then the one that is."""
    name = config.name_of(wanted)
    there = sorted(
        ref.name
        for ref, child in observed.children.items()
        if ref.kind == CONFIG_MAP.kind and child.component == config.COMPONENT
    )
    return (name,) if name in there else tuple(there[:1])


def _months(observed: Observed) -> tuple[str, ...]:
    return tuple(sorted(ref.name for ref in _month_children(observed)))


def _month_children(observed: Observed) -> dict[Ref, str]:
    return {
        ref: child.resource_version
        for ref, child in observed.children.items()
        if ref.kind == CONFIG_MAP.kind and child.component == measured.COMPONENT
    }


def _marks(making: EscrowWanted, observed: Observed) -> Marks | None:
    """None without a masterkey that is the right one: then nothing is written."""
    identity = observed.identity
    if identity is None or observed.masterkey.fingerprint != identity.masterkey:
        return None
    instance, months = making.instance, {*_months(observed)}
    names = sorted(reading.name for reading in observed.readings)
    spec = digest(escrow.spec_of(instance))
    bundle: list[JsonValue] = [
        identity.masterkey,
        dict(observed.bundled),
        spec,
        [name for name in making.config_maps if name not in months],
        dict(making.versions),
    ]
    ledger: list[JsonValue] = [
        spec,
        array(names),
        {asked.name: asked.generation for asked in observed.asked},
        {ref.name: version for ref, version in _month_children(observed).items()},
    ]
    orders: Manifest = {order.name: get_str(order.status, "state") for order in observed.orders}
    orders |= {order.name: order.told for order in observed.restores}
    ledger += [orders] if orders else []
    return Marks(digest(bundle), digest(ledger))


def _hindrance(instance: Instance, observed: Observed, located: Located) -> Condition | None:
    """Why nothing can be written, whatever is owed."""
    spec = instance.spec.key_bundle
    assert spec is not None
    where = spec.repository
    if not observed.agent_image:
        return _cannot("AgentMissing", "no Job can be made: the operator was started without --agent-image")
    place = place_of_bucket(where.endpoint, where.region)
    if located.allowed is not None and not may_hold(place, allowed=located.allowed, atlas=observed.atlas):
        text = (
            f"bucket {where.bucket} ({place}) is not known to be inside the data location; nothing is written"
        )
        return _cannot("OutsideRegion", text)
    missing = sorted(name for name, version in observed.bundled.items() if not version)
    if missing and observed.escrowed is not None and observed.masterkey.found:
        return _cannot("SecretMissing", f"nothing is written without Secret {missing[0]}")
    return None


def _cannot(reason: str, text: str) -> Condition:
    return Condition(KEYS_ESCROWED, "False", reason, text)


def _findings(condition: Condition) -> tuple[Finding, ...]:
    action = ACTIONS.get(condition.reason)
    if condition.status != "False" or action is None:
        return ()
    return (
        Finding(code="KeysNotEscrowed", responsible="Provider", message=condition.message, action=action),
    )


def _status(report: Report, opened: datetime | None) -> Manifest | None:
    """`status.keyBundle`; None before the first bundle."""
    bundle, ledger = report.bundle, report.ledger
    if bundle is None:
        return None
    found: Manifest = {
        "fingerprint": report.fingerprint,
        **_object(bundle),
        "recipients": [_recipient(opener) for opener in bundle.openers],
    }
    found |= {"openedAt": rfc3339(opened)} if opened else {}
    return found | ({"ledger": _object(ledger)} if ledger else {})


def _object(written: Written) -> Manifest:
    return {
        "number": written.number,
        "object": written.object,
        "sha256": written.sha256,
        "writtenAt": rfc3339(written.at),
    }


def _recipient(opener: Opener) -> JsonValue:
    return {"role": opener.role, "fingerprint": opener.fingerprint}
