"""Adapter to Kubernetes. `client` alone knows the client library."""
