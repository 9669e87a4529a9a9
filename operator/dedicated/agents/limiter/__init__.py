"""The limiter's agent: it stands beside each HAProxy, keeps it to the files that are wanted, and tells.

It watches one ConfigMap, changes the running process (maps at once, structure by a reload), proves that the
limits in force are those of the policy, and writes one report. It may read that ConfigMap and patch the
report, and nothing else. A configuration that HAProxy refuses is told; the one before goes on serving.

No address of a client comes in: tables are read as numbers, and HAProxy's log names none.

Its rooms: `settings`, `content` (what is wanted, of a ConfigMap), `places` (addresses that only the cluster
knows), `files` (on the disk), `applying`, `proving`, `latency` (of the log), `observing` (figures), `state`
(what there is to tell), `work` (the order of things), `telling` (the report), `metrics`, `main`.
"""
