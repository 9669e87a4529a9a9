"""Quantities as Kubernetes writes them: `500m`, `8145348Ki`, `4`."""

import re
from decimal import Decimal

QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")
FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def parse_quantity(text: str) -> Decimal | None:
    """The number that a quantity stands for, without its unit; None for anything else."""
    found = QUANTITY.match(text)
    return None if found is None else Decimal(found[1]) * FACTORS[found[2] or ""]
