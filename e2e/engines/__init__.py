"""Database engines, played on the testbed's control plane: what their operators would answer, with failures.

The definitions are other projects' and no part of this one: see `definitions`.
"""
