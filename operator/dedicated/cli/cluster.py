"""One conversation with the API server, as the user of a kubeconfig."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from dedicated import __version__
from dedicated.cli.frame import Cluster
from dedicated.cli.terminal import NOT_REACHED, REFUSED, Failure
from dedicated.cluster.client import Client, connect
from dedicated.cluster.errors import NOT_SERVED, ApiError
from dedicated.cluster.transport import Login, namespace_of

T = TypeVar("T")
MANAGER = "dedicated-cli"
"""Field manager of what a person writes."""
HOME_CONFIG = "~/.kube/config"


def ask(cluster: Cluster, work: Callable[[Client, str], Awaitable[T]]) -> T:
    """Do some work with a client in a namespace. Raises Failure where the API server refuses or is away."""
    try:
        login = Login(_kubeconfig(cluster), cluster.context)
        return asyncio.run(_converse(login, cluster.namespace or namespace_of(login), work))
    except ApiError as error:
        raise _failure(error) from error
    except ValueError as error:
        raise Failure(str(error), exit_code=NOT_REACHED) from error


async def _converse(login: Login, namespace: str, work: Callable[[Client, str], Awaitable[T]]) -> T:
    async with connect(login, user_agent=f"dedicated/{__version__}", manager=MANAGER) as client:
        return await work(client, namespace)


def _kubeconfig(cluster: Cluster) -> str:
    """The paths of the kubeconfig; ValueError where there is none."""
    paths = cluster.kubeconfig or os.environ.get("KUBECONFIG") or HOME_CONFIG
    if not any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path):
        raise ValueError(f"no kubeconfig at {paths}: name one by --kubeconfig or KUBECONFIG")
    return paths


def _failure(error: ApiError) -> Failure:
    """Admission's words as they are; what no one would understand, in ours."""
    if error.reason == NOT_SERVED:
        text = "the cluster has no such kind: install the operator's definitions (docs/install.md)"
        return Failure(text, exit_code=REFUSED)
    if error.unauthorized:
        return Failure(f"not logged in: {error.message}", exit_code=NOT_REACHED)
    if error.retriable:
        return Failure(f"the API server did not answer: {error.message}", exit_code=NOT_REACHED)
    return Failure(error.message or str(error), exit_code=REFUSED)

