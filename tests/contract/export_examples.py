"""A manifest and a report of an export."""

from datetime import UTC, datetime, timedelta

from dedicated.contract.transfer.export import FORMAT, Database, File, Manifest, Report, Table, Took

AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
EVENTS = Table("eventstore", "events2", 1000, "77")
KEYS = Table("system", "encryption_keys", 3, "5")
MANIFEST = Manifest(
    format=FORMAT,
    export="order",
    instance="acme",
    namespace="customer",
    incarnation="uid",
    zitadel="v4.7.1",
    fingerprint="f" * 32,
    recipient="age1" + "q" * 58,
    database=Database(17, AT, 2_000_000_000, ("zitadel",), (EVENTS, KEYS)),
    files=(
        File("dump/toc.dat", 10, "a" * 64, 200, "b" * 64),
        File("keys.tar.gz", 20, "c" * 64, 300, "d" * 64),
    ),
)
REPORT = Report(
    export="order",
    written=AT,
    step="Storing",
    started=AT - timedelta(minutes=1),
    done=5,
    total=10,
    snapshot=AT,
    database_bytes=2_000_000_000,
    dump_bytes=300_000_000,
    rows=1003,
    took=Took(dump=20.4, verify=50.2),
)
