"""What each condition asks, by which clause, and who acts: the data of `dedicated explain`."""

from dataclasses import dataclass

from dedicated.api import conditions as api


@dataclass(frozen=True, slots=True)
class Explanation:
    """A condition in words. In status `good` nobody has to act; `docs` is a page of the checkout."""

    asks: str
    good: str
    clauses: str
    acts: str
    docs: str


EXPLANATIONS: dict[str, Explanation] = {
    api.READY: Explanation(
        asks="Is this generation applied, does the public name answer, and do server and login stand in at "
        "least two zones?",
        good="True",
        clauses="S-2, P-5",
        acts="who the finding names that is its reason; none while it progresses",
        docs="docs/status.md#reasons-of-ready",
    ),
    api.RECONCILING: Explanation(
        asks="Is something under way?",
        good="False",
        clauses="none: kstatus, for those who wait",
        acts="nobody: the operator is at work",
        docs="docs/status.md",
    ),
    api.STALLED: Explanation(
        asks="Does a person have to act before anything goes on? What runs, runs on.",
        good="False",
        clauses="none: kstatus, for those who wait",
        acts="who the finding names that is its reason",
        docs="docs/status.md#findings",
    ),
    api.AVAILABLE: Explanation(
        asks="Do the core services answer through the public name?",
        good="True",
        clauses="A-1, A-3",
        acts="Provider; Customer where the domain or the infrastructure is the customer's",
        docs="docs/status.md#reasons-of-ready",
    ),
    api.HIGHLY_AVAILABLE: Explanation(
        asks="Would the loss of any one zone be survived now?",
        good="True",
        clauses="S-2, B-5",
        acts="Provider; the owner of the infrastructure where zones are missing",
        docs="docs/status.md#reasons-of-ready",
    ),
    api.PREREQUISITES_MET: Explanation(
        asks="Is the infrastructure as the contract requires?",
        good="True",
        clauses="O-3, P-5",
        acts="the owner of the infrastructure; Customer for name and certificate",
        docs="docs/prerequisites.md",
    ),
    api.UP_TO_DATE: Explanation(
        asks="Does every pod run the release wanted, and if not, what is waited for?",
        good="True",
        clauses="V-1, M-5",
        acts="nobody while it progresses; else who the finding names",
        docs="docs/status.md#reasons-of-uptodate",
    ),
    api.VERSION_SUPPORTED: Explanation(
        asks="Is the release that runs supported, and until when?",
        good="True",
        clauses="V-1, V-2",
        acts="Provider: move to a supported release; Customer where slots were refused or months missed",
        docs="docs/releases.md",
    ),
    api.UNMODIFIED: Explanation(
        asks="Has anybody changed in the last 24 h what only the provider may change? Who, what, when?",
        good="True",
        clauses="O-4",
        acts="nobody: it was repaired and recorded. Who changes it next needs an Instruction before",
        docs="docs/status.md#modifications",
    ),
    api.REGULAR_PERMITTED: Explanation(
        asks="Is regular maintenance permitted, or how many months in a row were missed?",
        good="True",
        clauses="M-7, M-13",
        acts="Customer: permit a slot",
        docs="docs/maintenance.md#what-to-do",
    ),
    api.EMERGENCY_PERMITTED: Explanation(
        asks="Is every emergency permitted, with a slot that begins within 5 days of its notice?",
        good="True",
        clauses="M-6, M-13",
        acts="Customer: permit a slot before the deadline",
        docs="docs/maintenance.md#what-to-do",
    ),
    api.WITHIN_QUARTER: Explanation(
        asks="Was regular maintenance completed within the last 3 months?",
        good="True",
        clauses="M-3",
        acts="Customer where a slot was refused or not permitted meanwhile, else Provider",
        docs="docs/windows.md#often-enough",
    ),
    api.ESCALATION_DUE: Explanation(
        asks="Does a failure to permit wait for the provider to raise it?",
        good="False",
        clauses="M-8",
        acts="Provider: raise it with the customer, then record Escalated",
        docs="docs/maintenance.md#what-to-do",
    ),
    api.TERMINATION_PERMITTED: Explanation(
        asks="May the provider give notice of termination now? The operator itself ends nothing.",
        good="False",
        clauses="M-9, M-10",
        acts="Customer until the gate opens: permit a slot. After that the provider decides",
        docs="docs/maintenance.md#what-to-do",
    ),
    api.SERVICE_LEVEL_IN_FORCE: Explanation(
        asks="Does the service level apply now, and since when not?",
        good="True",
        clauses="L-1, L-2, M-11",
        acts="Customer where it is void or prerequisites are not met; nobody where none was promised",
        docs="docs/service-level.md",
    ),
    api.DATA_LOCATION_COMPLIANT: Explanation(
        asks="Is all that holds the instance's data inside its region: nodes, backups, their copies?",
        good="True",
        clauses="D-1",
        acts="the owner of the infrastructure; Customer where the spec names no region, or an unknown one",
        docs="docs/data-location.md",
    ),
    api.SERVICE_LEVEL_MET: Explanation(
        asks="Is this month's availability within its objective, as far as it was measured?",
        good="True",
        clauses="A-1, A-3, A-5, A-7, A-8",
        acts="Provider: mend what fails, keep an operator running. Customer: claim a credit in time",
        docs="docs/service-level.md",
    ),
    api.DATA_PROTECTED: Explanation(
        asks="Would the data survive the loss of all copies of the database, as promised? It stands for log "
        "and backups below, and for BackupPolicySatisfied and KeysEscrowed.",
        good="True",
        clauses="B-1, B-2, B-3, B-7",
        acts="Provider; the owner of an external database for that database",
        docs="docs/recovery.md",
    ),
    api.RPO_MET: Explanation(
        asks="Is the newest recoverable point younger than the objective, by what is in the repository?",
        good="True",
        clauses="B-3",
        acts="Provider: bring archiving back; without a backup, have a full one made",
        docs="docs/recovery.md#recoverypointobjectivemet",
    ),
    api.WAL_ARCHIVING: Explanation(
        asks="Does the database's log reach the repository?",
        good="True",
        clauses="B-2, B-3",
        acts="Provider: the database's log tells why the archive command fails",
        docs="docs/recovery.md#walarchiving",
    ),
    api.WAL_CONTINUOUS: Explanation(
        asks="Is the log in the repository without a gap since the newest backup?",
        good="True",
        clauses="B-3",
        acts="Provider: a differential backup closes the gap",
        docs="docs/recovery.md#walcontinuous",
    ),
    api.BACKUP_SCHEDULE_MET: Explanation(
        asks="Did full and differential backups come when they were due, and end well?",
        good="True",
        clauses="B-1, B-2",
        acts="Provider: have the backup made, and find out why it was not",
        docs="docs/recovery.md#backupschedulemet",
    ),
    api.FAILOVER_READY: Explanation(
        asks="Does a synchronous standby stream on the primary's timeline in another zone?",
        good="True",
        clauses="B-5, S-2",
        acts="Provider: bring the standby back; clone one anew that has diverged",
        docs="docs/recovery.md#failoverready",
    ),
    api.BACKUP_ENCRYPTED: Explanation(
        asks="Is every backup encrypted, before it leaves the cluster or by the bucket's default?",
        good="True",
        clauses="D-2",
        acts="Provider: encrypt the bucket by default, or set encryption.clientSide",
        docs="docs/recovery.md#backupencrypted",
    ),
    api.RESTORE_PROVEN: Explanation(
        asks="Was a restore tried out lately, did it bring all back, and was it fast enough?",
        good="True",
        clauses="B-4",
        acts="Provider: mend what the drill found, and have another one held (dedicated drill)",
        docs="docs/recovery.md#restoreproven",
    ),
    api.ENGINE_VERIFIED: Explanation(
        asks="Has this operator run the database's engine for real, not against its definitions alone?",
        good="True",
        clauses="none: what is claimed of an engine, and on which ground",
        acts="Provider: try engine and restore before real users depend on them",
        docs="docs/engines.md",
    ),
    api.BACKUP_POLICY_SATISFIED: Explanation(
        asks="Does the engine offer the backups that the contract asks for?",
        good="True",
        clauses="B-1, B-2, D-2",
        acts="Provider: agree on what differs, or use an engine that offers it; nobody where it is external",
        docs="docs/engines.md",
    ),
    api.KEYS_ESCROWED: Explanation(
        asks="Are the keys, without which no backup can be read, and the ledger kept beside the cluster as "
        "they are now?",
        good="True",
        clauses="B-10",
        acts="Provider",
        docs="docs/keys.md",
    ),
    api.RATE_LIMIT_CONFIGURED: Explanation(
        asks="Does every replica of the limiter run the configuration that is wanted?",
        good="True",
        clauses="RL-2, RL-3",
        acts="Provider: the message has HAProxy's own words, or names the replica",
        docs="docs/status.md#conditions-of-the-rate-limits",
    ),
    api.RATE_LIMIT_ENFORCED: Explanation(
        asks="Was it measured that each replica limits as the policy says, and does nothing lead past it?",
        good="True",
        clauses="RL-1, RL-2",
        acts="Provider: close the way that is named, or delete the replica's pod; Customer: mode Shadow",
        docs="docs/status.md#conditions-of-the-rate-limits",
    ),
    api.RATE_LIMIT_EXACT: Explanation(
        asks="Are windows, bans and counts those of the contract, shared between replicas?",
        good="True",
        clauses="RL-2",
        acts="Provider: let the replicas reach each other; Customer where enforcement is External",
        docs="docs/status.md#conditions-of-the-rate-limits",
    ),
    api.CLIENT_ADDRESS_TRUSTED: Explanation(
        asks="Are limits held against the address of each client, and can nobody choose it?",
        good="True",
        clauses="RL-2",
        acts="Customer: let the way in tell the client's address, and name its proxies",
        docs="docs/status.md#conditions-of-the-rate-limits",
    ),
    api.RATE_LIMIT_CAPACITY: Explanation(
        asks="Has every replica of the limiter room for the addresses that ask?",
        good="True",
        clauses="RL-2",
        acts="Provider: raise spec.rateLimit.addresses",
        docs="docs/status.md#conditions-of-the-rate-limits",
    ),
    api.TEST_CLOCK: Explanation(
        asks="Does an operator of a test reckon with a clock of its own? It stands only where one does.",
        good="False",
        clauses="none: for tests",
        acts="nobody in a test; elsewhere Provider: such an operator belongs in no cluster that serves",
        docs="docs/testing.md",
    ),
}
"""By condition type, in the order in which a status is read."""
