"""`dedicated limits NAME`, and `dedicated limits check NAME ADDRESS PATH`: what holds for one client and why."""

import ipaddress

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest
from dedicated.cli.frame import App, Cluster, cluster_options, output
from dedicated.cli.limits import NOTHING_STANDS, PATHS, Sight, as_json, in_cluster, told
from dedicated.cli.terminal import Output, emit, pairs, say, show
from dedicated.cli.words import utc, wall
from dedicated.contract.rate_limits import BAN, BAN_WINDOW, WINDOW, applied, class_of

SHOW = "show"


class _Named(click.Group):
    """A group in which `limits NAME` is `limits show NAME`: what is asked for most needs no further word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in that was left out."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if not args or args[0] in known else [SHOW, *args])


@click.group(
    cls=_Named, subcommand_metavar="NAME | check NAME ADDRESS PATH", short_help="Rate limits: in force, proven, used."
)
def limits() -> None:
    """The rate limits of an instance NAME: in force, proven by replica, what was refused, and who must act.

    It reads the DedicatedInstance, its records and the ConfigMap NAME-limiter-report.
    """


@limits.command(SHOW, short_help="All of it on one screen; the word may be left out.")
@click.argument("name")
@output
@cluster_options
@click.pass_obj
def show_limits(app: App, *, name: str, cluster: Cluster, output: Output) -> None:
    """The policy in force by class, other ranges, replicas and their proofs, the last minute, and who must act."""
    sight = in_cluster(name, cluster, app.now())
    if output == "table":
        told(sight)
    else:
        emit(as_json(sight), output)


@limits.command("check", short_help="What would apply to a client, and by which record.")
@click.argument("name")
@click.argument("address")
@click.argument("path")
@output
@cluster_options
@click.pass_obj
def check_limits(app: App, *, name: str, address: str, path: str, cluster: Cluster, output: Output) -> None:
    """Which limits hold now for requests from ADDRESS to PATH, as what client they are counted, and why.

    ADDRESS is the client's own, as the trusted proxies tell it. Nothing is sent to the instance.
    """
    client = _address(address)
    asked = path.partition("?")[0]
    if not asked.startswith("/"):
        raise click.UsageError(f"PATH {path!r} is no path: write it from its first slash, as in /ui/login")
    sight = in_cluster(name, cluster, app.now())
    found = explained(sight, client, asked)
    if output != "table":
        emit(found, output)
        return
    say(f"{sight.source.owner}: {client} {asked}", "bold")
    show(pairs([(key, str(value)) for key, value in found.items() if value not in (None, "")]))


def _address(text: str) -> str:
    """An address in its usual form. Raises click.UsageError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        example = "203.0.113.7 or 2001:db8::7; a range has no limit of its own, its addresses have"
        raise click.UsageError(f"ADDRESS {text!r} is no IP address: write one as in {example}") from error


def explained(sight: Sight, address: str, path: str) -> Manifest:
    """What holds for a client, as names and words."""
    kind = class_of(path)
    if kind is None:
        return {"answer": "400: the path has /../ or /./ when it is decoded", "class": None}
    found = applied(sight.policy, address, kind)
    threshold, zone = found.threshold, sight.source.zone
    why = "the published policy, and 1 % in the client's favour (RL-1)"
    if found.entry is not None:
        ends = f"until {utc(found.entry.until)} ({wall(found.entry.until, zone)} {zone})"
        why = f"record {found.entry.record} on {found.entry.range}, {ends}"
    said: Manifest = {
        "counted as": found.key,
        "class": f"{kind}: {PATHS[kind]}",
        "limit": "none: not counted" if found.exempt else f"{threshold.limit} admitted in {WINDOW} s",
        "ban": "none" if found.exempt else f"{BAN} s, beyond {threshold.ban} sent in {BAN_WINDOW} s",
        "because of": why,
        "refused with": "" if found.exempt else "429; retry-after says when to come again",
        "but": NOTHING_STANDS.get(sight.standing, ""),
        "as of": rfc3339(sight.now),
    }
    return said
