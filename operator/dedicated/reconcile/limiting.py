"""The limiter in one pass: when it is made, when it stands, and what of it waits for nobody.

It comes after the server, and the way in comes after it. It stands once its pods were ready in two zones at
least: then its Service is made, and server and login are closed to everybody else, unless no way to it can be
made. In shadow mode they stay open, so that clients can be led to it before. The Service is the memory of
that: what has stood goes on standing, however its pods fare, so that a bad moment opens no way past it.
Its configuration is a change of what runs, not of pods: a new policy is applied at once, outside of turns and
slots. What the operator alone renders anew waits for the instance's turn; pods wait for turn and slot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.findings import Finding
from dedicated.api.json import Manifest, digest, get_str
from dedicated.api.names import ANNOTATION_APPLIED, LABEL_COMPONENT
from dedicated.api.objects import SECRET, STATEFUL_SET, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract.availability import READY_ZONES
from dedicated.contract.dates import earliest
from dedicated.contract.rate_limits import InForce, policy_in_force
from dedicated.parts import server
from dedicated.parts.edge import entries
from dedicated.parts.edge.entry import tls_secret
from dedicated.parts.limiter import names, objects, objects_network, objects_pod, peers
from dedicated.parts.limiter.names import COMPONENT, HASH_KEY, MOST_REPLICAS
from dedicated.parts.limiter.objects import LimiterWanted
from dedicated.parts.limiter.objects_files import files_of, memory_of
from dedicated.parts.wanted import Wanted
from dedicated.reconcile.actions import Apply, CreatePeers
from dedicated.reconcile.observed import Observed

MISSING = "LimiterImageMissing"


@dataclass(frozen=True, slots=True)
class Limiting:
    """What is judged of the limiter; all of it empty without `spec.edge`.

    `in_force` is the policy now. `creates` makes the Secret of the link where one is due. The policy, or the
    link, changes by itself at `wake_at`.
    """

    in_force: InForce | None = None
    wanted: LimiterWanted | None = None
    stands: bool = False
    creates: tuple[CreatePeers, ...] = ()
    findings: tuple[Finding, ...] = ()
    wake_at: datetime | None = None


NO_LIMITER = Limiting()


@dataclass(frozen=True, slots=True)
class Steps:
    """Manifests of the limiter that should exist now, what is left alone, and what is waited for."""

    manifests: tuple[Manifest, ...] = ()
    untouched: frozenset[Ref] = frozenset()
    waiting: str = ""


def judge(instance: Instance, observed: Observed, *, zones: int, now: datetime) -> Limiting:
    """Judge one snapshot. `zones` are those in force (S-2)."""
    edge = instance.spec.edge
    if edge is None:
        return NO_LIMITER
    found = policy_in_force(instance.spec.rate_limit, observed.facts, now=now)
    stands = has_stood(instance, observed) or is_ready(instance, observed)
    if not (observed.agent_image and observed.limiter_image):
        return Limiting(found, stands=stands, findings=(_missing(observed),), wake_at=found.wake_at)
    replicas = min(MOST_REPLICAS, max(READY_ZONES, zones))
    secrets = {ref.name: child for ref, child in observed.children.items() if ref.kind == SECRET.kind}
    current = peers.newest(instance.name, secrets)
    wanted = LimiterWanted(
        instance=instance,
        image=observed.limiter_image,
        agent_image=observed.agent_image,
        replicas=replicas,
        zones=zones,
        memory=memory_of(instance, replicas=replicas),
        files=files_of(instance, found.policy, replicas=_there(instance, observed, replicas)),
        tls_secret=tls_secret(instance) if edge.terminates_tls else "",
        peers=current,
        peers_mark=digest(secrets[current].uid) if current else "",
        stands=stands,
        closes=stands and found.policy.mode == "Enforce" and _is_reached(instance, observed),
    )
    due = peers.due(instance.name, current, now)
    renewal = peers.renewed_at(instance.name, current, now) if current and not due else None
    return Limiting(
        found,
        wanted,
        stands=stands,
        creates=(CreatePeers(due, current),) if due else (),
        wake_at=earliest(found.wake_at, renewal),
    )


def has_stood(instance: Instance, observed: Observed) -> bool:
    """Whether the limiter was ready once: its Service tells, also where somebody has just deleted it."""
    service = names.service_ref(instance.name)
    return service in observed.children or service in observed.deleted


def is_ready(instance: Instance, observed: Observed) -> bool:
    """Whether its pods are, in as many zones as an instance needs to be Ready: each is in one of its own."""
    state = observed.stateful_sets.get(names.limiter_name(instance.name))
    return state is not None and state.rolled_out and state.ready >= READY_ZONES


def _there(instance: Instance, observed: Observed, replicas: int) -> int:
    """The replicas that the files are for: those that there are. Where a change of their number waits, a peer
    that is not there yet would be missed, and one that is still there would count for itself."""
    state = observed.stateful_sets.get(names.limiter_name(instance.name))
    return replicas if state is None else min(MOST_REPLICAS, max(READY_ZONES, state.replicas))


def _is_reached(instance: Instance, observed: Observed) -> bool:
    """Whether there can be a way to it: where the cluster does not know what ways in are made of, to close
    the others would lock everybody out. What there is counts: a starting API server denies kinds for a
    moment."""
    ways = [ref_of(item) for item in entries.manifests(instance)]
    made = (ref in observed.children or ref.kind not in observed.edge.missing for ref in ways)
    return not ways or any(made)


def steps(wanted: Wanted, observed: Observed) -> Steps:
    """What of the limiter should exist at this moment. Its policy is one of `parts.network`."""
    limiter = wanted.limiter
    if limiter is None:
        return Steps()
    own = names.stateful_set_ref(wanted.name)
    base = (*objects.standing(limiter), *objects_network.services(limiter))
    state = observed.deployment(wanted.name, server.COMPONENT)
    served = state is not None and state.served
    waiting = f"rolling out the limiter{_cause(observed)}" if served else "the limiter follows the server"
    waiting = "" if limiter.stands else waiting
    if limiter.stands:
        base = (*base, objects.way_in(limiter))
    if not limiter.peers or not (served or own in observed.children):
        return Steps(base, frozenset({own}), waiting)
    return Steps((*base, objects_pod.stateful_set(limiter)), waiting=waiting)


def is_run_time(action: Apply, observed: Observed) -> bool:
    """Whether an apply changes what runs for another reason than the operator: a limiter that is new, and a
    policy that is. It waits for no turn."""
    if get_str(action.manifest, "metadata", "labels", LABEL_COMPONENT) != COMPONENT:
        return False
    if action.ref not in observed.children:
        return True
    told = get_str(action.manifest, "data", HASH_KEY)
    return told not in ("", observed.limiter_hash)


def awaits_turn(limiter: LimiterWanted, observed: Observed) -> bool:
    """Whether the agents are given other files than those wanted, of the same policy: these wait."""
    child = observed.children.get(names.files_ref(limiter.instance.name))
    mark = get_str(objects.files(limiter), "metadata", "annotations", ANNOTATION_APPLIED)
    same = limiter.files.data[HASH_KEY] == observed.limiter_hash
    return same and child is not None and child.applied != mark


def out_of_slots(manifests: tuple[Manifest, ...]) -> Iterator[Ref]:
    """What of the limiter waits for no slot: all but its pods."""
    for manifest in manifests:
        if get_str(manifest, "metadata", "labels", LABEL_COMPONENT) == COMPONENT:
            ref = ref_of(manifest)
            if ref.kind != STATEFUL_SET.kind:
                yield ref


def _cause(observed: Observed) -> str:
    stuck = [pod for pod in observed.pods if pod.component == COMPONENT and pod.problem]
    return f"; pod {stuck[0].name}: {stuck[0].problem}" if stuck else ""


def _missing(observed: Observed) -> Finding:
    which = "--limiter-image" if observed.agent_image else "--agent-image"
    return Finding(
        code=MISSING,
        responsible="Provider",
        message=f"no limiter can be made: the operator was started without {which}; nothing is changed",
        action=f"set {which}, as the operator's chart does",
        blocks="Stalled",
    )
