"""Measured figures of the operator, one JSON line each. Run: `python -m bench`."""
