"""A real Kubernetes control plane on loopback, with simulated nodes and pods that really run.

Tests and the demo need an API server, its admission, its scheduler and its controllers, on a machine
that has no container engine. Built from published Go modules, etcd, kube-apiserver,
kube-controller-manager and kube-scheduler are the real programs; the six nodes and most pods are
simulated by kwok; the pods whose behaviour matters (`podrunner`) run as processes of the fake ZITADEL
against a real PostgreSQL. Linux only: every address in 127.0.0.0/8 is the pods' own there.
"""
