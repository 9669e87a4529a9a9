"""Access tokens: opaque, good for 12 hours, kept as events: every replica and a restored database know them.

A token names its session and has a secret, of which only the digest is stored.
"""

import secrets
from datetime import datetime, timedelta

from fakezitadel import events
from fakezitadel import instance as instances
from fakezitadel.database import Connection
from fakezitadel.events import Aggregate
from fakezitadel.instance import Instance

PREFIX = "at"
LIFETIME = timedelta(hours=12)
SESSION = "oidc_session"
ADDED = "oidc_session.access_token.added"
SECRET_BYTES = 32


def issue(instance: Instance, user: str, now: datetime, connection: Connection) -> str:
    """A new token of a user."""
    session, secret = instances.new_id(), secrets.token_urlsafe(SECRET_BYTES)
    about = Aggregate(instance.id, SESSION, session, instance.id)
    events.push(connection, about, "oidc_session.added", {"userID": user}, creator=user)
    events.push(
        connection,
        about,
        ADDED,
        {"userID": user, "digest": instances.digest(secret), "expires": (now + LIFETIME).isoformat()},
        creator=user,
    )
    return f"{PREFIX}:{session}:{secret}"


def is_access_token(token: str) -> bool:
    """Whether it looks like one."""
    return token.startswith(f"{PREFIX}:")


def user_of(instance: Instance, token: str, now: datetime, connection: Connection) -> str | None:
    """The user who may call with a token; None if it is not known or not good any more."""
    _, _, rest = token.partition(":")
    session, _, secret = rest.partition(":")
    row = connection.execute(
        "select payload from eventstore.events2 where instance_id = %s and aggregate_type = %s"
        " and aggregate_id = %s and event_type = %s",
        (instance.id, SESSION, session, ADDED),
    ).fetchone()
    if row is None or row[0]["digest"] != instances.digest(secret):
        return None
    return str(row[0]["userID"]) if now < datetime.fromisoformat(row[0]["expires"]) else None
