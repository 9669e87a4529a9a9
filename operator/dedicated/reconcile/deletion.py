"""Deletion of an instance: steps read from what exists, so that a restart finds its place.

Rebuildable children go by their owner references once the finalizer is gone. Keys and identity stay for an
instance re-created under the same name: without its masterkey a database cannot be read
(docs/deletion.md says how to remove them for good). The namespace's label goes before the finalizer, so that
the namespace of an instance that is gone can be deleted; a label that cannot be taken off holds nobody up.
"""

from dedicated.api.findings import Finding
from dedicated.api.names import FINALIZER
from dedicated.api.resource import Meta
from dedicated.reconcile.actions import MarkNamespace, Plan, SetFinalizers
from dedicated.reconcile.observed import Observed


def data_gates(observed: Observed) -> tuple[Finding, ...]:
    """What must be done before the instance may go: each part that holds data has its say here.

    An external database is its owner's: nothing of it is touched, so nothing has to be waited for.
    """
    del observed
    return ()


def plan_deletion(meta: Meta, observed: Observed) -> Plan:
    """The next step of a deletion."""
    if FINALIZER not in meta.finalizers or data_gates(observed):
        return Plan()
    release = MarkNamespace(was=meta.key.name)
    refused = str(release) in {failure.what for failure in observed.failures}
    if observed.mark == meta.key.name and not refused:
        return Plan(stages=((release,),))
    remaining = tuple(item for item in meta.finalizers if item != FINALIZER)
    return Plan(stages=((SetFinalizers(remaining),),))
