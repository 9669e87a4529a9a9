# ruff: noqa: E501 - lines of a document
"""The README of a physical export: for a person with curl, age, pgBackRest and plain PostgreSQL."""

from dedicated.contract.transfer.export import KEYS, MANIFEST, SEALED
from dedicated.contract.transfer.export_readme import KeyPaths
from dedicated.contract.transfer.physical_export import ADDRESSES, REPOSITORY, PhysicalManifest

TEXT = """# Physical export of {instance}, {written}

The right to read what a restore of one ZITADEL instance needs, **until {expires}**: {count} objects, {size} bytes, of
the backups that its provider keeps. Fetch them before; afterwards every address is refused, and only another export helps.
Nobody at the provider sees whether you did.

`{addresses}{sealed}` holds one address for each object. Whoever has an address needs no password: treat the list, once it is
decrypted, as you treat the masterkey. It and all else that ends with `{sealed}` is encrypted with age to

    {recipient}

| | |
|---|---|
| PostgreSQL | {major}, no older and no newer |
| pgBackRest | {program}, or newer |
| ZITADEL | {zitadel} |
| backup | {backup}, of a database of {database} bytes |
| reaches | timeline {timeline}, position {position}; all that was committed until {committed}, and what followed up to that position |

## To your own ZITADEL

Needed: `curl`, `age`, `python3`, pgBackRest {program} or newer, PostgreSQL {major}, ZITADEL {zitadel}; the identity in
`identity.txt`. Run everything as the user that PostgreSQL is to run as, in the folder that holds this file and all objects
beside it in the bucket; let its path be short, since a socket lies in it.

1. Decrypt. A changed byte ends this with an error.

       find . -name '*{sealed}' | while read -r f; do age -d -i identity.txt -o "${{f%{sealed}}}" "$f" || exit 1; done

2. Fetch. Broken off, it is begun again by the same command.

       curl --fail --silent --show-error --retry 3 --create-dirs --parallel --config {addresses}

   Behind an authority of one's own, add `--cacert FILE`; an address that has expired ends with `403`.

3. Check. Nothing is printed where all is there; else what is missing or has another size.

       python3 -c "
       import json, os, sys
       wrong = [o['name'] for o in json.load(open('{manifest}'))['objects']
                if not os.path.isfile('{repository}/' + o['name']) or os.path.getsize('{repository}/' + o['name']) != o['size']]
       sys.exit('\\n'.join(wrong) if wrong else 0)"

4. Unpack the keys.

       mkdir -p keys && tar -xzf {keys} -C keys

5. Restore. pgBackRest holds every file against its checksum.

       cat > pgbackrest.conf <<END
       [global]
       repo1-type=posix
       repo1-path=$PWD/{repository}
{cipher}       lock-path=$PWD/lock
       log-path=$PWD/log
       log-level-file=off
       [{stanza}]
       pg1-path=$PWD/data
       END
       mkdir -p -m 700 data
       pgbackrest --config=$PWD/pgbackrest.conf --stanza={stanza} --set={backup} --archive-mode=off restore

6. Start. The settings that came along are those of a cluster that is not yours: these replace them.

       printf '%s\\n' "listen_addresses = 'localhost'" "unix_socket_directories = '$PWD'" 'hot_standby = off' > data/postgresql.conf
       printf '%s\\n' 'local all all trust' 'host all all localhost scram-sha-256' > data/pg_hba.conf
       pg_ctl -D data -l server.log start
       while pg_ctl -D data status >status.log && ! pg_isready -q -h "$PWD"; do sleep 1; done
       psql -h "$PWD" -U postgres -d postgres -c 'select now()'

   The log is replayed first: `server.log` tells how far, and why where it ends. `pg_hba.conf` lets in whoever may enter this folder: narrow it when the
   owner of the database, `{owner}`, has a password: `psql -h "$PWD" -U postgres -c "alter role {owner} password 'YOUR-PASSWORD'"`.

7. Start ZITADEL **of the same version**, {zitadel}, with `--masterkeyFile keys/{masterkey}` and the configuration
   `keys/{configuration}`; set `Database.postgres.Host` and the password to yours. The configuration names the public keys of
   two system users by path: put `keys/{operator_key}` into `/etc/zitadel-keys/operator/` and
   `keys/{login_key}` into `/etc/zitadel-keys/login/`. Run its setup first, as with any start:

       zitadel setup --masterkeyFile keys/{masterkey} --config keys/{configuration} --init-projections=true
       zitadel start --masterkeyFile keys/{masterkey} --config keys/{configuration}

With the operator's command line, `dedicated export-verify . --identity identity.txt` names what is wrong after step 1, 2 or 3.
"""
CIPHER = "       repo1-cipher-type=aes-256-cbc\n       repo1-cipher-pass=$(cat keys/{passphrase})\n"


def physical_readme(manifest: PhysicalManifest, *, passphrase: str, keys: KeyPaths, owner: str) -> str:
    """The text for an export; `passphrase` names Secret and key, `owner` who owns the database."""
    return TEXT.format(
        instance=manifest.instance,
        written=manifest.written.isoformat(timespec="seconds"),
        expires=manifest.expires.isoformat(timespec="seconds"),
        count=len(manifest.objects),
        size=manifest.object_bytes,
        recipient=manifest.recipient,
        major=manifest.major,
        program=manifest.program,
        zitadel=manifest.zitadel or "(not told: ask who runs the instance)",
        backup=manifest.backup,
        database=manifest.database_bytes,
        timeline=manifest.reached.timeline,
        position=manifest.reached.position,
        committed=manifest.reached.committed.isoformat(timespec="seconds"),
        stanza=manifest.stanza,
        cipher=CIPHER.format(passphrase=f"secrets/{passphrase}") if manifest.cipher else "",
        owner=owner,
        addresses=ADDRESSES,
        repository=REPOSITORY,
        sealed=SEALED,
        manifest=MANIFEST,
        keys=KEYS,
        masterkey=keys.masterkey,
        configuration=keys.configuration,
        operator_key=keys.operator,
        login_key=keys.login,
    )
