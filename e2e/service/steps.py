"""From a running cluster to an instance that is Ready behind its public name. Each step may be done again.

The order is that of a real first installation: operator, what the customer brings (store, database,
certificate, agreement), the instance, and then its name in DNS, since only then there is an address for it.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dedicated.api.conditions import RATE_LIMIT_ENFORCED, READY
from dedicated.api.json import Manifest, get_str
from images.trust import authority
from service import (
    bucket_access,
    certificates,
    cloudnativepg,
    database,
    instance,
    openers,
    operator,
    pods,
    store,
    waiting,
)
from service.instance import Engine
from service.provider import Image, Provider
from testbed.client import Api
from testbed.pki import Authority

IMAGES: tuple[Image, ...] = ("operator", "zitadel", "login", "haproxy", "s3")
READY_SECONDS = 300.0
LIMITS_SECONDS = 180.0
Lines = Iterator[str]


@dataclass(frozen=True, slots=True)
class Service:
    """The whole service on one cluster."""

    provider: Provider
    engine: Engine = "external"

    @property
    def authority(self) -> Authority:
        """Of the public name and of the store: one that our images trust."""
        return authority()

    def steps(self) -> tuple[tuple[str, Callable[[], Lines]], ...]:
        """What is done, in this order, each with its title."""
        return (
            ("images into every node", self.load),
            ("operator by its chart", self.install_operator),
            ("object store", self.start_store),
            (f"database, engine {self.engine}", self.start_database),
            ("instance", self.create_instance),
            ("public name", self.publish_name),
            ("instance Ready", self.wait_ready),
            ("rate limits proven", self.wait_limits),
        )

    def load(self) -> Lines:
        """Images that the service needs; those of the engine come with it."""
        needed: tuple[Image, ...] = (*IMAGES, "postgresql") if self.engine == "external" else IMAGES
        self.provider.load(needed)
        yield ", ".join(needed)

    def install_operator(self) -> Lines:
        """The chart; then which pod leads, and how long each took to start."""
        operator.install(self.provider, self.authority.certificate.read_text())
        waiting.until(lambda: bool(operator.leader(self.provider)), "a leader", seconds=60)
        leads = operator.leader(self.provider)
        for pod in operator.started(self.provider):
            role = "leads" if leads.startswith(pod.name) else "stands by"
            yield f"{pod.name} on {pod.node}: ready after {pod.seconds:.0f} s, {role}"

    def start_store(self) -> Lines:
        """The object store with its buckets."""
        api = self.provider.api
        api.apply(pods.namespace(store.NAMESPACE))
        hosts = certificates.service_hosts(store.NAME, store.NAMESPACE)
        self._certificate(store.NAMESPACE, store.TLS_SECRET, hosts)
        if api.find("v1/secrets", store.NAMESPACE, store.CONFIG_SECRET) is None:
            made = {bucket: secrets.token_urlsafe(24) for bucket in (store.BACKUPS, store.KEYS)}
            api.apply(store.identities(made))
        for manifest in store.manifests(self.provider.image("s3"), self.provider.storage_class):
            api.apply(manifest)
        waiting.rollout(self.provider, store.NAMESPACE, f"statefulset/{store.NAME}")
        there = self._weed("s3.bucket.list").split()
        for bucket in (store.BACKUPS, store.KEYS):
            if bucket not in there:
                self._weed(f"s3.bucket.create -name {bucket}")
                self._weed(f"s3.bucket.versioning -name {bucket} -enable")
        api.apply(store.credentials(store.NAMESPACE, bucket_access.SECRET, store.BACKUPS, self._passwords()))
        bucket_access.encrypt(self.provider, store.BACKUPS, store.KEYS)
        yield f"https://{store.endpoint()}, buckets {store.BACKUPS} and {store.KEYS}"

    def start_database(self) -> Lines:
        """A server that somebody else runs, or the engine's operator."""
        if self.engine == "cloudnative-pg":
            cloudnativepg.install(self.provider, self.authority)
            yield "CloudNativePG and its Barman plugin, two replicas each"
            return
        api = self.provider.api
        for name in (database.NAMESPACE, instance.NAMESPACE):
            api.apply(pods.namespace(name))
        hosts = certificates.service_hosts(database.NAME, database.NAMESPACE)
        self._certificate(database.NAMESPACE, database.TLS_SECRET, hosts)
        if api.find("v1/secrets", instance.NAMESPACE, instance.DATABASE_SECRET) is None:
            login = database.new_login()
            api.apply(database.password_secret(login))
            api.apply(pods.secret(instance.NAMESPACE, instance.DATABASE_SECRET, {"dsn": login.dsn}))
        image = self.provider.image("postgresql")
        for manifest in database.manifests(image, self.provider.storage_class):
            api.apply(manifest)
        waiting.rollout(self.provider, database.NAMESPACE, f"statefulset/{database.NAME}")
        yield f"{database.NAME}.{database.NAMESPACE}.svc"

    def prepare_namespace(self) -> Lines:
        """The instance's namespace: certificate, the store's credentials, who speaks for which side."""
        api = self.provider.api
        api.apply(pods.namespace(instance.NAMESPACE))
        self._certificate(instance.NAMESPACE, instance.TLS_SECRET, (instance.DOMAIN,))
        passwords = self._passwords()
        for name, bucket in ((instance.BACKUP_SECRET, store.BACKUPS), (instance.KEYS_SECRET, store.KEYS)):
            api.apply(store.credentials(instance.NAMESPACE, name, bucket, passwords))
        api.apply(instance.binding(instance.PROVIDER, operator.PROVIDER_ROLE))
        api.apply(instance.binding(instance.CUSTOMER, operator.CUSTOMER_ROLE))
        yield f"namespace {instance.NAMESPACE}"

    def create_instance(self) -> Lines:
        """What the instance needs beside it, the agreements, and the DedicatedInstance."""
        yield from self.prepare_namespace()
        api = self.provider.api
        for clause in instance.agreed(self.engine):
            if api.find(instance.RECORDS, instance.NAMESPACE, instance.record_of(clause)) is None:
                agreement = instance.agreement(clause, now=datetime.now(UTC))
                as_user(api, instance.PROVIDER).create(agreement)
        api.apply(instance.manifest(self.engine, self.surroundings()))
        yield f"dedicatedinstance/{instance.NAME} in namespace {instance.NAMESPACE}"

    def surroundings(self) -> instance.Surroundings:
        """What of this cluster an instance names."""
        return instance.Surroundings(
            balancer=self.provider.balancer,
            storage_class=self.provider.storage_class,
            postgresql_image=self.provider.image("postgresql"),
            recipients=openers.recipients(self.provider.home),
        )

    def publish_name(self) -> Lines:
        """The public name leads to the balancer, for pods; the machine is told the address."""
        waiting.until(
            lambda: bool(address(self.provider)),
            "an address of the balancer",
            seconds=READY_SECONDS,
            why=lambda: waiting.explain(self.provider),
        )
        self.provider.publish(instance.DOMAIN, address(self.provider))
        yield f"{instance.DOMAIN} is {address(self.provider)}"

    def wait_ready(self) -> Lines:
        """Until the instance is Ready."""
        yield from self._await(READY, READY_SECONDS)

    def wait_limits(self) -> Lines:
        """Until every replica of the limiter is proven."""
        yield from self._await(RATE_LIMIT_ENFORCED, LIMITS_SECONDS)

    def down(self) -> None:
        """Take the service away from a cluster that is to stay; what was stored goes with it.

        The operator goes first, and with it what protects an instance from deletion.
        """
        provider = self.provider
        operator.uninstall(provider)
        if provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME):
            gone: Manifest = {"metadata": {"finalizers": None}}
            provider.api.delete(instance.RESOURCE, instance.NAMESPACE, instance.NAME)
            provider.api.patch(instance.RESOURCE, instance.NAMESPACE, instance.NAME, gone)
        for name in (instance.NAMESPACE, database.NAMESPACE, store.NAMESPACE, operator.NAMESPACE):
            provider.kubectl("delete", "namespace", name, "--ignore-not-found", seconds=120)
        provider.withdraw(instance.DOMAIN)

    def _await(self, kind: str, seconds: float) -> Lines:
        told: list[str] = []
        took = waiting.conditions(self.provider, kind, seconds=seconds, tell=told.append)
        yield from told
        yield f"{kind} after {took:.1f} s"

    def _certificate(self, namespace: str, name: str, hosts: tuple[str, ...]) -> None:
        if self.provider.api.find("v1/secrets", namespace, name) is None:
            self.provider.api.apply(certificates.tls_secret(namespace, name, hosts, by=self.authority))

    def _passwords(self) -> Mapping[str, str]:
        """Of the store's identities, by bucket."""
        return store.passwords(self.provider.api.get("v1/secrets", store.NAMESPACE, store.CONFIG_SECRET))

    def _weed(self, command: str) -> str:
        shell = f"echo '{command}' | weed shell -master=127.0.0.1:9333 -filer=127.0.0.1:8888"
        pod = f"{store.NAME}-0"
        return self.provider.kubectl("-n", store.NAMESPACE, "exec", pod, "--", "sh", "-c", shell)


def as_user(api: Api, user: str) -> Api:
    """The same API as another user, by the administrator's right to impersonate."""
    return replace(api, headers={**api.headers, "Impersonate-User": user})


def address(provider: Provider) -> str:
    """Where the way in of the instance answers; empty until its load balancer has told."""
    body = provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME)
    return get_str(body, "status", "edge", "address")
