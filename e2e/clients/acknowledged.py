"""Which tokens a database holds."""


def kept(dsn: str) -> set[str]:
    """The tokens in the events of an instance's database. Raises `psycopg.Error`."""
    raise NotImplementedError
