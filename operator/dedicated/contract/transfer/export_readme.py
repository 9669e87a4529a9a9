# ruff: noqa: E501 - lines of a document
"""The README of an export: for a person with plain PostgreSQL, age and ZITADEL, and without us."""

from dataclasses import dataclass

from dedicated.contract.transfer.export import DUMP, KEYS, MANIFEST, ROLES, SEALED, Manifest

TEXT = """# Export of {instance}, {at}

All of one ZITADEL instance: its database as of {at}, and the keys without which the database is
worth nothing. Every object but this and `{manifest}` is encrypted with age to

    {recipient}

Who holds the identity of that recipient can read all of it: treat what you decrypt as you treat the masterkey.

| | |
|---|---|
| ZITADEL | {zitadel} |
| PostgreSQL | {major}, or newer |
| database | {size} bytes, {tables} tables, {rows} rows |

## To your own ZITADEL

Needed: `age`, PostgreSQL {major} or newer with its programs, ZITADEL {zitadel}; the identity in `identity.txt`.
Run everything in the folder that holds this file.

1. Decrypt. A changed byte ends this with an error.

       find . -name '*{sealed}' | while read -r f; do age -d -i identity.txt -o "${{f%{sealed}}}" "$f" || exit 1; done

2. Check. Every line says OK.

       python3 -c "import json; [print(f['sha256'] + '  ' + f['name']) for f in json.load(open('{manifest}'))['files']]" | sha256sum -c

3. Import, into an empty PostgreSQL. `PGHOST`, `PGUSER` and `PGPASSWORD` are those of its superuser.

       psql -d postgres -f {roles}
       createdb -T template0 -E UTF8 {database}
       pg_restore --exit-on-error -j2 -d {database} {dump}

   Then give the owner a password: `psql -d postgres -c "alter role {owner} password 'YOUR-PASSWORD'"`.

4. Start. `{keys}` holds the masterkey and the configuration as files.

       mkdir -p keys && tar -xzf {keys} -C keys
       ls -R keys

   Start ZITADEL **of the same version**, {zitadel}, with `--masterkeyFile keys/{masterkey}` and the configuration
   `keys/{configuration}`; set `Database.postgres.Host` and the password to yours. The configuration names the public keys of
   two system users by path: put `keys/{operator_key}` into `/etc/zitadel-keys/operator/` and
   `keys/{login_key}` into `/etc/zitadel-keys/login/`. Run its setup first, as with any start:

       zitadel setup --masterkeyFile keys/{masterkey} --config keys/{configuration} --init-projections=true
       zitadel start --masterkeyFile keys/{masterkey} --config keys/{configuration}

5. Upgrade only when users can log in. Another domain is another step: change `ExternalDomain`, and run setup again;
   passkeys belong to the domain, and do not move with it.

Rows of each table are in `{manifest}`. With the operator's command line, `dedicated export-verify . --identity identity.txt`
does steps 1 and 2 and names what is wrong; `dedicated keys restore {keys}{sealed} --identity identity.txt -o manifests` makes
manifests of step 4 for a cluster that runs the operator.
"""


@dataclass(frozen=True, slots=True)
class KeyPaths:
    """Where in the key bundle a person finds what ZITADEL is started with."""

    masterkey: str
    configuration: str
    operator: str
    login: str


def readme(manifest: Manifest, *, database: str, keys: KeyPaths) -> str:
    """The text for an export; `database` names the database that it is to be imported into."""
    tables = manifest.database.tables
    return TEXT.format(
        instance=manifest.instance,
        at=manifest.database.at.isoformat(timespec="seconds"),
        recipient=manifest.recipient,
        zitadel=manifest.zitadel or "(not told: ask who runs the instance)",
        major=manifest.database.major,
        size=manifest.database.size,
        tables=len(tables),
        rows=sum(table.rows for table in tables),
        manifest=MANIFEST,
        sealed=SEALED,
        roles=ROLES,
        dump=DUMP,
        keys=KEYS,
        masterkey=keys.masterkey,
        configuration=keys.configuration,
        operator_key=keys.operator,
        login_key=keys.login,
        database=database,
        owner=manifest.database.roles[0] if manifest.database.roles else database,
    )
