"""Which instance a request is for, told by its host, and the address at which its caller sees it."""

from collections.abc import Mapping

from fakezitadel.instance import Instance
from fakezitadel.settings import Settings, origin
from fakezitadel.web import ApiError

NOT_FOUND = 5


def instance_host(headers: Mapping[str, str], settings: Settings) -> str:
    """The host that chooses the instance, without a port that goes without saying."""
    named = [name.lower() for name in settings.names("InstanceHostHeaders")]
    chosen = next((headers[name] for name in named if name in headers), headers.get("host", ""))
    return _without_port(chosen, settings)


def public_origin(headers: Mapping[str, str], settings: Settings, instance: Instance, host: str) -> str:
    """Scheme and host for discovery and redirects; ApiError 404 for a public host of someone else."""
    named = [headers[name.lower()] for name in settings.names("PublicHostHeaders") if name.lower() in headers]
    named += [_forwarded_host(headers["forwarded"])] if "forwarded" in headers else []
    public = next((_without_port(name, settings) for name in named if name), host)
    if public not in (*instance.domains, *instance.trusted_domains):
        raise not_found(public, settings)
    return origin(settings, public)


def not_found(host: str, settings: Settings) -> ApiError:
    """What ZITADEL says to a host that it does not know."""
    external = settings.text("ExternalDomain")
    return ApiError(
        NOT_FOUND,
        f"unable to set instance using origin {origin(settings, host)} (ExternalDomain is {external}): "
        "Instance not found. Make sure you got the domain right.",
    )


def _without_port(host: str, settings: Settings) -> str:
    name, colon, port = host.rpartition(":")
    implied = {"80", "443", str(settings.number("ExternalPort"))}
    return (name if colon and port in implied else host).lower()


def _forwarded_host(value: str) -> str:
    pairs = (pair.strip().partition("=") for pair in value.split(",", maxsplit=1)[0].split(";"))
    return next((host.strip('"') for name, _, host in pairs if name.lower() == "host"), "")
