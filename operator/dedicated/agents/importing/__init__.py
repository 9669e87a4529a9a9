"""The import of an instance (`spec.from`): one process that fetches, checks, loads, compares, and ends.

    export: manifest by its SHA-256 -> each object, opened with the recipient's identity, by its SHA-256 --+
    database: pg_dump of one snapshot, rows and checksums of each table of the same snapshot --------------+
                                                                                                           |
      the instance's own database, marked and empty <- pg_restore <-----------------------------------------+
                    |
      rows and checksums of each table == the source's; encryption keys opened with the live masterkey
                    |
      the mark goes, and a comment says what was imported; then the last word in the record

It begins anew wherever it was killed, on a database that it empties if it has its mark, and touches no other
that is not empty (`probes.target`). What a person has to solve is told as such, and not tried again.
"""
