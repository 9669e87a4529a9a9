"""The certificate of the way in (P-5): whether it is there, is good for the domain, and for how long.

What is judged is the one that the operator is told of; the one that is served is judged by what the public
name answers with (`prerequisites.check_entry`). Both are due for renewal `CERTIFICATE_LEFT` before their end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.findings import Finding
from dedicated.api.instance import Party
from dedicated.contract.dates import when
from dedicated.contract.prerequisites import CERTIFICATE_LEFT

EXPIRING, MISSING, MISMATCH = "CertificateExpiring", "CertificateMissing", "CertificateMismatch"
SHOWN = 5
"""Names that a message has room for."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate's names, until when it is valid, and until when those that vouch for it are."""

    names: tuple[str, ...]
    until: datetime
    behind_until: datetime | None = None

    @property
    def not_after(self) -> datetime:
        """Until when the whole of it is valid."""
        return self.until if self.behind_until is None else min(self.until, self.behind_until)


@dataclass(frozen=True, slots=True)
class CertificateReading:
    """What was read of a certificate's Secret; without a chain, what is wrong with the Secret in words."""

    secret: str
    chain: Chain | None = None
    problem: str = ""


def judge(
    reading: CertificateReading, *, domain: str, party: Party, issuer: str, zone: str, now: datetime
) -> Iterator[Finding]:
    """The findings about a certificate. `issuer` is what cert-manager says, where it keeps it."""
    chain, said = reading.chain, f"; cert-manager: {issuer}" if issuer else ""
    if chain is None:
        yield Finding(
            code=MISSING,
            responsible=party,
            message=f"Secret {reading.secret} {reading.problem}{said}",
            action=f"let cert-manager through the protection (docs/edge.md), or see what keeps it: {issuer}"
            if issuer
            else f"bring a certificate of {domain} in key tls.crt, with its key in tls.key",
        )
        return
    if not covers(chain.names, domain):
        yield Finding(
            code=MISMATCH,
            responsible=party,
            message=f"the certificate in Secret {reading.secret} is for {_listed(chain.names)}, not {domain}",
            action=f"bring one whose subject alternative names cover {domain}",
        )
    if now >= chain.not_after - CERTIFICATE_LEFT:
        which = "certificate" if chain.not_after == chain.until else "intermediate certificate"
        runs = "was valid" if now >= chain.not_after else "is valid"
        yield Finding(
            code=EXPIRING,
            responsible=party,
            message=f"the {which} in Secret {reading.secret} {runs} until {when(chain.not_after, zone)}; it "
            f"is to be renewed {CERTIFICATE_LEFT.days} days before (P-5){said}",
            action="renew it, or find out why its renewal fails",
            deadline=chain.not_after,
        )


def change(reading: CertificateReading | None, *, now: datetime) -> datetime | None:
    """When the judgement changes by itself; None if it does not."""
    if reading is None or reading.chain is None:
        return None
    end = reading.chain.not_after
    return next((at for at in (end - CERTIFICATE_LEFT, end) if at > now), None)


def covers(names: Sequence[str], domain: str) -> bool:
    """Whether one of the names is the domain's. A wildcard stands for one label (RFC 9525 6.3)."""
    _, _, parent = domain.lower().partition(".")
    return domain.lower() in names or f"*.{parent}" in names


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "no name at all"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
