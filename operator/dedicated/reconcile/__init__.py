"""One pass: composes parts and rules into a plan. Pure: no I/O, no clock."""
