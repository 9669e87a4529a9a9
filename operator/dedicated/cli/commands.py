"""The commands for people: `dedicated COMMAND`, `kubectl dedicated COMMAND`, and their completion."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import click
from click.shell_completion import ShellComplete, get_completion_class

from dedicated import __version__
from dedicated.cli.announce import announce
from dedicated.cli.answers import permit, refuse, reschedule, withdraw
from dedicated.cli.backup import backup
from dedicated.cli.calendar import calendar
from dedicated.cli.check import check
from dedicated.cli.delete import delete
from dedicated.cli.drill import drill
from dedicated.cli.explain import explain
from dedicated.cli.export import export, export_verify
from dedicated.cli.frame import App
from dedicated.cli.freeze import freeze
from dedicated.cli.importing import import_
from dedicated.cli.keys import keys
from dedicated.cli.ledger import ledger
from dedicated.cli.limits_command import limits
from dedicated.cli.processes import run_process
from dedicated.cli.record import record
from dedicated.cli.recovery import recovery
from dedicated.cli.restore import restore
from dedicated.cli.simulate import simulate
from dedicated.cli.status import status

COMPLETE = "_DEDICATED_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
PLUGIN = "kubectl-dedicated"
NO_FILES = 4
"""What kubectl is told where a file name is no answer; 0 lets the shell offer files."""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 something is to be mended; 2 wrong arguments or file; 3 the API server "
    "refused; 4 it was not reached.",
)
@click.version_option(__version__, message="%(version)s")
def dedicated() -> None:
    """Dedicated ZITADEL instances as their contract promises: judge, foresee, read and record."""


@dedicated.command(short_help="Print the completion of a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion of SHELL.

    For bash: dedicated completion bash > /etc/bash_completion.d/dedicated. As a plugin of kubectl it is
    completed by kubectl itself, through kubectl_complete-dedicated.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(dedicated, {}, "dedicated", COMPLETE).source())


def _passed_on(name: str, short_help: str) -> click.Command:
    """A command of the operator's own: listed and completed here, carried out by `processes`."""

    @click.command(
        name, short_help=short_help, add_help_option=False, context_settings={"ignore_unknown_options": True}
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_obj
    def found(app: App, arguments: tuple[str, ...]) -> None:
        sys.exit(run_process([name, *arguments], now=app.now))

    return found


COMMANDS = (
    check, calendar, simulate, status, ledger, recovery, restore, drill, limits, keys,
    explain, export, export_verify, import_,
    permit, refuse, withdraw, reschedule, freeze, announce, record, backup, delete,
    _passed_on("run", "Run the operator, in the cluster."),
    _passed_on("agent", "Run a small process beside an instance, in the cluster."),
    _passed_on("crds", "Print the CustomResourceDefinitions."),
)  # fmt: skip
for command in COMMANDS:
    dedicated.add_command(command)


def run_command(arguments: Sequence[str], *, now: Callable[[], datetime]) -> int:
    """Run a command; its exit code."""
    called = Path(sys.argv[0]).name
    name = called.replace("-", " ") if called == PLUGIN else "dedicated"
    try:
        dedicated.main(args=list(arguments), prog_name=name, complete_var=COMPLETE, obj=App(now))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def complete_for_kubectl() -> None:
    """What `kubectl` completes after `kubectl dedicated`, in the form it takes from cobra's programs."""
    *before, incomplete = sys.argv[1:] or [""]
    found = ShellComplete(dedicated, {}, "dedicated", COMPLETE).get_completions(before, incomplete)
    plain = [item for item in found if item.type == "plain"]
    for item in plain:
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{NO_FILES if plain or not found else 0}")
