"""`python -m service up|down|status [--engine external|cloudnative-pg] [--provider nodes|kind]
[--keep-cluster]`.

`up` starts a cluster unless one runs, and brings the whole service up on it, with what each step took. `down`
ends the cluster; with --keep-cluster it takes the service away alone. Exit codes: 0 done, 1 not, 2 wrong
arguments.
"""

import argparse
import sys
import time

from images.build import ImageError
from service import instance, operator, providers, waiting
from service.provider import Provider, ProviderError
from service.steps import Service, address
from testbed.client import ApiError
from testbed.gobuild import BuildError


def main(argv: list[str]) -> int:
    """Do what the arguments say."""
    options = _parser().parse_args(argv)
    cluster = providers.cluster(options.provider)
    try:
        match options.command:
            case "up":
                return _up(cluster, options.engine)
            case "down":
                return _down(cluster, keep=options.keep_cluster)
            case _:
                return _status(cluster.running())
    except (ApiError, BuildError, ImageError, LookupError, ProviderError, waiting.NotReadyError) as error:
        print(f"\nservice {options.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="service", description="The whole service on real nodes.")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--engine", choices=instance.ENGINES, default="external")
    parser.add_argument("--provider", choices=providers.NAMES, default="nodes")
    parser.add_argument("--keep-cluster", action="store_true", help="down: leave the cluster itself running")
    return parser


def _up(cluster: providers.Cluster, engine: instance.Engine) -> int:
    begun = time.monotonic()
    print("[0] cluster of three nodes", flush=True)
    provider = cluster.up()
    print(f"    done after {time.monotonic() - begun:.1f} s", flush=True)
    for number, (title, step) in enumerate(Service(provider, engine).steps(), start=1):
        started = time.monotonic()
        print(f"[{number}] {title}", flush=True)
        for line in step():
            print(f"    {line}", flush=True)
        print(f"    done after {time.monotonic() - started:.1f} s", flush=True)
    print(f"\nAll of it in {time.monotonic() - begun:.1f} s.")
    print(f"export KUBECONFIG={provider.kubeconfig}")
    name = instance.DOMAIN
    ca = Service(provider, engine).authority.certificate
    print(f"curl --resolve {name}:443:{address(provider)} --cacert {ca} https://{name}/debug/ready")
    return 0


def _down(cluster: providers.Cluster, *, keep: bool) -> int:
    if keep:
        provider = cluster.running()
        if provider is not None:
            Service(provider).down()
        print("The service is gone." if provider else "No cluster runs.")
        return 0
    print("The cluster is gone." if cluster.down() else "Nothing was up.")
    return 0


def _status(provider: Provider | None) -> int:
    if provider is None:
        print("No cluster runs.")
        return 1
    for node in provider.nodes():
        print(f"{node.name} {node.zone} {node.address}")
    leads = operator.leader(provider)
    for pod in operator.started(provider):
        role = "leads" if leads.startswith(pod.name) else "stands by"
        print(f"{pod.name} on {pod.node}, started in {pod.seconds:.0f} s, {role}")
    print(waiting.explain(provider))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
