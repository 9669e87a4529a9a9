"""The recovery agent: one pod for each instance, which knows what a restore would bring back.

It samples the primary, lists the repository, asks the object store, and reckons from these what can be
restored; it writes that into one ConfigMap, which is all it may write, and exports it as metrics. The
operator reads the ConfigMap and judges: so it holds no credentials of databases or buckets, and sampling
goes on while it, the API server, the database or the repository is away, in any combination. What was not
measured then is never made up.

Its rooms: `settings`, `clock` (which of the clocks is believed), `knowledge` (what is known, and the report
made of it), `keeping` (what of it outlives a restart), `repositories`, `loops` (when something is asked),
`writer` (when it is written down), `metrics`, `pages`, `main`.
"""
