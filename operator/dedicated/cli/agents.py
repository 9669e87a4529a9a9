"""The processes beside an instance, as arguments of `dedicated agent`."""

import argparse
from collections.abc import Mapping

from dedicated.cli.agent_arguments import add_recovery_arguments, add_verify_arguments
from dedicated.cli.escrow_arguments import add_escrow_arguments


def add_agents(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the agents, each with its arguments."""
    agents = parser.add_subparsers(dest="agent", required=True, metavar="AGENT")
    add_recovery_arguments(
        agents.add_parser("recovery", help="tell what a restore would bring back, until SIGTERM"),
        environment=environment,
    )
    add_verify_arguments(
        agents.add_parser(
            "verify", help="look once at a restored database, and tell what it holds"
        ),
        environment=environment,
    )
    add_escrow_arguments(
        agents.add_parser("escrow", help="write the key bundle, or the ledger beside it, once"),
        environment=environment,
    )
