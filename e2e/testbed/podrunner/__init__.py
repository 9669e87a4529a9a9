"""Runs the pods whose behaviour matters, as kubelet would: real processes instead of containers.

kwok makes a pod ready because time has passed. Whether a Job's arguments are right, a mounted key is
read, a probe's Host header matches, a Secret is missing: that shows only when something runs. The
runner takes marked pods (`testbed.marking`) from the API server, lays out volumes as files, resolves
the environment, runs exactly the container's argv with the fake ZITADEL as the program, probes it, and
writes the truth to the pod's status.

What it cannot show: isolation (users, read-only file systems, network policies, limits), image pulls,
API tokens in pods. A pod 10.x.y.z listens on 127.x.y.z. Absolute paths of mounts are found below
`FAKEZ_ROOT`. Periods of probes are shortened (`probes`), a preStop sleep lasts at most 1 s.
"""
