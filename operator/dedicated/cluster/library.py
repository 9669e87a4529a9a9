"""The Kubernetes library: `client` and `config` of `kubernetes.aio`, and nothing of the package besides.

Importing any part of `kubernetes` first runs the package's `__init__`, which loads the synchronous library
with all that it needs (requests, websocket-client, ...); that of `kubernetes.aio` loads watches, streams and
more. It is 9 MB in each process, used by nothing here. So both packages are put in place as they are found,
without running their `__init__`; what is imported of them afterwards, by kopf too, is found as ever.
Limit: it takes effect where nobody has imported `kubernetes` before, so this is loaded before kopf.
"""

import sys
from importlib.util import find_spec, module_from_spec


def _put_in_place(package: str) -> None:
    """A package that finds its modules, and has not run. One that has run, or is missing, is left alone."""
    spec = None if package in sys.modules else find_spec(package)
    if spec is not None:
        sys.modules[package] = placed = module_from_spec(spec)
        parent, _, name = package.rpartition(".")
        if parent:
            setattr(sys.modules[parent], name, placed)


_put_in_place("kubernetes")
_put_in_place("kubernetes.aio")

from kubernetes.aio import client, config  # noqa: E402 - finds the packages in place

__all__ = ["client", "config"]
