"""`DedicatedInstance.status`: what the operator tells. A pure function of facts and time.

Facts are fields, judgements are conditions. Instants are published, never ages: an age is wrong a
second later. The models here give the CRD its schema; the writer is `reconcile.status`.
"""

from typing import Annotated, Literal

from pydantic import Field

from dedicated.api.instance_restore import MESSAGE_LENGTH, Phase, Purpose
from dedicated.api.key_bundle import MOST_RECIPIENTS, RecipientRole
from dedicated.api.rules import ApiModel, list_map
from dedicated.api.status_import import StatusImport
from dedicated.api.status_limits import StatusEdge, StatusRateLimit

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Line = Annotated[str, Field(max_length=1024)]
Words = Annotated[str, Field(max_length=253)]
Word = Annotated[str, Field(max_length=32)]


class StatusCondition(ApiModel):
    """`metav1.Condition`."""

    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    message: Annotated[str, Field(max_length=32768)]
    last_transition_time: Time
    observed_generation: int | None = Field(None, ge=0)


class StatusFinding(ApiModel):
    """What needs somebody: who must act, and how."""

    code: Annotated[str, Field(max_length=64)]
    responsible: Literal["Provider", "Customer"]
    message: Line
    action: Line
    contact: Words | None = Field(None, description="Whom to reach on that side (spec.contacts).")
    deadline: Time | None = None


class StatusZone(ApiModel):
    """Ready pods of one zone."""

    name: Annotated[str, Field(max_length=63)]
    server: int
    login: int
    limiter: int | None = None


class StatusVersions(ApiModel):
    """Releases: wanted now, set up in the database, and served by every pod."""

    wanted: Annotated[str, Field(max_length=32)] | None = None
    schema_: Annotated[str, Field(max_length=32)] | None = Field(None, alias="schema")
    server: Annotated[str, Field(max_length=32)] | None = None
    login: Annotated[str, Field(max_length=32)] | None = None


class StatusModification(ApiModel):
    """A change of a managed object by somebody else (O-4)."""

    object: Annotated[str, Field(max_length=320)]
    manager: Annotated[str, Field(max_length=128)] = Field(description="Field manager that made the change.")
    operation: Annotated[str, Field(max_length=32)]
    at: Time | None = Field(None, description="When it was made, or seen where the API server tells no time.")
    repaired_at: Time | None = Field(None, description="Time of the ContractRecord made before the repair.")
    fields: Annotated[list[Line], Field(max_length=10)]


class StatusSummary(ApiModel):
    """Strings for the columns of `kubectl get`."""

    version: Annotated[str, Field(max_length=64)]
    zones: Annotated[str, Field(max_length=64)]
    server: Annotated[str, Field(max_length=64)]
    login: Annotated[str, Field(max_length=64)]
    limiter: Annotated[str, Field(max_length=64)] | None = None
    findings: Annotated[str, Field(max_length=128)]


class StatusSlot(ApiModel):
    """A stretch in which maintenance may run."""

    start: Time
    end: Time
    local: Words = Field(description="The same in the contract zone.")


class StatusLedgerMonth(ApiModel):
    """A month of the ledger (M-7)."""

    month: Annotated[str, Field(max_length=7)]
    state: Word
    streak: int = Field(description="Months missed in a row, up to and with this one.")
    final: bool = Field(description="Whether it is over; else it is what it comes to if nothing is recorded.")
    request: Words | None = None


class StatusEmergency(ApiModel):
    """An emergency maintenance that is not done (M-6)."""

    request: Words
    state: Word
    notified: Time | None = None
    deadline: Time | None = None


class StatusIssue(ApiModel):
    """A failure to permit that is not settled (M-8 to M-10)."""

    name: Words
    kind: Literal["Regular", "Emergency"]
    state: Word
    failed: Time
    escalated: Time | None = None
    deadline: Time | None = Field(None, description="Until when it is to be resolved.")
    resolved: Time | None = Field(None, description="When a permitted slot resolves it.")
    notice: Time | None = None
    effective: Time | None = None


class StatusVoid(ApiModel):
    """A stretch without obligation (M-11). No end: nothing recorded ends it."""

    start: Time
    end: Time | None = None


class StatusDate(ApiModel):
    """A date to come, and who must act before it."""

    at: Time
    local: Words
    what: Line
    responsible: Literal["Provider", "Customer"]
    clause: Annotated[str, Field(max_length=8)]


class StatusMaintenance(ApiModel):
    """Maintenance and the contract's clocks: computed from the records, never stored."""

    time_zone: Words = Field(description="The contract zone in force.")
    permission: Literal["Window", "Plan", "Record"] = Field(
        description="What permits regular maintenance: standing windows, the plan, or a record for each."
    )
    due: Time | None = Field(None, description="Before when the next regular one is due (M-3).")
    next_slots: Annotated[list[StatusSlot], Field(max_length=3)]
    next_dates: Annotated[list[StatusDate], Field(max_length=10)]
    months: Annotated[list[StatusLedgerMonth], Field(max_length=24)] = Field(description="The newest first.")
    emergencies: Annotated[list[StatusEmergency], Field(max_length=10)]
    issues: Annotated[list[StatusIssue], Field(max_length=10)]
    voids: Annotated[list[StatusVoid], Field(max_length=10)]


class StatusPendingAction(ApiModel):
    """A change that waits for a slot of maintenance."""

    kind: Literal["Release", "Change"] | None = Field(
        None, description="Another ZITADEL release, or a change of what the instance is made of."
    )
    what: Line
    why: Line
    not_before: Time | None = Field(None, description="Begin of the first slot in which it can be done.")
    at_the_latest: Time | None = Field(None, description="Before when regular maintenance is due (M-3).")


class StatusLevelMonth(ApiModel):
    """A month of the service level. Figures in per cent, rounded down; whole minutes."""

    month: Annotated[str, Field(max_length=7)]
    contract: Annotated[str, Field(max_length=8)] = Field(
        description="Monthly uptime by the contract (A-1): without what is excluded, void or unknown."
    )
    observed: Annotated[str, Field(max_length=8)] = Field(
        description="Monthly uptime as the probes saw it; nothing is left out."
    )
    downtime_minutes: int
    observed_downtime_minutes: int
    excluded_minutes: int = Field(description="Downtime that does not count (A-5).")
    void_minutes: int = Field(description="Minutes in which the service level was void (A-9, M-11).")
    unknown_minutes: int = Field(
        description="Minutes not measured (A-3); of the current month in steps of 40."
    )
    objective: Annotated[str, Field(max_length=8)] | None = Field(None, description="Absent: none (L-2).")
    allowed_minutes: int | None = Field(None, description="Downtime that the objective leaves room for.")
    met: bool | None = None
    credit_percent: int | None = Field(None, description="Of the month's fee (A-8).")
    claim_before: Time | None = Field(None, description="A claim for the credit is too late from then on.")


class StatusServiceLevel(ApiModel):
    """The service level (A-1 to A-9)."""

    measured_since: Time
    measured_at: Time = Field(description="When something was measured last that moved a figure.")
    down_since: Time | None = Field(
        None, description="A downtime that goes on; its minutes are in the figures once it has ended."
    )
    current: StatusLevelMonth = Field(description="This month, as it ends if nothing fails any more.")
    months: Annotated[list[StatusLevelMonth], Field(max_length=13)] = Field(description="The months before.")


class StatusBackup(ApiModel):
    """A backup, as the repository lists it."""

    kind: Literal["full", "differential", "incremental"]
    started: Time
    finished: Time | None = None
    label: Words | None = None
    bytes: int | None = Field(None, ge=0, description="Its own bytes in the repository.")
    error: Line | None = None


class StatusServer(ApiModel):
    """A server of the database; an empty zone is not known."""

    name: Words
    zone: Annotated[str, Field(max_length=63)]


class StatusStandby(StatusServer):
    """A server beside the primary, as it follows or does not."""

    state: Literal["Streaming", "CatchingUp", "Stalled", "Missing", "Diverged"] = Field(
        description="Only Streaming counts. Diverged: it left the primary's history, and must be cloned anew."
    )
    sync: Word | None = Field(None, description="As the primary waits for it: sync, quorum, potential, async")
    timeline: int | None = Field(None, ge=0, description="Its own, where it is known.")
    since: Time | None = Field(None, description="From when on it does not follow.")


class StatusReplication(ApiModel):
    """The primary, and the standbys that hold each commit before it is acknowledged."""

    primary: StatusServer
    timeline: int | None = Field(None, ge=0)
    synchronous: Annotated[list[StatusServer], Field(max_length=10)]
    standbys: Annotated[list[StatusStandby], Field(max_length=10)] | None = None


class StatusFailover(ApiModel):
    """The last change of the primary (B-5)."""

    at: Time = Field(description="When commits were possible again.")
    outage: Word = Field(description="For how long none was, at most.")
    timeline: int = Field(ge=0)


class StatusDrill(ApiModel):
    """The last restore that was tried out (B-4)."""

    at: Time = Field(description="When it was over.")
    restore: Words = Field(description="Name of the InstanceRestore.")
    passed: bool
    reason: Word = Field(description="Proven, or why not.")
    found: Annotated[str, Field(max_length=500)] = Field(description="Figures, or what was wrong.")
    restored_to: Time | None = None
    shortfall: Word | None = Field(None, description="What was missing to the point asked for.")
    took: Word | None = Field(None, description="The restore, until recovery had ended.")
    events: int | None = Field(None, ge=0)
    keys_opened: Word | None = Field(None, description="Encryption keys that the masterkey opened.")


class StatusRecovery(ApiModel):
    """What could be restored (B-1 to B-5), as of the recovery agent's report; told anew every 5 minutes, and
    whenever something changes."""

    measured_at: Time = Field(description="When it was reported. More than 10 minutes ago: not known now.")
    objective: Word = Field(description="Lost at most when all copies of the database are lost (B-3).")
    newest_recoverable_point: Time | None = Field(None, description="Nothing committed until then is lost.")
    earliest_recoverable_point: Time | None = None
    estimated_restore: Word | None = None
    frontier: Word | None = Field(None, description="Position up to which the log is held without a gap.")
    timeline: int | None = Field(None, ge=0)
    gaps: Annotated[list[Line], Field(max_length=10)] | None = Field(
        None, description="Missing segments of the log: the first one's number, and how many."
    )
    last_full: StatusBackup | None = None
    last_differential: StatusBackup | None = None
    last_failure: StatusBackup | None = Field(None, description="One that nothing has made good since.")
    replication: StatusReplication | None = None
    last_failover: StatusFailover | None = None
    last_drill: StatusDrill | None = None


class StatusRestore(ApiModel):
    """The restore that is under way, or the newest that is not over (B-4)."""

    name: Words
    purpose: Purpose
    phase: Phase
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = Field(
        None, description="Who waits for what."
    )
    responsible: Literal["Provider", "Customer"] | None = Field(None, description="Who must act.")
    target: Time | None = Field(None, description="The point restored.")
    expected_end: Time | None = Field(None, description="When it is restored and verified, as it looks now.")
    cluster: Words | None = Field(None, description="The new database.")


class StatusDatabase(ApiModel):
    """The restored database that serves; absent where it is the first one."""

    cluster: Words
    restored_from: Words
    restored_to: Time = Field(description="The point restored, at least.")


class StatusOpener(ApiModel):
    """Who can open the key bundle."""

    role: RecipientRole
    fingerprint: Word = Field(description="The begin of its public key's SHA-256.")


class StatusLedger(ApiModel):
    """What was last written of the ledger beside the bundle."""

    number: int = Field(ge=1)
    object: Line = Field(description="Its name in the bucket.")
    sha256: Annotated[str, Field(max_length=64)] = Field(description="Of the encrypted object.")
    written_at: Time


class StatusKeyBundle(StatusLedger):
    """The newest key bundle, as its Job recorded it."""

    fingerprint: Annotated[str, Field(max_length=32)] = Field(
        description="Salted fingerprint of the masterkey in it: that of <name>-identity."
    )
    recipients: Annotated[list[StatusOpener], Field(max_length=MOST_RECIPIENTS)]
    opened_at: Time | None = Field(None, description="When a recipient last opened one, by a record.")
    ledger: StatusLedger | None = None


class StatusDeletionStep(ApiModel):
    """A step of a deletion."""

    name: Word
    state: Literal["Done", "Running", "Held", "NotApplicable"] = Field(
        description="Held: somebody has to act."
    )
    message: Line


class StatusDeletion(ApiModel):
    """The end of the instance (T-1)."""

    confirmed_by: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="Who confirmed it on record: without it, no DELETE is let through."
    )
    until: Time | None = Field(None, description="Until when the confirmation is good.")
    phase: Word | None = Field(None, description="The step that is not done, once it was deleted.")
    remove_after: Time | None = Field(None, description="When the database is removed at the earliest.")
    steps: Annotated[list[StatusDeletionStep], Field(max_length=10)] | None = None


class StatusResponsibilities(ApiModel):
    """Who answers for what (R-1), as the spec has it now."""

    provider: Annotated[list[Word], Field(max_length=20)]
    customer: Annotated[list[Word], Field(max_length=20)]


class InstanceStatus(ApiModel):
    """What is."""

    observed_generation: int | None = Field(None, ge=0)
    url: Annotated[str, Field(max_length=300)] | None = None
    admin_secret: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="Secret with the first administrator's user name and first password."
    )
    summary: StatusSummary | None = None
    versions: StatusVersions | None = None
    zones: Annotated[list[StatusZone], Field(max_length=9, json_schema_extra=list_map("name"))] | None = None
    conditions: (
        Annotated[list[StatusCondition], Field(max_length=40, json_schema_extra=list_map("type"))] | None
    ) = None
    responsibilities: StatusResponsibilities | None = None
    findings: Annotated[list[StatusFinding], Field(max_length=20)] | None = None
    modifications: Annotated[list[StatusModification], Field(max_length=20)] | None = None
    pending_actions: Annotated[list[StatusPendingAction], Field(max_length=20)] | None = Field(
        None, description="Everything that waits for a slot; nothing is deferred silently."
    )
    maintenance: StatusMaintenance | None = None
    service_level: StatusServiceLevel | None = None
    recovery: StatusRecovery | None = None
    restore: StatusRestore | None = None
    database: StatusDatabase | None = None
    import_: StatusImport | None = Field(None, alias="import")
    key_bundle: StatusKeyBundle | None = None
    deletion: StatusDeletion | None = None
    edge: StatusEdge | None = None
    rate_limit: StatusRateLimit | None = None
