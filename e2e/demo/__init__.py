"""`make demo`: the operator and one instance on the local control plane, from nothing to Ready."""
