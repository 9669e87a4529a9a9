"""The operator of dedicated ZITADEL instances: what their contract promises, as code."""
