"""The certificate of the way in: dates to the second, names by RFC 9525."""

from datetime import datetime, timedelta

import pytest

from builders import NOW
from dedicated.contract.certificate import CertificateReading, Chain, change, covers, judge
from dedicated.contract.prerequisites import CERTIFICATE_LEFT

DOMAIN = "login.acme.example"
SECOND = timedelta(seconds=1)


def codes(
    until: datetime, *, behind: datetime | None = None, names: tuple[str, ...] = (DOMAIN,), issuer: str = ""
) -> dict[str, str]:
    reading = CertificateReading("login-tls", Chain(names, until, behind))
    found = judge(reading, domain=DOMAIN, party="Customer", issuer=issuer, zone="Europe/Zurich", now=NOW)
    return {finding.code: finding.message for finding in found}


def test_a_good_one_is_not_spoken_of() -> None:
    assert codes(NOW + CERTIFICATE_LEFT + SECOND) == {}


def test_it_is_due_21_days_before_its_end() -> None:
    ((code, text),) = codes(NOW + CERTIFICATE_LEFT).items()
    assert code == "CertificateExpiring"
    assert "is valid until 2026-03-22T12:00:00Z (2026-03-22 13:00 Europe/Zurich)" in text
    assert "renewed 21 days before (P-5)" in text


def test_the_deadline_is_its_end() -> None:
    reading = CertificateReading("login-tls", Chain((DOMAIN,), NOW + SECOND))
    (found,) = judge(reading, domain=DOMAIN, party="Customer", issuer="", zone="Europe/Zurich", now=NOW)
    assert (found.deadline, found.responsible, found.blocks) == (NOW + SECOND, "Customer", "")


def test_one_that_has_run_out_is_told_as_that() -> None:
    assert "was valid until" in codes(NOW)["CertificateExpiring"]


def test_an_intermediate_ends_the_whole_of_it() -> None:
    found = codes(NOW + timedelta(days=90), behind=NOW + timedelta(days=3))
    assert "the intermediate certificate in Secret login-tls" in found["CertificateExpiring"]


def test_one_for_another_name_is_named() -> None:
    names = tuple(f"{letter}.example" for letter in "abcdefg")
    text = codes(NOW + timedelta(days=90), names=names)["CertificateMismatch"]
    assert text.endswith(
        "is for a.example, b.example, c.example, d.example, e.example and 2 more, not login.acme.example"
    )
    assert "is for no name at all" in codes(NOW + timedelta(days=90), names=())["CertificateMismatch"]


def test_what_cert_manager_says_is_told() -> None:
    assert codes(NOW, issuer="Denied: no account")["CertificateExpiring"].endswith(
        "; cert-manager: Denied: no account"
    )
    reading = CertificateReading("acme-tls", problem="does not exist")
    (found,) = judge(
        reading, domain=DOMAIN, party="Customer", issuer="Pending: order", zone="Europe/Zurich", now=NOW
    )
    assert found.code == "CertificateMissing"
    assert found.message == "Secret acme-tls does not exist; cert-manager: Pending: order"
    assert "docs/edge.md" in found.action


@pytest.mark.parametrize(
    ("names", "covered"),
    [
        (("login.acme.example",), True),
        (("*.acme.example",), True),
        (("other.example", "*.acme.example"), True),
        (("*.example",), False),
        (("*.login.acme.example",), False),
        (("acme.example",), False),
        (("*",), False),
        ((), False),
    ],
)
def test_a_wildcard_is_one_label(names: tuple[str, ...], covered: bool) -> None:
    assert covers(names, DOMAIN) is covered


def test_names_have_no_case() -> None:
    assert covers(("login.acme.example",), "Login.ACME.example")


def test_the_judgement_changes_when_it_is_due_and_at_its_end() -> None:
    reading = CertificateReading("login-tls", Chain((DOMAIN,), NOW))
    due = NOW - CERTIFICATE_LEFT
    assert change(reading, now=due - SECOND) == due
    assert change(reading, now=due) == NOW
    assert change(reading, now=NOW) is None
    assert change(CertificateReading("login-tls", problem="does not exist"), now=NOW) is None
    assert change(None, now=NOW) is None
