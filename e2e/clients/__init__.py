"""Clients of an instance as the world sees it: logins, tokens, writes through the API, and a row for each.

What a failure costs is told by those who used the service, not by its own status: for how long nobody was
answered, which requests failed, and which writes were acknowledged and are gone. So the clients are a process
of their own (`python -m clients`), whose log outlives whatever is broken meanwhile, and `analysis` reads it.

    identity = enrol.enrol(target, owner=enrol.Owner("operator", private_pem))
    with process.running(target, identity, log=path) as clients:
        break_something()
        rows = clients.rows()
    found = analysis.summary(rows, "write", interval=plan.interval("write"))
    lost = analysis.lost(found.acknowledged, acknowledged.kept(dsn))

Limits: a client is one address with at most half of what the contract lets it ask, so that a refusal is never
the limiter's doing, but for `burst`, which asks for it. Clocks are those of this machine.
"""
