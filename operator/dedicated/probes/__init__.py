"""Adapters to everything that is not Kubernetes: they read, and say what they read and when."""
