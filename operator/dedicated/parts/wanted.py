"""What one pass wants built: the instance with every open choice closed.

The parts render from this value alone. It holds what the spec leaves open: the release's images, the
zones in force, the shape of the database Secret. It is made once a pass by `reconcile.plan`.
"""

from dataclasses import dataclass
from typing import Literal

from dedicated.api.catalogue import ResolvedRelease
from dedicated.api.instance import InstanceSpec
from dedicated.api.resource import Instance
from dedicated.parts.database.engine import EngineWanted
from dedicated.parts.escrow import EscrowWanted
from dedicated.parts.limiter.objects import LimiterWanted
from dedicated.parts.recovery_agent import AgentWanted

PORT = 8080
EXTERNAL_PORT = 443

DatabaseForm = Literal["Dsn", "Fields"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Input of every part.

    `database_mark` changes when the database Secret's content does, and tells nothing of it; `keys_mark`
    when a system user's key pair was made anew. `database_port` is None where the Secret is not known,
    `engine` where no engine of ours runs the database, or none can; `agent` where nothing can be measured
    beside the instance, `escrow` where no key bundle is asked for, or none can be written, `limiter` where no
    way in is stated.
    """

    instance: Instance
    release: ResolvedRelease
    zones: int
    database_form: DatabaseForm = "Dsn"
    database_port: int | None = None
    database_mark: str = ""
    keys_mark: str = ""
    engine: EngineWanted | None = None
    agent: AgentWanted | None = None
    escrow: EscrowWanted | None = None
    limiter: LimiterWanted | None = None

    @property
    def spec(self) -> InstanceSpec:
        """The instance's spec."""
        return self.instance.spec

    @property
    def name(self) -> str:
        """Stem of the children's names."""
        return self.instance.name

    @property
    def server_replicas(self) -> int:
        """At least one pod per zone in force (S-2)."""
        return max(self.spec.server.replicas, self.zones)

    @property
    def login_replicas(self) -> int:
        """At least one pod per zone in force (S-2)."""
        return max(self.spec.login.replicas, self.zones)


def public_url(domain: str) -> str:
    """The public address: TLS on the default port."""
    return f"https://{domain}"
