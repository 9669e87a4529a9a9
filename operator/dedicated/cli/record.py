"""`dedicated record`: the facts that the provider states, each with the fields that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import click

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, array
from dedicated.api.rate_limit import LONGEST_IPV6_PREFIX
from dedicated.api.record import ProviderFact, SharedFact
from dedicated.cli.frame import Cluster, cluster_options, instant_in, output
from dedicated.cli.recording import write
from dedicated.cli.source import in_cluster
from dedicated.cli.terminal import Output
from dedicated.contract.raised_ranges import range_fault


@dataclass(frozen=True, slots=True)
class Form:
    """A command of `record`: the fact, what it means, and the options that it must and may have."""

    fact: ProviderFact | SharedFact
    says: str
    must: tuple[str, ...]
    may: tuple[str, ...] = ()


OPTIONS: Mapping[str, str] = {
    "issue": "The failure to permit, as the status names it: regular-2026-02, or an emergency's request.",
    "request": "Name of the request.",
    "reference": "Ticket, advisory or letter.",
    "reason": "Why.",
    "clause": "Clause of the contract, for example S-2.",
    "value": "What is agreed, as the spec's field has it.",
    "from": "First instant; in the contract zone where no offset is written.",
    "until": "End, no longer in it.",
    "to": "Who is instructed: User:NAME, Group:NAME or ServiceAccount:NAMESPACE:NAME.",
    "object": "Kind/name of a managed object that may be changed (repeatable); default: all of them.",
    "range": "Range of addresses, such as 203.0.113.0/24.",
    "ranges": "Range of addresses that its requests come from (repeatable).",
    "factor": "So many times the published limits, 2 to 100; or exempt.",
    "record": "Name of the record that no longer holds.",
}
REPEATABLE = frozenset({"object", "ranges"})
FLAGS: Mapping[str, str] = {"ranges": "--range"}
"""Options whose flag is another word."""
PLAIN = ("issue", "request", "reference", "reason")
"""Options that are fields of the record as they stand."""
FORMS: Mapping[str, Form] = {
    "escalation": Form("Escalated", "A failure to permit was raised with the customer (M-8).",
                       ("issue", "reference"), ("reason",)),
    "notice": Form("TerminationNotice", "Notice of termination was given, with the gate open (M-10).",
                   ("issue", "reference"), ("reason",)),
    "notice-withdrawn": Form("TerminationWithdrawn", "A notice of termination was taken back (M-10).",
                             ("issue",), ("reference", "reason")),
    "waiver": Form("Waiver", "The provider waives a failure to permit (M-9).",
                   ("issue", "reference"), ("reason",)),
    "agreement": Form("Agreement", "A written agreement on a clause; the spec names it (K-9).",
                      ("clause", "value", "from", "reference"), ("until", "reason")),
    "instruction": Form("Instruction", "Somebody is instructed to modify the instance, for 7 days at most "
                        "(O-4).", ("to", "from", "until", "reason"), ("object", "reference")),
    "force-majeure": Form("ForceMajeure", "A stretch that nobody answers for (A-5).",
                          ("from", "until", "reference"), ("reason",)),
    "blocked": Form("Blocked", "The customer's infrastructure let nobody in (M-1).",
                    ("request", "reason"), ("reference",)),
    "retracted": Form("Retracted", "A request is taken back (M-6).", ("request",), ("reference", "reason")),
    "delivered": Form("Delivered", "The notice of a request reached the agreed channel (M-6).",
                      ("request",), ("reference",)),
    "override": Form("Override", "Limits are raised for a range of addresses, for a year at most (RL-3).",
                     ("range", "factor", "until", "reference", "reason"), ("from",)),
    "load-test": Form("LoadTest", "A load test is approved, 14 days before it begins at least (RL-4).",
                      ("ranges", "from", "until", "reference"), ("reason",)),
    "override-withdrawn": Form("OverrideWithdrawn", "An override or a load test no longer holds (RL-3).",
                               ("record", "reason"), ("reference",)),
}  # fmt: skip
Values = Mapping[str, str | tuple[str, ...] | None]


@click.group(short_help="State a fact of the contract (provider).")
def record() -> None:
    """State a fact of the contract: written once, never changed, at the API server's own time."""


def fields_of(form: Form, values: Values, *, zone: str) -> Manifest:
    """The record's own fields from the options. Raises click.UsageError."""
    given = {name: value for name in (*form.must, *form.may) if isinstance(value := values.get(name), str)}
    said: Manifest = {name: given[name] for name in PLAIN if name in given}
    times: dict[str, str] = {
        name: rfc3339(instant_in(zone, given[name], option=f"--{name}"))
        for name in ("from", "until")
        if name in given
    }
    match form.fact:
        case "Agreement":
            agreement: Manifest = {"clause": given["clause"], "value": given["value"], **_valid(times)}
            said["agreement"] = agreement
        case "Instruction":
            objects = values.get("object")
            scope: Manifest = {"scope": array([*objects])} if isinstance(objects, tuple) and objects else {}
            said["instruction"] = {"grantee": _grantee(given["to"]), **scope, **_valid(times)}
        case "ForceMajeure":
            said["stretch"] = {"start": times["from"], "end": times["until"]}
        case "Override":
            said["override"] = {"range": _range(given["range"]), **_raised(given["factor"]), **_valid(times)}
        case "LoadTest":
            ranges = values.get("ranges")
            told = [_range(text) for text in ranges] if isinstance(ranges, tuple) else []
            said["loadTest"] = {"ranges": array(told), **times}
        case "OverrideWithdrawn":
            said["withdraws"] = given["record"]
        case _:
            pass
    return said


def _range(text: str) -> str:
    fault = range_fault(text, ipv6_prefix=LONGEST_IPV6_PREFIX)
    if fault is not None:
        reason, fix = fault
        raise click.UsageError(f"--range {text!r}: {reason}; {fix}")
    return text


def _raised(factor: str) -> Manifest:
    if factor == "exempt":
        return {"exempt": True}
    if not factor.isdecimal():
        raise click.UsageError(f"--factor {factor!r}: write a whole number, 2 to 100, or exempt")
    return {"factor": int(factor)}


def _valid(times: Mapping[str, str]) -> Manifest:
    called = {"from": "validFrom", "until": "validUntil"}
    return {called[name]: at for name, at in times.items()}


def _grantee(text: str) -> Manifest:
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        namespace, colon, name = name.partition(":")
        if colon and namespace and name:
            return {"kind": kind, "namespace": namespace, "name": name}
    elif kind in {"User", "Group"} and name:
        return {"kind": kind, "name": name}
    raise click.UsageError(f"--to {text!r}: write User:NAME, Group:NAME or ServiceAccount:NAMESPACE:NAME")


def _command(name: str, form: Form) -> click.Command:
    @click.command(name, help=f"{form.says} NAME is the instance.", short_help=form.says)
    @click.argument("instance", metavar="NAME")
    @click.option("--dry-run", is_flag=True, help="Let the API server judge it, and store nothing.")
    @output
    @cluster_options
    def stated(
        *, instance: str, cluster: Cluster, dry_run: bool, output: Output, **values: str | tuple[str, ...]
    ) -> None:
        source = in_cluster(instance, cluster)
        said = fields_of(form, values, zone=source.zone)
        write(source, form.fact, said, cluster=cluster, dry_run=dry_run, output=output)

    stated.params[1:1] = [
        click.Option(
            [FLAGS.get(option, f"--{option}"), option], required=option in form.must,
            multiple=option in REPEATABLE,
            metavar="TIME" if option in {"from", "until"} else "TEXT", help=OPTIONS[option],
        )
        for option in (*form.must, *form.may)
    ]  # fmt: skip
    return stated


for called, made_of in FORMS.items():
    record.add_command(_command(called, made_of))
