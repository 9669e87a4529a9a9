"""The whole service on any provider of a cluster: operator, object store, database, instance, public name."""
