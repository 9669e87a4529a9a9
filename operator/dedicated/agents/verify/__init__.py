"""The verification of a restored copy: one Job for each restore, which says what the copy holds.

It waits until recovery has ended, reads the whole copy once, holds the point that was reached against the
samples of the source, and opens the encryption keys with the masterkey. What it found is one verdict in one
ConfigMap, which is all that it may write; whether that proves anything is judged by the operator
(`contract.recovery.proof`). It ends well when it could look, whatever it saw.

Its rooms: `settings`, `opening` (what the masterkey opens), `looking` (the verdict), `main`.
"""
