"""The way out and the way in (X-1, D-1): what leaves with an instance, and what one may begin with.

Out: `export` (what is in one, and what is wrong with one), `physical_export` (the engine's own backups, by
addresses that end), and the README of each, which a person follows without any of this. In: `imported` (the
fact), `importing` (whether it was done, and from where), `import_report` (what the Job tells).
"""
