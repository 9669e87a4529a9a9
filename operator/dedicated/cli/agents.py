"""The small processes beside an instance, `dedicated agent NAME`, each with its arguments.

The arguments of the one that is asked for are loaded, and of no other: what the others need is memory.
"""

import argparse
from collections.abc import Mapping
from importlib import import_module

AGENTS = (
    ("recovery", "tell what a restore would bring back, until SIGTERM", "agent_arguments"),
    ("verify", "look once at a restored database, and tell what it holds", "agent_arguments"),
    ("escrow", "write the key bundle and the ledger beside the cluster; once", "escrow_arguments"),
    ("export", "dump the database, prove the dump, store it sealed; once", "export_arguments"),
    ("import", "read an export or a database into an empty one, and compare; once", "import_arguments"),
    ("limiter", "keep one HAProxy to the rate limits, and prove them, until SIGTERM", "limiter_arguments"),
)
"""Name, help, and the module with `add_NAME_arguments`."""


def add_agents(parser: argparse.ArgumentParser, *, environment: Mapping[str, str], asked: str) -> None:
    """Add the agents, and the arguments of the one that is asked for."""
    agents = parser.add_subparsers(dest="agent", required=True, metavar="AGENT")
    for name, text, module in AGENTS:
        added = agents.add_parser(name, help=text)
        if name == asked:
            add = getattr(import_module(f"dedicated.cli.{module}"), f"add_{name}_arguments")
            add(added, environment=environment)
