"""The limiter: HAProxy before server and login, which holds every client to the rate limits (RL-1, S-3).

Here are its files, as pure text of a policy and a site. Run-time state (addresses of peers and servers, which
only the cluster knows) comes in by the agent beside it.
"""
