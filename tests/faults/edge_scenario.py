"""A scenario with a way in: a limiter is made, limits are raised by a record, the way in is changed and taken
away, and with it the limiter."""

from datetime import UTC, datetime, timedelta

from cluster.instances import condition
from cluster.limits_stage import EDGE as WAY_IN
from dedicated.api.conditions import RATE_LIMIT_CONFIGURED, RATE_LIMIT_ENFORCED, rfc3339
from dedicated.api.json import Manifest, get_int, get_str
from dedicated.api.objects import CONFIG_MAP, STATEFUL_SET
from dedicated.parts.limiter.names import HASH_KEY, files_ref, limiter_name
from faults.scenario import REST_SECONDS, Scenario, is_whole, stand
from faults.site import NAME, Site

RANGE = "198.51.100.0/28"
STRICTER: Manifest = {"hsts": {"maxAge": 600}}


def _enter(site: Site) -> None:
    """The way in is stated for an instance that runs; then limits are raised, and the way in is changed."""
    site.change({"edge": WAY_IN})
    site.rest(_is_enforced, seconds=REST_SECONDS)
    before = _files(site)
    ends = rfc3339(datetime.now(UTC) + timedelta(days=30))
    raised: Manifest = {"range": RANGE, "factor": 4, "validUntil": ends}
    site.state("Override", override=raised, reference="TICKET-12", reason="offices")
    site.rest(lambda at: _is_enforced(at) and _overrides(at) == 1, seconds=REST_SECONDS)
    raised_files = _files(site)
    assert get_str(before, "data", HASH_KEY) != get_str(raised_files, "data", HASH_KEY)
    site.change({"edge": {**WAY_IN, **STRICTER}})
    site.rest(_is_enforced, seconds=REST_SECONDS)
    site.change({"edge": None})


def _files(site: Site) -> Manifest | None:
    return site.api.find(CONFIG_MAP, site.namespace, files_ref(NAME).name)


def _overrides(site: Site) -> int:
    return get_int(site.body(), "status", "rateLimit", "overrides")


def _is_enforced(site: Site) -> bool:
    """Rolled out behind its limiter, which every replica was proven for."""
    body = site.body()
    told = [condition(body, kind).get("status") for kind in (RATE_LIMIT_CONFIGURED, RATE_LIMIT_ENFORCED)]
    return is_whole(site) and told == ["True", "True"] and _reason(site) == "Proven"


def _reason(site: Site) -> str:
    return get_str(condition(site.body(), RATE_LIMIT_ENFORCED), "reason")


def is_open_again(site: Site) -> bool:
    """The instance runs as before, and nothing of the limiter is left."""
    limiter = site.api.find(STATEFUL_SET, site.namespace, limiter_name(NAME))
    return is_whole(site) and limiter is None and _reason(site) == "NoEdge"


EDGE = Scenario("edge", prepare=stand, act=_enter, is_over=is_open_again, limiters=True)
