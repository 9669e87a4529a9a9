"""The small processes beside an instance, `dedicated agent NAME`, each with its arguments."""

import argparse
from collections.abc import Mapping

from dedicated.cli.agent_arguments import add_recovery_arguments, add_verify_arguments
from dedicated.cli.escrow_arguments import add_escrow_arguments
from dedicated.cli.export_arguments import add_export_arguments
from dedicated.cli.import_arguments import add_import_arguments
from dedicated.cli.limiter_arguments import add_limiter_arguments


def add_agents(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the agents."""
    agents = parser.add_subparsers(dest="agent", required=True, metavar="AGENT")
    for name, text, add in (
        ("recovery", "tell what a restore would bring back, until SIGTERM", add_recovery_arguments),
        ("verify", "look once at a restored database, and tell what it holds", add_verify_arguments),
        ("escrow", "write the key bundle and the ledger beside the cluster; once", add_escrow_arguments),
        ("export", "dump the database, prove the dump, store it sealed; once", add_export_arguments),
        ("import", "read an export or a database into an empty one, and compare; once", add_import_arguments),
        (
            "limiter",
            "keep one HAProxy to the rate limits, and prove them, until SIGTERM",
            add_limiter_arguments,
        ),
    ):
        add(agents.add_parser(name, help=text), environment=environment)
