"""Who is responsible for what: the table of S1 "Responsibilities", with the columns for Dedicated (R-1).

Every finding takes its party from here, so that no message leaves open who must act; the status shows the
table as it is for the instance. An option that was booked is the provider's duty, else it is the customer's
(L-3). Whether it is carried out is not seen here.
"""

from collections.abc import Collection
from typing import Literal

from dedicated.api.findings import Finding
from dedicated.api.instance import BookedOption, Infrastructure, InstanceSpec, Party
from dedicated.api.json import JsonValue, Manifest

Duty = Literal[
    "Application",
    "Backup",
    "Compute",
    "DDoSProtection",
    "Data",
    "Database",
    "Domain",
    "Networking",
    "SMS",
    "SMTP",
    "Spec",
    "UserAccess",
    "WAF",
]
ROWS: tuple[Duty, ...] = (
    "Data",
    "UserAccess",
    "SMTP",
    "SMS",
    "Domain",
    "DDoSProtection",
    "WAF",
    "Backup",
    "Networking",
    "Compute",
    "Database",
    "Application",
)
"""The rows of the table, in its order."""


def responsible(
    duty: Duty,
    infrastructure: Infrastructure,
    *,
    booked: Collection[BookedOption] = (),
    external: bool = True,
) -> Party:
    """The party of a duty. `Compute` is the nodes; replicas are the application's. `external`: somebody else
    runs the database, who is the customer's."""
    match duty:
        case "Application":
            return "Provider"
        case "Data" | "Domain" | "SMS" | "SMTP" | "Spec" | "UserAccess":
            return "Customer"  # a spec is written by its users
        case "Database":
            return "Customer" if external else "Provider"
        case "DDoSProtection" | "WAF":
            return "Provider" if duty in booked and infrastructure.class_ != "SelfHosted" else "Customer"
        case "Backup" | "Compute" | "Networking":
            return infrastructure.owner


def check_options(spec: InstanceSpec) -> tuple[Finding, ...]:
    """Options that were booked where the provider runs nothing."""
    if not spec.options or spec.infrastructure.class_ != "SelfHosted":
        return ()
    return (
        Finding(
            code="OptionsWithoutEffect",
            responsible="Provider",
            message=f"spec.options has {', '.join(spec.options)}, but on infrastructure class SelfHosted "
            "it is the customer who protects the instance (R-1, L-3)",
            action="take it out of the spec, or correct infrastructure.class",
        ),
    )


def responsibilities(spec: InstanceSpec) -> Manifest:
    """The table for `status.responsibilities`: the rows of each side."""
    found: dict[Party, list[JsonValue]] = {"Provider": [], "Customer": []}
    external = spec.database.engine == "external"
    for row in ROWS:
        found[responsible(row, spec.infrastructure, booked=spec.options, external=external)].append(row)
    return {"provider": found["Provider"], "customer": found["Customer"]}
