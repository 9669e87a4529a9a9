"""What a probe of the public name is about, and how it can end (A-3, A-4).

`Entry` is the way to the services: name, network and TLS in front of them. It is told apart because on own
infrastructure it is the customer's (A-5, I-2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Source = Literal["Entry", "Discovery", "Keys", "Login", "SAML", "Session", "Token"]
"""A Core Service as it is probed, or the entry to all of them."""
Outcome = Literal["Good", "Failed"]
Trouble = Literal["", "Certificate", "Name"]
"""What of the entry was seen to be wrong: a certificate that is not trusted, a name that does not resolve."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry as a reading found it: until when its certificate is good, and what is wrong, in words."""

    certificate_until: datetime | None = None
    trouble: Trouble = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The probes of one moment. What was not measured is not in it.

    `at` is when the first was sent. `details` says of what failed what was asked and what came back.
    """

    at: datetime
    outcomes: Mapping[Source, Outcome]
    details: Mapping[Source, str]
