"""The small processes beside an instance: loops around probes and pure rules."""
