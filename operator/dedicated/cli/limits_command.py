"""`dedicated limits NAME`, and `limits check NAME ADDRESS PATH`: what holds for one client, and why."""

import ipaddress
from collections.abc import Iterator

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest
from dedicated.cli.frame import App, Cluster, cluster_options, output
from dedicated.cli.limits import NOTHING_STANDS, PATHS, Sight, as_json, in_cluster, told
from dedicated.cli.terminal import Output, emit, pairs, say, show
from dedicated.cli.words import utc, wall
from dedicated.contract.rate_limits import BAN, BAN_WINDOW, WINDOW, Applied, Kind, applied, class_of

SHOW = "show"
NO_CLASS = "400: the path walks up, or has an escape that means nothing; no client may ask so"


class _Named(click.Group):
    """A group in which `limits NAME` is `limits show NAME`: what is asked for most needs no further word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in that was left out."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if not args or args[0] in known else [SHOW, *args])


@click.group(
    cls=_Named,
    subcommand_metavar="NAME | check NAME ADDRESS PATH",
    short_help="Rate limits: in force, proven, used; and for one client.",
)
def limits() -> None:
    """The rate limits of an instance NAME: in force, proven by replica, what was refused, and who must act.

    It reads the DedicatedInstance, its records and the ConfigMap NAME-limiter-report, and asks no limiter.
    """


@limits.command(SHOW, short_help="All on one screen. The word may be left out.")
@click.argument("name")
@output
@cluster_options
@click.pass_obj
def show_limits(app: App, *, name: str, cluster: Cluster, output: Output) -> None:
    """The policy by class, other ranges, replicas with their proofs, the last minute, and who must act."""
    sight = in_cluster(name, cluster, app.now())
    if output == "table":
        told(sight)
    else:
        emit(as_json(sight), output)


@limits.command("check", short_help="What applies to a client, and by which record.")
@click.argument("name")
@click.argument("address")
@click.argument("path")
@output
@cluster_options
@click.pass_obj
def check_limits(app: App, *, name: str, address: str, path: str, cluster: Cluster, output: Output) -> None:
    """Which limits hold now for requests from ADDRESS to PATH, as what client they count, and why.

    ADDRESS is the client's own, as trusted proxies tell it. Nothing is sent to the instance.
    """
    client = _address(address)
    if not path.startswith("/"):
        raise click.UsageError(f"PATH {path!r} is no path: write it from its first slash, as in /ui/login")
    sight, kind = in_cluster(name, cluster, app.now()), class_of(path)
    if output != "table":
        emit(_as_json(sight, client, path, kind), output)
        return
    say(f"{sight.source.owner}: {client} {path}", "bold")
    if kind is None:
        say(f"  {NO_CLASS}")
        return
    show(pairs([*_explained(sight, kind, applied(sight.policy, client, kind))]))


def _address(text: str) -> str:
    """An address in its usual form. Raises click.UsageError."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        example = "203.0.113.7 or 2001:db8::7; of a range, write one of its addresses"
        raise click.UsageError(f"ADDRESS {text!r} is no IP address: write one as in {example}") from error


def _explained(sight: Sight, kind: Kind, found: Applied) -> Iterator[tuple[str, str]]:
    """What holds, in words."""
    threshold, entry, zone = found.threshold, found.entry, sight.source.zone
    yield "counted as", found.key
    yield "class", f"{kind}: {PATHS[kind]}"
    if found.exempt:
        yield "limit", "none: it is not counted"
    else:
        yield "limit", f"{threshold.limit} admitted in {WINDOW} s; then 429, and retry-after says how long"
        yield "ban", f"{BAN} s, for more than {threshold.ban} sent in {BAN_WINDOW} s"
    if entry is None:
        yield "because of", "the published policy, and 1 % in the client's favour (RL-1)"
    else:
        yield "because of", f"{entry.record}, on {entry.range} (RL-3)"
        yield "until", f"{utc(entry.until)} ({wall(entry.until, zone)} {zone})"
    if sight.standing:
        yield "but now", NOTHING_STANDS[sight.standing]


def _as_json(sight: Sight, client: str, path: str, kind: Kind | None) -> Manifest:
    asked: Manifest = {"instance": sight.source.owner, "address": client, "path": path, "class": kind}
    if kind is None:
        return {**asked, "refused": NO_CLASS}
    found = applied(sight.policy, client, kind)
    entry = found.entry
    return {
        **asked,
        "client": found.key,
        "exempt": found.exempt,
        "limit": None if found.exempt else found.threshold.limit,
        "ban": None if found.exempt else found.threshold.ban,
        "record": entry.record if entry else None,
        "range": entry.range if entry else None,
        "until": rfc3339(entry.until) if entry else None,
        "notEnforced": sight.standing,
    }
