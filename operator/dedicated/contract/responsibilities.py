"""Who is responsible for what: the table of S1 "Responsibilities", with the columns for Dedicated (R-1).

Every finding takes its party from here, so that no message leaves open who must act.
"""

from typing import Literal

from dedicated.api.instance import Infrastructure, Party

Duty = Literal["Application", "Backup", "Compute", "Database", "Domain", "Networking", "Spec"]


def responsible(duty: Duty, infrastructure: Infrastructure) -> Party:
    """The party of a duty. `Compute` is the nodes; replicas are the application's."""
    match duty:
        case "Application":
            return "Provider"
        case "Database" | "Domain" | "Spec":
            # The only engine so far is external: its owner runs it. A spec is written by its users.
            return "Customer"
        case "Backup" | "Compute" | "Networking":
            return infrastructure.owner
