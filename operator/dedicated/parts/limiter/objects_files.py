"""The files of all replicas of a limiter, as its ConfigMap holds them."""

from collections.abc import Mapping

from dedicated.api.resource import Instance
from dedicated.contract.rate_limits import Policy, canonical, policy_hash
from dedicated.parts.limiter.names import HASH_KEY, POLICY_FILE


def files_of(instance: Instance, policy: Policy, *, replicas: int) -> Mapping[str, str]:
    """Everything that the agents read."""
    del instance, replicas
    return {POLICY_FILE: canonical(policy), HASH_KEY: policy_hash(policy)}


def memory_of(instance: Instance, *, replicas: int) -> int:
    """Bytes that one HAProxy may take."""
    del instance, replicas
    return 384 * 2**20
