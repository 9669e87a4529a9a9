"""The operator of dedicated ZITADEL instances: what their contract promises, as code."""

__version__ = "0.1.0"
