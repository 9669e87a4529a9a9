"""`dedicated drill`: a restore tried out now, in a copy that is looked at and removed."""

import click

from dedicated.cli.frame import App, Cluster, cluster_options, output
from dedicated.cli.restore import drilled
from dedicated.cli.terminal import Output


@click.command(short_help="Try a restore out in a copy, which is removed (provider).")
@click.argument("name")
@click.option("--to", "target", metavar="TIME", help="The point in time; default: the newest recoverable.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and ask for nothing.")
@click.option("--no-wait", is_flag=True, help="Ask for it, and do not follow it.")
@output
@cluster_options
@click.pass_obj
def drill(
    app: App, *, name: str, target: str | None, dry_run: bool, no_wait: bool, cluster: Cluster,
    output: Output,
) -> None:  # fmt: skip
    """Restore the database of instance NAME into a copy that is looked at, recorded and removed.

    The same as a drill of the schedule, at once. Interrupted, it goes on: dedicated recovery tells its end.
    """
    drilled(app, name, target, cluster=cluster, output=output, dry_run=dry_run, no_wait=no_wait)
