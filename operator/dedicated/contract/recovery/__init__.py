"""Recoverability (B-1 to B-5): what a restore would reach, computed from what is in the repository.

No engine's word that a backup succeeded is taken: archives had holes that every tool called healthy. What
is stated is computed from samples of the running primary, the listing of the repository, and the history
of timelines. The rooms, in the order in which they need each other: `wal` (names and positions),
`repository` (what was listed), `chain` (which log a restore follows), `sampling` (what is remembered of the
primary), `points` (newest and earliest recoverable point), `duties` (what a start or a failover asks
for), `schedule` and `rendering` (when backups are due), `runs` (whether they came), `objectives`,
`conditions`, `report` (what the agent tells), `verdict` (what is believed of it, and what it says now).
"""
