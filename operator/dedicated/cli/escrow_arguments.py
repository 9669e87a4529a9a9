"""Arguments of `dedicated agent escrow`, and the settings made from them. No secret is among them: the public
keys of recipients are none, and what is packed is in files."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from dedicated.agents.escrow.settings import Settings
from dedicated.api.key_bundle import RecipientRole
from dedicated.cli.agent_arguments import add_agent_arguments
from dedicated.probes.objects import Access


def add_escrow_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent escrow`."""
    add = parser.add_argument
    add("--instance", required=True, metavar="NAME", help="the DedicatedInstance that it belongs to")
    add("--uid", required=True, metavar="UID", help="its uid: for another one nothing is written")
    add("--namespace", required=True, metavar="NAME")
    add("--bundle", default="", metavar="MARK", help="write the key bundle; MARK tells what it is to hold")
    add("--ledger", default="", metavar="MARK", help="write the ledger")
    add("--masterkey", required=True, metavar="NAME/KEY", help="the masterkey's Secret, and its key there")
    add("--secret", action="append", default=[], metavar="NAME", help="has to be mounted (repeatable)")
    add("--material", type=Path, required=True, metavar="DIR", help="with secrets/ and configmaps/")
    add(
        "--recipient",
        action="append",
        type=_recipient,
        required=True,
        metavar="ROLE=AGE1...",
        help="who can open it (repeatable)",
    )
    add("--version", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="to be told")
    add("--bucket", required=True, metavar="NAME")
    add("--prefix", default="", metavar="FOLDER")
    add("--endpoint", required=True, metavar="HOST[:PORT]")
    add("--region", required=True, metavar="NAME")
    add("--store-credentials", type=Path, required=True, metavar="DIR", help="a Secret with the store's keys")
    add("--store-ca-file", type=Path, metavar="FILE", help="authority trusted besides the system's")
    add_agent_arguments(parser, environment=environment)


def escrow_settings_of(options: argparse.Namespace) -> Settings:
    """The settings that parsed arguments stand for."""
    return Settings(
        instance=options.instance,
        namespace=options.namespace,
        incarnation=options.uid,
        bundle=options.bundle,
        ledger=options.ledger,
        masterkey=options.masterkey,
        secrets=tuple(options.secret),
        material=options.material,
        recipients=tuple(options.recipient),
        versions=dict(options.version),
        bucket=options.bucket,
        prefix=options.prefix,
        access=Access(options.endpoint, options.region, options.store_credentials, options.store_ca_file),
        api_server=options.api_server,
        credentials=options.credentials,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _recipient(text: str) -> tuple[RecipientRole, str]:
    role, key = _pair(text)
    if role not in get_args(RecipientRole):
        raise argparse.ArgumentTypeError(f"{role} is none of {', '.join(get_args(RecipientRole))}")
    return cast(RecipientRole, role), key
