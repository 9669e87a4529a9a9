"""A database as an engine runs it, on loopback: PostgreSQL with standbys, and a repository of pgBackRest.

For what no simulator can answer: what a restore from the repository really brings back, and whether what was
published before was true of it. Each lab has its own folder, ports and processes; all of them end with it.

Both programs refuse to run as root: then they run as an ordinary user, who owns the lab's folder. Data
is not forced to the disk (`fsync` is off): what dies here are processes, never the machine.
"""
