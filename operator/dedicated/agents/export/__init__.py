"""The export of an instance: one process that dumps, imports for proof, seals, stores, reads back, and ends.

    snapshot of the source --+-> pg_dump of the same snapshot --> import into an empty server
                             |                                          |
                             +-> rows and checksums of each table  == those of the import
                                                                        |
                  each file sealed with age to the recipient -> store -> read back, SHA-256 compared
                                                                        |
                                                             manifest.json, last

The proof comes before the store, since what is sealed to the customer cannot be opened again here, and so
that nothing is ever stored that cannot be imported. PostgreSQL's own programs run in a container of the
engine's image beside this one (`parts.export_programs`): their major version is the server's.

A physical one (`physical`) lists the engine's repository instead, makes an address of each object that a
restore needs, tries every address, and stores the sealed list.

What was reached is kept beside the dump (`keeping`): a process that is killed goes on there. With the pod the
volume goes, and the next one begins anew under the same names.
"""
