"""Recorded from barman-cloud 3.19.1 against the lab's store, around a promotion; folders changed."""

import gzip

OLDER = """\
backup_label='START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\\n'
begin_offset=40
begin_time=2026-11-28 10:27:41.219998+00:00
begin_wal=000000010000000000000002
begin_xlog=0/2000028
children_backup_ids=None
cluster_size=23142089
compression=None
config_file=/var/lib/postgresql/data/postgresql.conf
copy_stats={'total_time': 4.928955, 'number_of_workers': 2, 'copy_time': 0.383482}
data_checksums=on
deduplicated_size=None
encryption=None
end_offset=256
end_time=2026-11-28 10:27:44.649390+00:00
end_wal=000000010000000000000002
end_xlog=0/2000100
error=None
included_files=None
mode=None
parent_backup_id=None
pgdata=/var/lib/postgresql/data
server_name=cloud
size=None
status=DONE
summarize_wal=None
systemid=7713167071753833909
tablespaces=None
timeline=1
version=150018
xlog_segment_size=16777216
"""
NEWER = (
    OLDER.replace("10:27:41.219998", "10:28:03.869777")
    .replace("10:27:44.649390", "10:28:08.154529")
    .replace("=000000010000000000000002", "=000000020000000000000006")
    .replace("=0/20001", "=0/60001")
    .replace("=0/20000", "=0/60000")
    .replace("timeline=1", "timeline=2")
)
INFOS = {"base/20261128T102741/backup.info": OLDER, "base/20261128T102803/backup.info": NEWER}
HISTORY_NAME = "wals/00000002.history.gz"
HISTORY = gzip.compress(b"1\t0/5000060\tno recovery target specified\n", mtime=0)
SIZES = {
    "base/20261128T102741/backup.info": 1273,
    "base/20261128T102741/data.tar.gz": 3104450,
    "base/20261128T102803/backup.info": 1316,
    "base/20261128T102803/data.tar.gz": 3115312,
    "wals/0000000100000000/000000010000000000000001.gz": 1606782,
    "wals/0000000100000000/000000010000000000000002.00000028.backup.gz": 208,
    "wals/0000000100000000/000000010000000000000002.gz": 16488,
    "wals/0000000100000000/000000010000000000000003.gz": 16477,
    "wals/0000000100000000/000000010000000000000004.00000028.backup.gz": 200,
    "wals/0000000100000000/000000010000000000000004.gz": 16486,
    "wals/0000000100000000/000000010000000000000005.partial.gz": 16403,
    HISTORY_NAME: 59,
    "wals/0000000200000000/000000020000000000000005.gz": 16655,
    "wals/0000000200000000/000000020000000000000006.00000028.backup.gz": 208,
    "wals/0000000200000000/000000020000000000000006.gz": 16492,
    "wals/0000000200000000/000000020000000000000007.gz": 16421,
}
