"""Which tokens a database holds."""

import psycopg

CONNECT_SECONDS = 5


def kept(dsn: str) -> set[str]:
    """The tokens in the events of an instance's database. Raises `psycopg.Error`."""
    statement = "select payload->>'key' from eventstore.events2 where event_type = 'user.metadata.set'"
    with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS) as connection:
        return {str(row[0]) for row in connection.execute(statement)}
