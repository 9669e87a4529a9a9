"""Thin loops around the pure core: key -> observe -> plan -> execute -> report."""
