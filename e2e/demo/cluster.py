"""The demo's steps. Each is done again without harm, and says what it does line by line."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import urllib3
import yaml

from dedicated.api.conditions import RATE_LIMIT_ENFORCED, READY, condition_in
from dedicated.api.json import Manifest, as_manifest, get_map, get_str
from dedicated.api.objects import INSTANCE
from engines import definitions
from testbed import operator_process, session, tools
from testbed.cluster import Cluster
from testbed.home import CHECKOUT, Home
from testbed.nodes import REGION
from testbed.processes import end, free_port, identify, read_identities, tail, write_identities

NAMESPACE = "dedicated-system"
RELEASE = "dedicated-operator"
CHART = CHECKOUT / "charts" / "dedicated-operator"
EXAMPLE = CHECKOUT / "examples" / "quickstart"
INSTANCE_NAMESPACE = INSTANCE_NAME = "acme"
SECRET_NAME = "acme-database"
IMAGE = "registry.example/dedicated-operator"
READY_SECONDS = 180
ENGINE_INSTANCE = CHECKOUT / "examples" / "percona.yaml"
ENGINE_NAMESPACE = "globex"
ENGINE_USER = "zitadel"
ENGINE_SECRETS = {
    "acme-backup-passphrase": ("passphrase",),
    "acme-backup-store": ("access-key-id", "secret-access-key"),
    "acme-keys-store": ("access-key-id", "secret-access-key"),
}
"""The user's, of which the example speaks."""
PLACES = {"places": {REGION: ["CH"]}}
"""The testbed's nodes are in Switzerland, as the example asks for."""


class DemoError(RuntimeError):
    """The demo cannot go on; says why."""


@dataclass(slots=True)
class Demo:
    """The demo in one testbed's home."""

    home: Home
    cluster: Cluster | None = None

    @property
    def record(self) -> Path:
        """Identity of the operator's process."""
        return self.home.root / "demo-operator.json"

    @property
    def log(self) -> Path:
        """The operator's log."""
        return self.home.logs / "operator.log"

    def running(self) -> Cluster:
        """The cluster, once it is up."""
        if self.cluster is None:
            raise DemoError("the control plane is not up")
        return self.cluster

    def start_control_plane(self) -> Iterator[str]:
        """etcd, API server, controller-manager, scheduler, kwok, PostgreSQL, pod runner."""
        state, started = session.up(self.home)
        self.cluster = Cluster.of(self.home, state)
        yield f"{'started' if started else 'was up already'}: {state.server}"

    def install_engines(self) -> Iterator[str]:
        """Definitions of the database engines, where they are at hand: they are no part of the project."""
        source = definitions.folder()
        if source is None:
            yield f"none: {definitions.REASON}; the demo shows engine external"
            return
        definitions.install(self.running(), source)
        yield "Percona's and CloudNativePG's; their operators are played"

    def apply_clustered(self) -> Iterator[str]:
        """An instance whose database an engine runs, with its backups; the engine is played."""
        cluster = self.running()
        if definitions.folder() is None:
            yield "left out"
            return
        kubectl = tools.binary("kubectl")
        if cluster.api.find("v1/namespaces", "", ENGINE_NAMESPACE) is None:
            self._run(kubectl, "create", "namespace", ENGINE_NAMESPACE)
            for name, fields in ENGINE_SECRETS.items():
                values = [f"--from-literal={field}=demo" for field in fields]
                self._run(kubectl, "create", "secret", "generic", name, "-n", ENGINE_NAMESPACE, *values)
            dsn = cluster.postgres.create_database(ENGINE_USER)
            self._play("engines", ENGINE_NAMESPACE, dsn)
        manifest = as_manifest(yaml.safe_load(ENGINE_INSTANCE.read_text(encoding="utf-8")))
        get_map(manifest, "metadata")["namespace"] = ENGINE_NAMESPACE
        get_map(manifest, "spec")["domain"] = "login.globex.example"
        cluster.api.apply(manifest)
        yield f"dedicatedinstance/{INSTANCE_NAME} in namespace {ENGINE_NAMESPACE}, engine percona"
        yield from self._await_ready(ENGINE_NAMESPACE)

    def _play(self, what: str, *arguments: str) -> None:
        """Start what is played, which ends with the demo."""
        with (self.home.logs / f"{what}.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", what, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
            )
        self._remember(what, process.pid)

    def _remember(self, name: str, pid: int) -> None:
        """Keep in mind a process that ends with the demo, beside those of other names."""
        started = identify(name, pid)
        others = [one for one in read_identities(self.record) if one.name != name]
        write_identities(self.record, [*others, *([started] if started else [])])

    def install_chart(self) -> Iterator[str]:
        """`helm upgrade --install`, as a user would."""
        answer = self._run(
            tools.binary("helm"),
            *("upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace"),
            *("--set", f"image.repository={IMAGE}", "--wait", "--timeout", "60s"),
        )
        yield next((line for line in answer.splitlines() if line.startswith("STATUS")), "installed")

    def start_operator(self) -> Iterator[str]:
        """The operator's process, outside of the cluster but with the chart's rights alone."""
        if any(one.name == "operator" and one.find() for one in read_identities(self.record)):
            yield "runs already"
            return
        cluster = self.running()
        places = self.home.run / "places.json"
        places.write_text(json.dumps(PLACES))
        # Pods that are simulated, or stand for others' addresses, take no connection of the operator's.
        extra = ("--places", str(places), "--agent-image", IMAGE, "--trust-network")
        settings = operator_process.Settings(NAMESPACE, watch=(), identity="demo", extra=extra)
        releases = self.home.run / "releases.yaml"
        releases.write_text(operator_process.releases_of(operator_process.render(settings)))
        config = cluster.account_kubeconfig(NAMESPACE, RELEASE)
        port = free_port()
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                operator_process.command(settings, cluster, port=port, releases=releases),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=operator_process.environment(settings, config),
                cwd=self.home.root,
                start_new_session=True,
            )
        self._remember("operator", process.pid)
        self._await_ready_page(process, port)
        yield f"leads; health and metrics on http://127.0.0.1:{port}"

    def apply_instance(self) -> Iterator[str]:
        """The quickstart example; its database is a fresh one of the testbed."""
        cluster = self.running()
        kubectl = tools.binary("kubectl")
        yield self._run(kubectl, "apply", "-f", EXAMPLE / "1-namespace.yaml").strip()
        if cluster.api.find("v1/secrets", INSTANCE_NAMESPACE, SECRET_NAME) is None:
            dsn = cluster.postgres.create_database(INSTANCE_NAME)
            secret: Manifest = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET_NAME, "namespace": INSTANCE_NAMESPACE},
                "stringData": {"dsn": dsn},
            }
            cluster.api.create(secret)
            yield f"secret/{SECRET_NAME} created with the address of a new PostgreSQL database"
            self._play("limiters", INSTANCE_NAMESPACE)
        yield self._run(kubectl, "apply", "-f", EXAMPLE / "3-instance.yaml").strip()

    def wait_ready(self) -> Iterator[str]:
        """Until the instance is Ready, telling how it goes."""
        yield from self._await_ready(INSTANCE_NAMESPACE)

    def wait_limits(self) -> Iterator[str]:
        """Until every replica of its limiter is proven."""
        yield from self._await(INSTANCE_NAMESPACE, RATE_LIMIT_ENFORCED)

    def _await_ready(self, namespace: str) -> Iterator[str]:
        return self._await(namespace, READY)

    def _await(self, namespace: str, kind: str) -> Iterator[str]:
        """Until a condition is True; what it says on the way."""
        cluster = self.running()
        deadline = time.monotonic() + READY_SECONDS
        told = ""
        while time.monotonic() < deadline:
            body = cluster.api.get(INSTANCE, namespace, INSTANCE_NAME)
            found = condition_in(get_map(body, "status"), kind)
            status, reason, message = (get_str(found, key) for key in ("status", "reason", "message"))
            text = f"{kind}={status} {reason}: {message}"
            if status and text != told:
                told = text
                yield text
            if status == "True":
                return
            time.sleep(0.2)
        raise DemoError(f"not {kind} after {READY_SECONDS} s; log of the operator: {self.log}")

    def down(self) -> bool:
        """Stop and remove everything; whether anything was up."""
        end(read_identities(self.record))
        self.record.unlink(missing_ok=True)
        return session.down(self.home)

    def kubectl(self, *arguments: str) -> str:
        """Output of kubectl as administrator."""
        return self._run(tools.binary("kubectl"), *arguments)

    def _run(self, program: Path, *arguments: str | Path) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.running().kubeconfig)}
        answer = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise DemoError(f"{program.name} {' '.join(map(str, arguments))}:\n{answer.stderr.strip()}")
        return answer.stdout

    def _await_ready_page(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                answer = urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", retries=False, timeout=2)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.1)
                continue
            if answer.status == 200:
                return
            time.sleep(0.1)
        raise DemoError(f"the operator did not become ready:\n{tail(self.log)}")
