"""`dedicated drill`: a restore tried out now, in a copy that is looked at and removed; or a dump."""

import click

from dedicated.cli.export import dumped
from dedicated.cli.frame import App, Cluster, cluster_options, output
from dedicated.cli.restore import drilled
from dedicated.cli.terminal import Output


@click.command(short_help="Try a restore out in a copy, which is removed (provider).")
@click.argument("name")
@click.option("--to", "target", metavar="TIME", help="The point in time; default: the newest recoverable.")
@click.option(
    "--logical", is_flag=True, help="Try out a dump instead: imported, compared, and stored nowhere."
)
@click.option("--scratch", default="20Gi", show_default=True, metavar="SIZE",
              help="--logical: volume for dump and import, twice the database.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the plan, and ask for nothing.")
@click.option("--no-wait", is_flag=True, help="Ask for it, and do not follow it.")
@output
@cluster_options
@click.pass_obj
def drill(
    app: App, *, name: str, target: str | None, logical: bool, scratch: str, dry_run: bool, no_wait: bool,
    cluster: Cluster, output: Output,
) -> None:  # fmt: skip
    """Restore the database of instance NAME into a copy that is looked at, recorded and removed.

    The same as a drill of the schedule, at once. Interrupted, it goes on: dedicated recovery tells its end.
    """
    if logical and target is not None:
        raise click.UsageError("--logical dumps what is there now: --to goes with a restore")
    if logical:
        dumped(app, name, scratch=scratch, cluster=cluster, dry_run=dry_run, no_wait=no_wait)
        return
    drilled(app, name, target, cluster=cluster, output=output, dry_run=dry_run, no_wait=no_wait)
