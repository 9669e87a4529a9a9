"""What the service stands on fails: volumes, store, DNS, certificates, limiters' links, the operator."""

from collections.abc import Sequence
from functools import partial

from scenarios import deeds, figures
from scenarios.catalogue.losses import SPREAD, WITHOUT
from scenarios.model import Figure, Scenario, Step
from scenarios.record import Measurement
from scenarios.stage import Clients, Stage

PGDATA = "/var/lib/postgresql/data/pgdata"
STORE = ("finding/StoreNotReached", "WalArchiving", "DataProtected")
VOLUME = ("Ready", "Available", "DataProtected", "FailoverReady")
DNS_AWAY = 60.0
"""Seconds without DNS: longer than answers are kept, shorter than pods are given up."""


def surroundings(*, store_away: float) -> tuple[Scenario, ...]:
    """In their order; the limiter's last, since they use up their client's limits."""
    limits = (_limit("rate-limit-calls", "calls", 3000), _limit("rate-limit-pages", "pages", 600))
    return (*_around(), _link_lost(), *_stores(store_away), *limits)


def _around() -> tuple[Scenario, ...]:
    """Certificate, operator, DNS, links."""
    return (
        Scenario(
            name="certificate-expiring",
            promise="A certificate that ends soon is told, and a new one served, without a failed request.",
            clause="L-4",
            target="0 failed requests, told within 15 s, healed within 30 s",
            steps=_certificate,
            verdict=partial(_told_and_served, signs=("finding/CertificateExpiring",)),
            needs=frozenset({"clients", "edge", "certificate"}),
        ),
        Scenario(
            name="operator-away",
            promise="A node crashes while the operator is away: users notice no more than with it.",
            clause="K-6",
            target=f"outage < {WITHOUT:g} s, 0 acknowledged writes lost, whole again < 30 s after it is back",
            steps=_operator_away,
            verdict=_without_operator,
            needs=frozenset({"clients"}),
            seconds=420,
        ),
        Scenario(
            name="dns-down",
            promise="The cluster's DNS is away: what is connected serves on, nothing written is lost.",
            clause="B-5",
            target="0 acknowledged writes lost, whole again < 30 s after it is back",
            steps=_dns,
            verdict=_dns_verdict,
            needs=frozenset({"clients", "dns"}),
        ),
    )


def _link_lost() -> Scenario:
    return Scenario(
        name="limiter-link-lost",
        promise="The link between limiters is cut: each serves on, and the status says so.",
        clause="RL-2",
        target="outage 0 s, told within 15 s, healed within 30 s",
        steps=_link,
        verdict=partial(_served_and_told, signs=("RateLimitExact",)),
        needs=frozenset({"clients", "edge"}),
    )


def _stores(store_away: float) -> tuple[Scenario, ...]:
    """What data lies on."""
    return (
        Scenario(
            name="store-away",
            promise=f"The object store is away for {store_away:g} s: users notice nothing, it is told.",
            clause="B-3",
            target="outage 0 s, 0 acknowledged writes lost, status within 15 s and 30 s",
            steps=partial(_store, seconds=store_away),
            verdict=partial(_served_and_told, signs=STORE),
            needs=frozenset({"clients", "backups", "store"}),
            seconds=store_away + 300,
        ),
        Scenario(
            name="volume-full",
            promise="The primary's volume is full: nothing acknowledged is lost, and the status says so.",
            clause="B-5",
            target="0 acknowledged writes lost, status within 15 s and 30 s",
            steps=_volume,
            verdict=_lost_and_told,
            needs=frozenset({"clients", "own-database", "volumes"}),
            seconds=420,
        ),
    )


def _limit(name: str, clients: Clients, limit: int) -> Scenario:
    return Scenario(
        name=name,
        promise=f"A client that sends {clients} at twice its limit gets it once through all limiters.",
        clause="RL-1",
        target=f"{limit} in 60 s, and at most 1 % above that with its tolerance",
        steps=_burst,
        verdict=partial(figures.admitted, window=60.0, limit=limit),
        needs=frozenset({"clients", "edge"}),
        load=clients,
    )


def _burst(stage: Stage) -> Sequence[Step]:  # noqa: ARG001 - the clients do it
    """Nothing is broken: a window passes, and what is banned or used up is over before the next scenario."""
    return (Step("a window and more at twice the limit", deeds.nothing, what="note", hold=75),)


def _told_and_served(seen: Measurement, *, signs: tuple[str, ...]) -> Sequence[Figure]:
    return (*figures.no_failure(seen), *figures.nothing_lost(seen), *figures.honest(seen, *signs))


def _served_and_told(seen: Measurement, *, signs: tuple[str, ...]) -> Sequence[Figure]:
    return (
        *figures.load(seen),
        *figures.outage(seen, 0),
        *figures.nothing_lost(seen),
        *figures.honest(seen, *signs),
    )


def _lost_and_told(seen: Measurement) -> Sequence[Figure]:
    return (
        *figures.load(seen),
        *figures.outage(seen, None),
        *figures.nothing_lost(seen),
        *figures.honest(seen, *VOLUME),
        *figures.servers_healed(seen, *VOLUME),
    )


def _dns_verdict(seen: Measurement) -> Sequence[Figure]:
    return (
        *figures.load(seen),
        *figures.outage(seen, None),
        *figures.nothing_lost(seen),
        *figures.healed(seen, "Ready"),
    )


def _without_operator(seen: Measurement) -> Sequence[Figure]:
    """Nobody can tell anything meanwhile: what is asked for is the truth once it is back."""
    return (
        *figures.load(seen),
        *figures.outage(seen, WITHOUT),
        *figures.nothing_lost(seen),
        *figures.healed(seen, *SPREAD),
    )


def _certificate(stage: Stage) -> Sequence[Step]:
    secret = stage.certificate()
    kept = deeds.certificate_of(stage, secret)
    short = deeds.as_data(stage.short_certificate())
    return (
        Step(
            "a certificate that ends in two days",
            partial(deeds.put_certificate, stage, secret, short),
            undo=partial(deeds.put_certificate, stage, secret, kept),
            hold=30,
        ),
    )


def _operator_away(stage: Stage) -> Sequence[Step]:
    operator = stage.operator()
    count = deeds.replicas(stage, operator)
    node = deeds.pod_on(stage, "server", not_on=stage.primary_node())[1]
    return (
        Step("the operator is away", partial(deeds.scale, stage, operator, 0), hold=5, settle=False),
        Step(
            f"{node} crashes",
            partial(stage.provider.break_node, node, "crash"),
            undo=partial(stage.provider.heal_node, node),
            hold=40,
            settle=False,
        ),
        Step(
            "the operator is back",
            partial(deeds.scale, stage, operator, count),
            what="heal",
        ),
    )


def _dns(stage: Stage) -> Sequence[Step]:
    off, on = partial(deeds.dns_off, stage), partial(deeds.dns_on, stage)
    return (Step("DNS is away", off, undo=on, hold=DNS_AWAY),)


def _store(stage: Stage, *, seconds: float) -> Sequence[Step]:
    store = stage.store()
    count = deeds.replicas(stage, store)
    away, back = partial(deeds.scale, stage, store, 0), partial(deeds.scale, stage, store, count)
    return (Step("the object store is away", away, undo=back, hold=seconds, patience=180), deeds.TOLD_AFTER)


def _volume(stage: Stage) -> Sequence[Step]:
    pod = stage.database_pod()
    fill = partial(deeds.fill_volume, stage, pod, PGDATA)
    free = partial(deeds.free_volume, stage, pod)
    return (Step(f"the volume of {pod} is full", fill, undo=free, hold=30, patience=240),)


def _link(stage: Stage) -> Sequence[Step]:
    lost = Step("limiters do not reach each other", stage.cut_peers, undo=stage.join_peers, hold=40)
    return (lost, deeds.TOLD_AFTER)
