"""Whatever is in a Secret stays there: in no log, event, status, metric, command line, nor in what we write.

Values are planted in every Secret that an instance reads, and taken from those that the operator makes. What
it writes elsewhere is seen whole by the fault proxy between it and the API server.
"""

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from api.export_examples import FULL
from api.export_examples import order as export_order
from api.key_examples import KEY_BUNDLE
from cluster.engine_stage import arguments, clustered, found_good, install_engines, ordered
from cluster.instances import condition, instance, wait_for
from cluster.observing import SECONDS, is_applied, secret, wait_applied
from cluster.restore_stage import restore_stage
from cluster.standing import SIMULATED, Standing, until
from dedicated.api.json import JsonValue, Manifest, canonical, get_map, get_str
from dedicated.api.objects import (
    CONFIG_MAP,
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_EXPORT,
    INSTANCE_RESTORE,
    JOB,
    PERCONA_BACKUP,
    PERCONA_CLUSTER,
    POD,
    RECORD,
    SECRET,
    SERVICE,
    Kind,
)
from engines.simulator import Simulator, playing
from faultproxy import FaultProxy, fault_proxy
from hidden import found_in, hidden_values
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

MASTERKEY = "Planted-masterkey-of-32-letters-"
PASSWORD, NEXT_PASSWORD = "planted-database-password", "planted-database-password-two"
FIRST_PASSWORD, FOREIGN = "Planted-first-password-1!", "planted-foreign-value"
BROKEN = "planted-in-a-broken-address"
ACCESS, STORE, PASSPHRASE = "Planted-access-key", "Planted-store-secret", "Planted-cipher-passphrase"
FAILURE = "no space left"
PGUSER = "acme-database-pguser-zitadel"


def dsn(password: str) -> str:
    return f"postgresql://acme:{password}@db.example.test:5432/acme"


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[FaultProxy]:
    with fault_proxy(server=cluster.state.server, ca=cluster.ca) as found:
        yield found


def test_what_is_in_a_secret_is_told_nowhere(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator, proxy: FaultProxy
) -> None:
    api, namespace = cluster.api, make_namespace(labels=SIMULATED)
    at = Standing(cluster, namespace, run_operator(namespace, watch=(namespace,), server=proxy.url))
    for planted in (
        secret(namespace, "own-key", masterkey=MASTERKEY),
        secret(namespace, "database", dsn=dsn(PASSWORD)),
        secret(namespace, "first", word=FIRST_PASSWORD),
        secret(namespace, "foreign", token=FOREIGN),
    ):
        api.create(planted)
    admin: JsonValue = {"passwordSecretRef": {"name": "first", "key": "word"}}
    own: JsonValue = {"masterkey": {"secretRef": {"name": "own-key"}}}
    api.create(instance(namespace, keys=own, firstInstance={"admin": admin}))
    wait_applied(api, namespace)
    _live_through_a_lot(at)
    at.rest()

    values = {f"planted {value}": value for value in (PASSWORD, NEXT_PASSWORD, BROKEN)}
    for body in api.list(SECRET, namespace):
        name = get_str(body, "metadata", "name")
        values |= {f"{name}/{field}": value for field, value in hidden_values(body).items()}
    holders = {name.partition("/")[0] for name in values}
    assert holders >= {"own-key", "first", "foreign", "database", "acme-operator-key", "acme-login-key"}
    for where, text in {**_places(at), **_written(proxy)}.items():
        assert [what for what, value in values.items() if found_in(text, value)] == [], where


def _live_through_a_lot(at: Standing) -> None:
    """Rotation, an address that makes no sense, drift, an invalid release, a restart."""
    api, namespace = at.api, at.namespace
    api.apply(secret(namespace, "database", dsn=dsn(NEXT_PASSWORD)))
    wait_for(api, namespace, lambda body: not is_applied(body), what="the rollout on new credentials")
    wait_applied(api, namespace)
    api.apply(secret(namespace, "database", dsn=f"postgresql://acme:{BROKEN}@:port/acme?sslmode={BROKEN}"))
    until(lambda: "DatabaseSecretInvalid" in str(at.body()), "the finding")
    api.apply(secret(namespace, "database", dsn=dsn(NEXT_PASSWORD)))
    wait_applied(api, namespace)
    api.delete(SERVICE, namespace, "acme-login")
    until(lambda: api.find(SERVICE, namespace, "acme-login") is not None, "the Service again")
    api.patch(INSTANCE, namespace, "acme", {"spec": {"release": {"version": "v9.9.9"}}})
    until(lambda: condition(at.body(), "Stalled")["status"] == "True", "stalled")


def test_what_is_in_the_secrets_of_an_engine_is_told_nowhere(
    cluster: Cluster,
    crds: None,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    proxy: FaultProxy,
    tmp_path: Path,
) -> None:
    install_engines(cluster)
    api, namespace = cluster.api, make_namespace(labels=SIMULATED)
    extra = arguments(tmp_path)
    operator = run_operator(namespace, watch=(namespace,), server=proxy.url, extra=extra)
    at = Standing(cluster, namespace, operator)
    api.create(secret(namespace, "repository", **{"access-key-id": ACCESS, "secret-access-key": STORE}))
    api.create(secret(namespace, "passphrase", passphrase=PASSPHRASE))
    api.create(clustered(namespace, "percona"))
    with playing(Simulator(api, namespace, dsn(PASSWORD))) as engine:
        found_good(cluster, namespace)
        wait_applied(api, namespace)
        until(lambda: _backups(at) == ["Succeeded"], "the first backup")
        engine.failing = f"the store answers: {FAILURE}"
        api.create(ordered(namespace, "fails", "Full"))
        until(lambda: FAILURE in str(api.get(INSTANCE_BACKUP, namespace, "fails")), "a failed order")
        _rotate(at)
        at.rest()

    values = {f"planted {value}": value for value in (ACCESS, STORE, PASSPHRASE, PASSWORD, NEXT_PASSWORD)}
    for body in api.list(SECRET, namespace):
        name = get_str(body, "metadata", "name")
        values |= {f"{name}/{field}": value for field, value in hidden_values(body).items()}
    holders = {name.partition("/")[0] for name in values}
    assert holders >= {"repository", "passphrase", PGUSER, "acme-database-pguser-dedicated-monitor"}
    orders = {"orders": str(api.list(INSTANCE_BACKUP, namespace))}
    for where, text in {**_places(at), **_written(proxy), **orders}.items():
        assert [what for what, value in values.items() if found_in(text, value)] == [], where


def test_what_jobs_beside_an_instance_are_given_is_told_nowhere(
    cluster: Cluster,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    proxy: FaultProxy,
    tmp_path: Path,
) -> None:
    """Key bundle, export and verification. What their processes say is looked at where they run for real, in
    `tests/lab`."""
    proxied = partial(run_operator, server=proxy.url)
    with restore_stage(cluster, make_namespace, proxied, tmp_path, kind=PERCONA_CLUSTER) as stage:
        api, namespace = stage.api, stage.namespace
        for name in ("repository", "escrow", "acme-exports"):
            keys = {"access-key-id": f"{ACCESS}-{name}", "secret-access-key": f"{STORE}-{name}"}
            api.apply(secret(namespace, name, **keys))
        api.apply(secret(namespace, "passphrase", passphrase=PASSPHRASE))
        stage.ask("clone", "Clone")
        api.patch(INSTANCE, namespace, "acme", {"spec": {"keyBundle": KEY_BUNDLE}})
        destination: Manifest = {**get_map(KEY_BUNDLE, "repository"), "secretName": "acme-exports"}
        asked = export_order({**FULL, "destination": destination})
        api.create({**asked, "metadata": {"name": "out", "namespace": namespace}})
        escrow, jobs = "acme-escrow-", {"clone-verdict", "acme-export"}
        until(lambda: _written_of(proxy, JOB) >= jobs, "the Jobs", seconds=SECONDS)
        until(
            lambda: any(name.startswith(escrow) for name in _written_of(proxy, JOB)), "the bundle's Job"
        )
        values = {
            f"{get_str(body, 'metadata', 'name')}/{field}": value
            for body in api.list(SECRET, namespace)
            for field, value in hidden_values(body).items()
        }
        holders = {name.partition("/")[0] for name in values}
        assert holders >= {"repository", "escrow", "acme-exports", "passphrase", "acme-masterkey"}
        kinds = (JOB, CONFIG_MAP, RECORD, INSTANCE_RESTORE, INSTANCE_EXPORT)
        objects = {kind.kind: str(api.list(kind, namespace)) for kind in kinds}
        at = Standing(cluster, namespace, stage.operator)
        for where, text in {**_places(at), **_written(proxy), **objects}.items():
            assert [what for what, value in values.items() if found_in(text, value)] == [], where


def _written_of(proxy: FaultProxy, kind: Kind) -> set[str]:
    """Names of the objects of a kind that the operator wrote."""
    asked = (exchange.asked for exchange in proxy.writes() if exchange.asked.resource == kind.plural)
    return {get_str(one.body, "metadata", "name") for one in asked}


def _backups(at: Standing) -> list[str]:
    return [get_str(item, "status", "state") for item in at.api.list(PERCONA_BACKUP, at.namespace)]


def _rotate(at: Standing) -> None:
    """Another password of the engine's, then none at all, then again one."""
    api, namespace = at.api, at.namespace
    good = get_map(api.get(SECRET, namespace, PGUSER), "data")
    for password, word in ((NEXT_PASSWORD, "the rollout"), ("", "the finding"), (PASSWORD, "the rollout")):
        data: Manifest = {**good, "password": base64.b64encode(password.encode()).decode()}
        api.patch(SECRET, namespace, PGUSER, {"data": data})
        wait_for(api, namespace, lambda body: not is_applied(body), what=word)
    wait_applied(api, namespace)


def _places(at: Standing) -> dict[str, str]:
    """Everywhere that the operator tells something."""
    return {
        "log": at.operator.log.read_text(),
        "status": str(at.body()),
        "events": str(at.api.list("events.k8s.io/v1/events", at.namespace)),
        "metrics": at.operator.http("/metrics")[1],
        "health": at.operator.http("/healthz")[1],
        "command lines": _command_lines(),
        "pods": str(at.api.list(POD, at.namespace)),
    }


def _written(proxy: FaultProxy) -> dict[str, str]:
    """What the operator wrote, Secrets apart: they are where such values belong."""
    asked = (exchange.asked for exchange in proxy.writes() if exchange.asked.resource != SECRET.plural)
    found = {f"{one} (write {one.write})": canonical(one.body).decode() for one in asked}
    assert len(found) > 30
    return found


def _command_lines() -> str:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return "\n".join(lines)
