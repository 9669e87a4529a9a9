"""Looking for secret values where they must not be."""

import base64

from dedicated.api.json import Manifest, get_map

SHORTEST = 8
"""Characters: anything shorter stands somewhere by chance."""
PUBLIC = ("user", "public", "host", "database", "port")
"""How the fields of a Secret begin that hold nothing secret."""


def found_in(text: str, secret: str) -> bool:
    """Whether a secret stands in a text, plain, in hexadecimal or in base64 (at any of its three offsets)."""
    raw = secret.encode()
    encoded = [base64.b64encode(b"x" * shift + raw).decode()[4 * bool(shift) : -4] for shift in range(3)]
    return any(form in text for form in (secret, raw.hex(), *encoded))


def hidden_values(secret: Manifest) -> dict[str, str]:
    """`field` -> a secret value of it to look for; of a key in PEM form its last line of data."""
    found = {}
    for field, value in get_map(secret, "data").items():
        plain = base64.b64decode(str(value)).decode(errors="replace").strip()
        if not field.startswith(PUBLIC):
            found[field] = plain.splitlines()[-2] if "-----END" in plain else plain
    return {field: value for field, value in found.items() if len(value) >= SHORTEST}
