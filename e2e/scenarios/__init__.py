"""Promises on real nodes: each is broken on purpose under load, measured, and held against its target.

A scenario is data and functions (`model`): a promise with its clause, steps that each can be undone, and a
verdict that is a pure function of what was measured. `runner` runs them on a `Stage`, `live` is the stage
of a real cluster, `report` and `page` tell what came of it.
"""
