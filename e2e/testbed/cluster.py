"""A running testbed in the hands of a test: API, kubectl, users, zones, faults, audit."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_str
from testbed import nodes, tools
from testbed.client import Api
from testbed.home import Home, State
from testbed.pki import Authority, client_user, kubeconfig
from testbed.postgres import PostgresServer, server_of
from testbed.processes import read_identities

TOKEN_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the audit log has it (metadata only)."""

    user: str
    verb: str
    resource: str
    """`plural` or `plural/subresource`; empty for non-resource paths."""
    group: str
    namespace: str
    name: str
    code: int
    agent: str
    at: str
    """When it was received: RFC 3339 with microseconds, UTC."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The testbed's cluster. `api` and `kubectl` act as the administrator `admin`."""

    home: Home
    state: State
    api: Api

    @classmethod
    def of(cls, home: Home, state: State) -> "Cluster":
        """The handle of a running testbed."""
        return cls(home, state, Api.from_kubeconfig(state.kubeconfig))

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return Path(self.state.kubeconfig)

    @property
    def ca(self) -> Path:
        """Certificate authority of the API server and of the front."""
        return Path(self.state.ca)

    @property
    def front(self) -> str:
        """`IP:PORT` where the public names answer with TLS."""
        return self.state.front

    @property
    def postgres(self) -> PostgresServer:
        """The session's PostgreSQL."""
        return server_of(self.state.postgres)

    def kubectl(
        self, *args: str, stdin: str | None = None, config: Path | None = None, check: bool = True
    ) -> str:
        """Run kubectl; standard output. AssertionError with standard error if it fails and `check`."""
        answer = subprocess.run(
            [tools.binary("kubectl"), f"--kubeconfig={config or self.kubeconfig}", *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"KUBECACHEDIR": str(self.home.run / "kubectl")},
        )
        if check and answer.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: exit {answer.returncode}\n{answer.stderr}")
        return answer.stdout if check else answer.stdout + answer.stderr

    def user_kubeconfig(self, user: str, *, groups: tuple[str, ...] = ()) -> Path:
        """A kubeconfig with a client certificate of any user and groups."""
        authority = Authority(self.home.pki)
        path = self.home.pki / "users" / f"{_file_name(user, *groups)}.kubeconfig"
        pair = authority.issue(user, groups=groups)
        return kubeconfig(path, server=self.state.server, authority=authority, user=client_user(pair))

    def account_kubeconfig(self, namespace: str, account: str) -> Path:
        """A kubeconfig with a fresh 12 h token of a ServiceAccount (TokenRequest)."""
        answer = self.api.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS},
            },
        )
        token = get_str(answer, "status", "token")
        path = self.home.pki / "users" / f"{_file_name(namespace, account)}.kubeconfig"
        return kubeconfig(
            path,
            server=self.state.server,
            authority=Authority(self.home.pki),
            user={"token": token},
            namespace=namespace,
        )

    def as_user(self, user: str, *, groups: tuple[str, ...] = ()) -> Api:
        """The API as any user."""
        return Api.from_kubeconfig(self.user_kubeconfig(user, groups=groups))

    def as_account(self, namespace: str, account: str) -> Api:
        """The API as a ServiceAccount."""
        return Api.from_kubeconfig(self.account_kubeconfig(namespace, account))

    def lose_zone(self, zone: str, *, wait: bool = True) -> None:
        """Cut off the nodes of `zone-a`, `zone-b` or `zone-c`. Only in tests that run alone."""
        nodes.lose_zone(self.api, zone, wait=wait)

    def return_zone(self, zone: str, *, wait: bool = True) -> None:
        """Bring a zone back."""
        nodes.return_zone(self.api, zone, wait=wait)

    def set_faults(self, namespace: str, faults: Manifest) -> None:
        """Set the fault switches (zitadel.md 18.11) of the namespace's programs: in force within 1.5 s."""
        self.api.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "fakez-faults", "namespace": namespace},
                "data": {"faults.json": json.dumps(faults)},
            }
        )

    def pod_log(self, namespace: str, pod: str) -> str:
        """Output of the containers of a pod that really ran, also when the pod is gone."""
        logs = sorted(self.home.pods.glob(f"{namespace}/{pod}_*/*.log"))
        return "".join(f"--- {log.stem}\n{log.read_text(errors='replace')}" for log in logs)

    def pid(self, program: str) -> int:
        """Process id of a program: `kube-apiserver`, `etcd`, `pod-runner`, `postgres` ..."""
        for identity in read_identities(self.home.processes):
            if identity.name == program and identity.find():
                return identity.pid
        raise LookupError(f"{program} does not run")

    @contextlib.contextmanager
    def frozen(self, program: str) -> Iterator[None]:
        """SIGSTOP a program for the time of the context: requests hang. Only in tests that run alone."""
        pid = self.pid(program)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill(self, program: str) -> None:
        """Kill a program; the supervisor starts it again. Only in tests that run alone."""
        pid = self.pid(program)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(LookupError):
                if self.pid(program) != pid:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{program} was not started again")

    def audit_position(self) -> int:
        """Where the audit log ends now; give it to `requests` to see only what comes later."""
        return self.home.audit.stat().st_size if self.home.audit.exists() else 0

    def requests(self, *, since: int = 0, user: str = "") -> list[Request]:
        """Requests in the audit log after a position, of one user if given."""
        with self.home.audit.open("rb") as file:
            file.seek(max(since - 1, 0))
            tail = file.read()
        # The API server writes in blocks: a position may lie inside a line, which then is of before.
        lines = (tail.partition(b"\n")[2] if since else tail).splitlines()
        found = [_request(as_manifest(json.loads(line))) for line in lines if line.endswith(b"}")]
        return [request for request in found if request and (not user or request.user == user)]


def _request(event: Manifest) -> Request | None:
    if get_str(event, "stage") == "ResponseStarted":  # the same watch comes again when it ends
        return None
    ref: JsonValue = event.get("objectRef")
    parts = [get_str(ref, "resource"), get_str(ref, "subresource")]
    return Request(
        user=get_str(event, "user", "username"),
        verb=get_str(event, "verb"),
        resource="/".join(part for part in parts if part),
        group=get_str(ref, "apiGroup"),
        namespace=get_str(ref, "namespace"),
        name=get_str(ref, "name"),
        code=get_int(event, "responseStatus", "code"),
        agent=get_str(event, "userAgent"),
        at=get_str(event, "requestReceivedTimestamp"),
    )


def _file_name(*parts: str) -> str:
    return "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts)
