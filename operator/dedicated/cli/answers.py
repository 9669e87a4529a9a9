"""`dedicated permit`, `refuse`, `withdraw`, `reschedule`: the customer's word on a request (M-13).

An answer that could have no effect is not recorded: to a request that is not open, with a slot too short for
it, or too late. It is said with the figure. Whether the user may answer at all is the API server's to say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import update_wrapper

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest
from dedicated.cli.frame import App, Cluster, cluster_options, instant_in, output
from dedicated.cli.recording import write
from dedicated.cli.source import Source, in_cluster
from dedicated.cli.terminal import FOUND, Failure, Output
from dedicated.cli.words import length
from dedicated.contract.calendar import Slot, next_slot
from dedicated.contract.clock_conditions import when
from dedicated.contract.facts import Request, history
from dedicated.contract.floor import is_flexible
from dedicated.contract.permission import Terms
from dedicated.reconcile.obligations import Obligations

REACH = timedelta(days=366)
"""How far the next slot is looked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to be answered, with all that is known when it is."""

    source: Source
    owed: Obligations
    request: Request
    now: datetime
    cluster: Cluster
    dry_run: bool
    output: Output

    @property
    def terms(self) -> Terms:
        """The terms in force."""
        return self.owed.terms

    def answer(self, fact: str, **said: str | Manifest | None) -> None:
        """Record the answer; what is None or empty is left out."""
        fields: Manifest = {"request": self.request.name}
        fields |= {name: value for name, value in said.items() if value}
        write(
            self.source, fact, fields, cluster=self.cluster, dry_run=self.dry_run, output=self.output
        )


def _answering(command: Callable[..., None]) -> Callable[..., object]:
    """The arguments NAME and REQUEST and the options of every answer; the command gets `asked`."""

    def called(
        app: App, *, name: str, request: str, cluster: Cluster, dry_run: bool, output: Output,
        **others: object,
    ) -> None:  # fmt: skip
        now = app.now()
        source = in_cluster(name, cluster)
        found = _open(source, request)
        asked = Asked(source, source.owed(now), found, now, cluster, dry_run, output)
        command(asked=asked, **others)

    update_wrapper(called, command)
    found = output(cluster_options(click.pass_obj(called)))
    for option in (
        click.option("--dry-run", is_flag=True, help="Let the API server judge it, and store nothing."),
        click.option("--reference", metavar="TEXT", help="Ticket or letter."),
        click.argument("request"),
        click.argument("name"),
    ):
        found = option(found)
    return found


def _open(source: Source, name: str) -> Request:
    """A request that can be answered. Raises Failure."""
    requests = {request.name: request for request in history(source.facts).requests}
    waiting = [item.name for item in requests.values() if not item.completed and not item.retracted]
    if name in waiting:
        return requests[name]
    state = "is not open any more" if name in requests else "was never notified"
    there = f"open: {', '.join(waiting)}" if waiting else "no request is open"
    raise Failure(f"{source.owner}: {name} {state}; {there}", exit_code=FOUND)


def _slot_options(command: Callable[..., object]) -> Callable[..., object]:
    for option in (
        click.option("--any-time", is_flag=True, help="The run may start anywhere in it, and until then it "
                     "can be withdrawn."),
        click.option("--next-slot", is_flag=True, help="The next slot of the calendar that is long enough."),
        click.option("--to", "end", metavar="TIME", help="Its end."),
        click.option("--from", "start", metavar="TIME", help="Start of the slot; in the contract zone where "
                     "no offset is written."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(short_help="Permit a request in a slot (customer).")
@_slot_options
@_answering
def permit(
    *, asked: Asked, start: str | None, end: str | None, next_slot: bool, any_time: bool,
    reference: str | None,
) -> None:  # fmt: skip
    """Permit REQUEST of instance NAME in a slot: --from and --to, or --next-slot."""
    slot = _slot(asked, start, end, any_next=next_slot)
    asked.answer("Permitted", slot=_slot_said(slot, any_time=any_time), reference=reference)


@click.command(short_help="Permit it in another slot, where the plan allows (customer).")
@_slot_options
@_answering
def reschedule(
    *, asked: Asked, start: str | None, end: str | None, next_slot: bool, any_time: bool,
    reference: str | None,
) -> None:  # fmt: skip
    """Move REQUEST of instance NAME to another slot: --from and --to, or --next-slot.

    It needs a plan on which the customer chooses the times (M-4), and a slot before the date by which the
    maintenance is due (M-3), of an emergency before its deadline (M-6).
    """
    spec = asked.source.instance.spec
    if not is_flexible(spec.plan, asked.owed.agreed):
        text = f"plan {spec.plan} has no choice of times (M-4); refuse, or ask the provider for an agreement"
        raise Failure(text, exit_code=FOUND)
    slot = _slot(asked, start, end, any_next=next_slot)
    limit, clause = _limit(asked)
    if limit is not None and slot.start >= limit:
        text = f"the slot starts {when(slot.start, asked.terms)}, {asked.request.name} is due before"
        raise Failure(f"{text} {when(limit, asked.terms)} ({clause})", exit_code=FOUND)
    asked.answer("Permitted", slot=_slot_said(slot, any_time=any_time), reference=reference)


@click.command(short_help="Refuse a request (customer).")
@click.option("--reason", metavar="TEXT", help="Why.")
@_answering
def refuse(*, asked: Asked, reason: str | None, reference: str | None) -> None:
    """Refuse REQUEST of instance NAME. A month without a permission counts, three are a failure (M-7)."""
    asked.answer("Refused", reason=reason, reference=reference)


@click.command(short_help="Take a permission back (customer).")
@click.option("--reason", metavar="TEXT", help="Why.")
@_answering
def withdraw(*, asked: Asked, reason: str | None, reference: str | None) -> None:
    """Take back the permission of REQUEST of instance NAME, as long as its slot has not begun (M-13)."""
    answers = asked.request.answers
    last = answers[-1] if answers else None
    if last is not None and last.slot is not None and not last.any_time and last.slot.start <= asked.now:
        began = when(last.slot.start, asked.terms)
        text = f"the slot of {asked.request.name} began {began}: it is used (M-13)"
        raise Failure(text, exit_code=FOUND)
    asked.answer("Withdrawn", reason=reason, reference=reference)


def _slot(asked: Asked, start: str | None, end: str | None, *, any_next: bool) -> Slot:
    """The slot that the options name, long enough and to come. Raises Failure and UsageError."""
    needs = asked.request.notified.duration
    if any_next == (start is not None or end is not None) or (start is None) != (end is None):
        raise click.UsageError("name the slot by --from and --to, or take --next-slot")
    if start is None or end is None:
        found = next_slot(
            asked.terms.calendar, after=asked.now, lasting=needs, before=asked.now + REACH
        )
        if found is None:
            text = f"no window within a year has room for {length(needs)}: name the slot by --from and --to"
            raise Failure(text, exit_code=FOUND)
        return found
    zone = asked.terms.zone
    slot = Slot(instant_in(zone, start, option="--from"), instant_in(zone, end, option="--to"))
    left = max(slot.end - max(slot.start, asked.now), timedelta(0))
    if left < needs:
        text = f"{asked.request.name} needs {length(needs)}, the slot has {length(left)} left"
        raise Failure(text, exit_code=FOUND)
    return slot


def _slot_said(slot: Slot, *, any_time: bool) -> Manifest:
    said: Manifest = {"start": rfc3339(slot.start), "end": rfc3339(slot.end)}
    return said | {"anyTime": True} if any_time else said


def _limit(asked: Asked) -> tuple[datetime | None, str]:
    if asked.request.regular:
        floor = asked.owed.clocks.floor
        return (floor.due if floor else None), "M-3"
    urgent = asked.owed.clocks.emergencies
    return next((item.deadline for item in urgent if item.request == asked.request), None), "M-6"
