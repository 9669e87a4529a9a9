"""`PrerequisitesMet`: what the infrastructure is found to be, in one condition."""

from dedicated.api.conditions import PREREQUISITES_MET, Condition
from dedicated.contract import prerequisites
from dedicated.contract.dates import when
from dedicated.contract.prerequisites import KUBERNETES, NODE_CPUS, NODE_GIGABYTES
from dedicated.reconcile.judgement import Judgement
from dedicated.reconcile.observed import Observed


def prerequisites_met(judgement: Judgement, observed: Observed) -> Condition:
    """Is the infrastructure as it must be?"""
    found = [item for item in judgement.findings if item.code in prerequisites.CODES]
    failed = [item for item in found if item.code not in prerequisites.UNKNOWN]
    text = "; ".join(f"{item.message}. {item.responsible}: {item.action}" for item in (failed or found))
    if failed:
        return Condition(PREREQUISITES_MET, "False", failed[0].code, text)
    if found:
        return Condition(PREREQUISITES_MET, "Unknown", found[0].code, text)
    sized = "" if prerequisites.CLAUSE in judgement.obligations.agreed else _SIZE
    until = _certificate(judgement, observed)
    text = f"{judgement.zones} zones have schedulable nodes{sized}, {_PLATFORM}{until}"
    return Condition(PREREQUISITES_MET, "True", "Met", text)


_SIZE = f" of at least {NODE_CPUS} CPUs and {NODE_GIGABYTES} GB"
_PLATFORM = f"Kubernetes is {'.'.join(map(str, KUBERNETES))} or newer, clocks agree"


def _certificate(judgement: Judgement, observed: Observed) -> str:
    reading = observed.service
    until = reading.entry.certificate_until if reading else None
    zone = judgement.obligations.terms.zone
    return f", the certificate is good until {when(until, zone)}" if until else ""
