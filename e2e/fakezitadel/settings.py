"""ZITADEL's runtime configuration: built-in defaults, then files in order, then the environment.

The defaults include the ones that are wrong on Kubernetes (TLS on, localhost:8080, no method to
identify the machine that works in a pod), so that an operator that forgets a key fails here.
`FirstInstance` is read from the files given by --steps, everything else from those given by --config.
Keys are compared without regard to case, as ZITADEL does: the id of a system user becomes lower case.
Keys that the fake does not know are ignored and named once.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fakezitadel.runtime import FatalError, Json

_SSL: dict[str, Json] = {"Mode": "disable", "RootCert": "", "Cert": "", "Key": ""}
_MACHINE: dict[str, Json] = {"Username": "", "Name": ""}
DEFAULTS: dict[str, Json] = {
    "Port": 8080,
    "ExternalDomain": "localhost",
    "ExternalPort": 8080,
    "ExternalSecure": True,
    "TLS": {"Enabled": True, "CertPath": "", "KeyPath": "", "Cert": "", "Key": ""},
    "Database": {
        "postgres": {
            "DSN": "",
            "Host": "localhost",
            "Port": 5432,
            "Database": "zitadel",
            "Options": "",
            "MaxOpenConns": 10,
            "MaxIdleConns": 5,
            "MaxConnLifetime": "30m",
            "MaxConnIdleTime": "5m",
            "AwaitInitialConn": "0m",
            "User": {"Username": "zitadel", "Password": "", "SSL": _SSL},
            "Admin": {"Username": "postgres", "Password": "", "ExistingDatabase": "postgres", "SSL": _SSL},
        }
    },
    "Machine": {
        "Identification": {
            "Hostname": {"Enabled": False},
            "PrivateIp": {"Enabled": False},
            "Webhook": {"Enabled": True, "Url": "", "JPath": "", "Headers": {}},
        }
    },
    "SystemAPIUsers": {},
    "InstanceHostHeaders": ["x-zitadel-instance-host"],
    "PublicHostHeaders": ["x-zitadel-public-host"],
    "ServicePing": {"Enabled": True},
    "Telemetry": {"Enabled": False},
    "AuditLogRetention": "0s",
    "Quotas": {"Access": {"Enabled": False}, "Execution": {"Enabled": False}},
    "EncryptionKeys": {
        "DomainVerification": {"EncryptionKeyID": "domainVerificationKey"},
        "IDPConfig": {"EncryptionKeyID": "idpConfigKey"},
        "OIDC": {"EncryptionKeyID": "oidcKey"},
        "OTP": {"EncryptionKeyID": "otpKey"},
        "SAML": {"EncryptionKeyID": "samlKey"},
        "SMS": {"EncryptionKeyID": "smsKey"},
        "SMTP": {"EncryptionKeyID": "smtpKey"},
        "Target": {"EncryptionKeyID": "targetKey"},
        "User": {"EncryptionKeyID": "userKey"},
        "CSRFCookieKeyID": "csrfCookieKey",
        "UserAgentCookieKeyID": "userAgentCookieKey",
    },
    "DefaultInstance": {
        "Features": {"LoginV2": {"Required": True, "BaseURI": ""}},
        "Limits": {"AuditLogRetention": "", "Block": False},
        "SMTPConfiguration": {
            "SMTP": {"Host": "", "User": "", "Password": ""},
            "TLS": False,
            "From": "",
            "FromName": "",
            "ReplyToAddress": "",
        },
        "DomainPolicy": {"SMTPSenderAddressMatchesInstanceDomain": False},
    },
    "FirstInstance": {
        "Skip": False,
        "InstanceName": "ZITADEL",
        "DefaultLanguage": "en",
        "MachineKeyPath": "",
        "PatPath": "",
        "LoginClientPatPath": "",
        "Features": {},
        "Org": {
            "Name": "ZITADEL",
            "Human": {
                "UserName": "zitadel-admin",
                "FirstName": "ZITADEL",
                "LastName": "Admin",
                "NickName": "",
                "DisplayName": "",
                "PreferredLanguage": "en",
                "Email": {"Address": "", "Verified": False},
                "Password": "Password1!",
                "PasswordChangeRequired": True,
            },
            "Machine": {
                "Machine": _MACHINE,
                "MachineKey": {"ExpirationDate": "", "Type": 0},
                "Pat": {"ExpirationDate": ""},
            },
            "LoginClient": {"Machine": _MACHINE, "Pat": {"ExpirationDate": ""}},
        },
    },
}
# Read by the process itself, not part of the configuration.
OTHER_VARIABLES = frozenset({"ZITADEL_MASTERKEY"})
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        else:
            yield path, value


KNOWN: dict[str, Json] = {path.lower(): value for path, value in _leaves(DEFAULTS)}
PROPER_NAMES = {path.lower(): path for path, _ in _leaves(DEFAULTS)}


@dataclass(frozen=True, slots=True)
class Settings:
    """Every known key with its value of the default's type. Keys are given as in ZITADEL's documents."""

    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A string."""
        return str(self.values[key.lower()])

    def number(self, key: str) -> int:
        """An integer."""
        return int(self.values[key.lower()])

    def flag(self, key: str) -> bool:
        """A boolean."""
        return bool(self.values[key.lower()])

    def names(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(str(item) for item in self.values[key.lower()])

    def seconds(self, key: str) -> float:
        """A duration as Go writes it (`1m30s`), in seconds."""
        text = self.text(key)
        if text and text != "0" and not re.fullmatch(f"({DURATION.pattern})+", text):
            raise FatalError(f"cannot parse {key}: not a duration")
        return sum(float(amount) * UNIT_SECONDS[unit] for amount, unit in DURATION.findall(text))

    def table(self, key: str) -> dict[str, Any]:
        """A map given as one, or as a list of maps."""
        value = self.values[key.lower()]
        items = value if isinstance(value, list) else [value]
        return {name: entry for item in items for name, entry in item.items()}

    def with_tls_mode(self, mode: str) -> "Settings":
        """What --tlsMode makes of these settings; it overrides both keys."""
        if not mode:
            return self
        tls = {"tls.enabled": mode == "enabled", "externalsecure": mode != "disabled"}
        return replace(self, values={**self.values, **tls})

    @property
    def external_url(self) -> str:
        """Public address: scheme, domain, and the port unless it is the scheme's own."""
        return origin(self, self.text("ExternalDomain"))


def origin(settings: Settings, domain: str) -> str:
    """The address at which a domain of the instance is reached from outside."""
    secure, port = settings.flag("ExternalSecure"), settings.number("ExternalPort")
    suffix = "" if port == (443 if secure else 80) else f":{port}"
    return f"{'https' if secure else 'http'}://{domain}{suffix}"


def load(
    *, config: Sequence[Path], steps: Sequence[Path], env: Mapping[str, str]
) -> tuple[Settings, list[str]]:
    """The settings, and the names of keys and variables that were ignored. FatalError names a bad key."""
    runtime_tree, first_tree = _merged(config), _merged(steps)
    variables = {"ZITADEL_" + path.upper().replace(".", "_"): path for path in KNOWN}
    values: dict[str, Any] = {}
    for path, default in KNOWN.items():
        found = _find(first_tree if path.startswith("firstinstance.") else runtime_tree, path)
        values[path] = default if found is None else _typed(found, path, default)
    # An empty variable counts as unset, as in ZITADEL.
    given = {name: value for name, value in env.items() if name.startswith("ZITADEL_") and value}
    for name in given.keys() & variables.keys():
        path = variables[name]
        values[path] = _typed(given[name], path, KNOWN[path])
    paths = [path for tree in (runtime_tree, first_tree) for path, _ in _leaves(tree)]
    unknown = [path for path in paths if not _is_known(path)]
    unknown += [name for name in given if name not in variables and name not in OTHER_VARIABLES]
    return Settings(values), sorted(set(unknown))


def _merged(files: Sequence[Path]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for file in files:
        try:
            content = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            raise FatalError(f"{file.name} is not YAML") from error
        if not isinstance(content, dict | None):
            raise FatalError(f"{file.name} is not a map")
        _merge(tree, _lower(content or {}))
    return tree


def _lower(value: Any) -> Any:
    match value:
        case dict():
            return {str(key).lower(): _lower(item) for key, item in value.items()}
        case list():
            return [_lower(item) for item in value]
        case _:
            return value


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _find(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _is_known(path: str) -> bool:
    parts = path.split(".")
    above = (".".join(parts[:count]) for count in range(1, len(parts)))
    in_table = any(isinstance(KNOWN.get(parent), dict) for parent in above)
    is_empty_section = any(known.startswith(f"{path}.") for known in KNOWN)
    return path in KNOWN or in_table or is_empty_section


def _typed(value: Any, path: str, default: Json) -> Any:
    try:
        return _converted(value, default)
    except (ValueError, TypeError) as error:
        # The value stays out of the message: it may be a secret.
        raise FatalError(f"cannot parse {PROPER_NAMES[path]}") from error


def _converted(value: Any, default: Json) -> Any:
    match default:
        case bool():
            return _boolean(value)
        case int():
            return int(value)
        case dict():
            table = _lower(json.loads(value)) if isinstance(value, str) else value
            if not isinstance(table, dict | list):
                raise ValueError("not a map")
            return table
        case list():
            return [item.strip() for item in value.split(",")] if isinstance(value, str) else list(value)
        case _:
            if isinstance(value, dict | list):
                raise TypeError("not a scalar")
            return str(value)


def _boolean(value: Any) -> bool:
    match str(value).lower():
        case "true" | "1" | "t":
            return True
        case "false" | "0" | "f":
            return False
        case _:
            raise ValueError("not a boolean")
