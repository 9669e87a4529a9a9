"""The authority of the tests' own services, which images trust as they trust public ones.

An object store of a company is often signed by the company's authority, which its machines trust: images
`trusting` and those that stand on it play such machines. It is made once and kept in the cache, so that
images keep their key.
"""

from testbed.home import cache_root
from testbed.locks import locked
from testbed.pki import Authority

AUTHORITY = "authority"
"""Name of the context of a Dockerfile that has the certificate, `ca.crt`."""


def authority() -> Authority:
    """The authority, made if there is none; its certificate lives for a year."""
    found = Authority(cache_root() / "images" / AUTHORITY)
    with locked(found.directory.with_suffix(".lock")):
        if not found.certificate.exists():
            found.directory.mkdir(parents=True, exist_ok=True)
            found.create()
    return found
