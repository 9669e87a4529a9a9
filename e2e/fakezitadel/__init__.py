"""A small fake of ZITADEL's server and login programs, for tests and the demo.

No ZITADEL binary or image can be assumed where the tests run, yet a test with stand-ins that accept
everything would prove nothing. So this fake keeps state in a real PostgreSQL as ZITADEL does (events,
unique constraints, keys encrypted with the masterkey), takes the same arguments, configuration and
environment, and adds rules of its own that make an operator's mistake visible (a pod that starts
before its setup stays unready, a downgrade is refused). It knows one instance and what init, setup,
start, ready and login need; the management APIs answer 404.

`python -m fakezitadel server ARGS...` is the `zitadel` binary, `python -m fakezitadel login` the login.
"""
