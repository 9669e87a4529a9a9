"""`ContractRecord`: one fact of the contract, written once and never changed (K-7).

A record's time is its `metadata.creationTimestamp`, the API server's own: no field can be back-dated. `at` is
for records that are brought back after a disaster. Which side states which fact is `STATED_BY`; that it holds
is the chart's admission policy (`templates/records.yaml`), since a schema knows no users. A record has no
owner reference: it outlives its instance.

Each fact has its own fields: `FIELDS` says which, and each field stands with its facts and with no other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field
from pydantic.alias_generators import to_snake

from dedicated.api.duration import Duration
from dedicated.api.recorded_database import (
    OBJECT_LENGTH,
    RecordedBackup,
    RecordedDrill,
    RecordedRemoval,
    RecordedRestore,
)
from dedicated.api.recorded_import import RecordedImport
from dedicated.api.recorded_limits import RecordedLoadTest, RecordedOverride
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.words import ObjectName, Sentence, Time, Words, instant

OperatorFact = Literal[
    "ModificationRepaired", "ServiceStarted", "Started", "Completed", "Failed", "MonthClosed", "NotMeasured",
    "FailedOver", "Restored", "DatabaseRemoved", "Drilled", "FinalBackup",
    "Imported",
]  # fmt: skip
CustomerFact = Literal["Permitted", "Refused", "Withdrawn"]
ProviderFact = Literal[
    "Blocked", "Retracted", "Escalated", "TerminationNotice", "TerminationWithdrawn", "Waiver", "Agreement",
    "Instruction", "ForceMajeure", "Override", "LoadTest", "OverrideWithdrawn",
]  # fmt: skip
SharedFact = Literal["Notified", "Delivered"]
EitherFact = Literal["KeysOpened", "DeletionConfirmed", "DeletionWithdrawn"]
Fact = Literal[OperatorFact, SharedFact, CustomerFact, ProviderFact, EitherFact]
Role = Literal["operator", "customer", "provider"]
GateResult = Literal["Passed", "Failed", "NotApplicable"]

MODIFICATION_REPAIRED: Fact = "ModificationRepaired"
FACTS: tuple[Fact, ...] = get_args(Fact)
STATED_BY: Mapping[Role, tuple[Fact, ...]] = {
    "operator": (*get_args(OperatorFact), *get_args(SharedFact)),
    "customer": (*get_args(CustomerFact), *get_args(EitherFact)),
    "provider": (*get_args(SharedFact), *get_args(ProviderFact), *get_args(EitherFact)),
}
"""Who states what. The operator notifies of a regular maintenance, the provider of an emergency; a person of
either side states that a key bundle was opened, and confirms a deletion or withdraws that (T-1)."""

_REQUESTS: tuple[Fact, ...] = (
    "Notified", "Delivered", "Started", "Completed", "Failed", "Permitted", "Refused", "Withdrawn", "Blocked",
    "Retracted",
)  # fmt: skip
FIELDS: Mapping[str, tuple[Fact, ...]] = {
    "modification": (MODIFICATION_REPAIRED,),
    "request": _REQUESTS,
    "notice": ("Notified",),
    "slot": ("Permitted",),
    "run": ("Started",),
    "closed": ("MonthClosed",),
    "stretch": ("NotMeasured", "FailedOver", "ForceMajeure"),
    "issue": ("Escalated", "TerminationNotice", "TerminationWithdrawn", "Waiver"),
    "agreement": ("Agreement",),
    "instruction": ("Instruction",),
    "restored": ("Restored",),
    "removed": ("DatabaseRemoved",),
    "drill": ("Drilled",),
    "incarnation": ("DeletionConfirmed", "DeletionWithdrawn", "FinalBackup", "Imported"),
    "imported": ("Imported",),
    "backup": ("FinalBackup",),
    "override": ("Override",),
    "loadTest": ("LoadTest",),
    "withdraws": ("OverrideWithdrawn",),
}
"""Field -> the facts that have it. `reference` and `reason` may stand with every fact."""
NEEDED: Mapping[str, tuple[Fact, ...]] = {
    "reference": (
        "Escalated", "TerminationNotice", "Waiver", "Agreement", "ForceMajeure", "KeysOpened", "Override",
        "LoadTest",
    ),
    "reason": ("Failed", "Blocked", "Instruction", "Override", "OverrideWithdrawn"),
}
"""Field that every fact may have -> the facts that must."""

INSTANCE_LENGTH = 40
USER_LENGTH = 512
MANAGER_LENGTH = 128
OPERATION_LENGTH = 32
FIELDS_LIMIT = 10
FIELD_LENGTH = 256
ROLLED_LENGTH = 16384
ROLLED_LIMIT = 50
"""Records in one MonthClosed: at most some 850 KB, of the 1.5 MB that etcd takes."""
REASON_LENGTH = 200
"""Characters of a gate's reason."""
LONGEST_INSTRUCTION = timedelta(days=7)
"""An instruction is for one piece of work (O-4)."""


class RecordedModification(ApiModel):
    """A change of a managed object by somebody else (O-4), kept before it was repaired."""

    object: Annotated[str, Field(min_length=1, max_length=OBJECT_LENGTH)] = Field(
        description="Kind/name of the managed object."
    )
    fields: Annotated[
        list[Annotated[str, Field(max_length=FIELD_LENGTH)]], Field(min_length=1, max_length=FIELDS_LIMIT)
    ] = Field(description="What was changed; the first 10 fields.")
    manager: Annotated[str, Field(max_length=MANAGER_LENGTH)] = Field(
        description="Field manager that made the change, or unknown."
    )
    operation: Annotated[str, Field(max_length=OPERATION_LENGTH)]
    at: Time = Field(
        description="When the change was made; where the API server does not tell, when it was seen."
    )


class Notice(ApiModel):
    """What a maintenance is, as the customer is told before it runs (M-5, M-6)."""

    kind: Literal["Regular", "Security", "Performance"] = Field(
        description="Security and Performance are emergencies: to be permitted within 5 days (M-6)."
    )
    duration: Duration = Field(description="Length of the slot that it needs, for example 2h.")
    downtime: Duration = Field("0s", description="Interruption to be expected.")
    changes: Annotated[list[Words], Field(max_length=20)] = Field([], description="What will be changed.")
    supersedes: ObjectName | None = Field(None, description="An earlier request that this one contains.")


class PermittedSlot(ApiModel):
    """When a maintenance may run, by the customer's word (M-13)."""

    rules: ClassVar = (
        Rule(
            cel="self.start < self.end",
            message="end must be later than start",
            field="end",
            holds=lambda self: instant(self.start) < instant(self.end),
        ),
    )
    start: Time
    end: Time
    any_time: bool = Field(
        False, description="The run may start anywhere in the slot; until then it can be withdrawn."
    )


class RecordedStretch(ApiModel):
    """A stretch of time; the end is no longer in it."""

    rules: ClassVar = PermittedSlot.rules
    start: Time
    end: Time


class Gate(ApiModel):
    """The answer of a gate before a run (M-14)."""

    gate: Annotated[str, Field(min_length=1, max_length=63)]
    result: GateResult
    reason: Annotated[str, Field(max_length=REASON_LENGTH)] = ""


class RecordedRun(ApiModel):
    """How a run began."""

    version: Annotated[str, Field(max_length=32)] | None = Field(None, description="Release that it brings.")
    gates: Annotated[list[Gate], Field(max_length=16)]


class RecordedAgreement(ApiModel):
    """A written agreement on a clause (K-9)."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.validUntil) || self.validFrom < self.validUntil",
            message="validUntil must be later than validFrom",
            field="validUntil",
            holds=lambda self: (
                self.valid_until is None or instant(self.valid_from) < instant(self.valid_until)
            ),
        ),
    )
    clause: Annotated[str, Field(max_length=8, pattern=r"^[A-Z]{1,2}-[0-9]{1,2}$")]
    value: Words = Field(description="The value agreed on, as the spec's field has it.")
    valid_from: Time
    valid_until: Time | None = Field(None, description="Until before this instant; absent: without end.")


class Grantee(ApiModel):
    """Who is instructed, as the API server knows them."""

    rules: ClassVar = (
        Rule(
            cel="(self.kind == 'ServiceAccount') == has(self.namespace)",
            message="namespace stands with kind ServiceAccount, and with no other: add it there, "
            "remove it elsewhere",
            field="namespace",
            holds=lambda self: (self.kind == "ServiceAccount") == (self.namespace is not None),
        ),
    )
    kind: Literal["User", "Group", "ServiceAccount"]
    name: Annotated[str, Field(min_length=1, max_length=USER_LENGTH)]
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None


class RecordedInstruction(ApiModel):
    """The provider's instruction to modify an instance, given before (O-4)."""

    rules: ClassVar = (
        Rule(
            cel="self.validFrom < self.validUntil && self.validUntil - self.validFrom <= duration('168h')",
            message="validUntil must be later than validFrom, and at most 7 days (O-4)",
            field="validUntil",
            holds=lambda self: (
                timedelta(0) < instant(self.valid_until) - instant(self.valid_from) <= LONGEST_INSTRUCTION
            ),
        ),
    )
    grantee: Grantee
    scope: Annotated[
        list[Annotated[str, Field(max_length=OBJECT_LENGTH, pattern=r"^[A-Z][A-Za-z]*/[-a-z0-9.]+$")]],
        Field(max_length=10),
    ] = Field([], description="Kind/name of each managed object that may be changed; empty: all of them.")
    valid_from: Time
    valid_until: Time


class RolledRecord(ApiModel):
    """A record as it was."""

    name: ObjectName
    at: Time = Field(description="Its time.")
    spec: Annotated[str, Field(min_length=2, max_length=ROLLED_LENGTH)] = Field(
        description="Its spec, verbatim, as compact JSON."
    )


class ClosedMonth(ApiModel):
    """The records of a month that is over. A month with many of them has several."""

    month: Annotated[str, Field(max_length=7, pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")] = Field(
        description="In the contract zone."
    )
    records: Annotated[list[RolledRecord], Field(min_length=1, max_length=ROLLED_LIMIT)]


def _quoted(facts: tuple[Fact, ...]) -> str:
    return ", ".join(f"'{fact}'" for fact in facts)


def _listed(facts: tuple[Fact, ...]) -> str:
    *most, last = facts
    return f"facts {', '.join(most)} and {last}" if most else f"fact {last}"


def _stands_with(field: str, facts: tuple[Fact, ...]) -> Rule:
    return Rule(
        cel=f"has(self.{field}) == (self.fact in [{_quoted(facts)}])",
        message=f"{field} stands with {_listed(facts)}, and with no other: add it there, remove it elsewhere",
        field=field,
        holds=lambda self: (getattr(self, to_snake(field)) is not None) == (self.fact in facts),
    )


def _is_needed(field: str, facts: tuple[Fact, ...]) -> Rule:
    need = "need" if len(facts) > 1 else "needs"
    return Rule(
        cel=f"has(self.{field}) || !(self.fact in [{_quoted(facts)}])",
        message=f"{_listed(facts)} {need} {field}: add it",
        field=field,
        holds=lambda self: getattr(self, field) is not None or self.fact not in facts,
    )


class RecordSpec(ApiModel):
    """The fact, and who states it."""

    rules: ClassVar = (
        *(_stands_with(field, facts) for field, facts in FIELDS.items()),
        *(_is_needed(field, facts) for field, facts in NEEDED.items()),
        Rule(
            cel="!has(self.notice) || self.notice.kind == 'Regular' || has(self.reference)",
            message="fact Notified of an emergency needs reference: add the advisory that it is for (M-6)",
            field="reference",
            holds=lambda self: (
                self.notice is None or self.notice.kind == "Regular" or self.reference is not None
            ),
        ),
    )
    instance: Annotated[str, Field(max_length=INSTANCE_LENGTH, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")] = (
        Field(description="Name of the DedicatedInstance in the same namespace that the fact is about.")
    )
    fact: Fact
    by: Annotated[str, Field(min_length=1, max_length=USER_LENGTH)] = Field(
        description="User who states the fact: the one who creates the record, as the API server knows them."
    )
    at: Time | None = Field(
        None,
        description="Time of a record that is brought back after a disaster. Refused but to holders of the "
        "verb restore-records: else the API server's own time holds.",
    )
    request: ObjectName | None = Field(None, description="Name of the Maintenance that the fact is about.")
    issue: ObjectName | None = Field(
        None, description="Failure to permit: the emergency's request, or regular-YYYY-MM (M-8)."
    )
    reference: Words | None = Field(None, description="Ticket, advisory or letter.")
    reason: Sentence | None = None
    modification: RecordedModification | None = None
    notice: Notice | None = None
    slot: PermittedSlot | None = None
    run: RecordedRun | None = None
    closed: ClosedMonth | None = None
    stretch: RecordedStretch | None = None
    agreement: RecordedAgreement | None = None
    instruction: RecordedInstruction | None = None
    restored: RecordedRestore | None = None
    removed: RecordedRemoval | None = None
    drill: RecordedDrill | None = None
    incarnation: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        None, description="uid of the DedicatedInstance: one that is made again under its name is another."
    )
    backup: RecordedBackup | None = None
    imported: RecordedImport | None = None
    override: RecordedOverride | None = None
    load_test: RecordedLoadTest | None = None
    withdraws: ObjectName | None = Field(
        None, description="Name of the Override or LoadTest that no longer holds from then on."
    )
