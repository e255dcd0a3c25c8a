#!/bin/sh
# Make a folder of PostgreSQL's data from a base backup and archived WAL, as the database was at a time. Start a server on it afterwards:
#   restore_to.sh /backups/base /backups/wal /var/lib/postgresql/15/restored '2026-11-28 23:59:00+00'
set -eu
[ $# = 4 ] || { echo "usage: $0 BASE_BACKUP WAL_ARCHIVE NEW_DATA TIME" >&2; exit 2; }
base=$1 archive=$2 data=$3 time=$4
[ -f "$base/PG_VERSION" ] || { echo "$base is no base backup: pg_basebackup --format=plain makes one" >&2; exit 2; }
[ ! -e "$data" ] || { echo "$data is there already; name a folder that is not" >&2; exit 2; }
cp -Rp "$base" "$data"
chmod 700 "$data"
cat >> "$data/postgresql.auto.conf" <<SETTINGS
restore_command = 'cp "$archive/%f" "%p"'
recovery_target_time = '$time'
recovery_target_action = 'promote'
SETTINGS
touch "$data/recovery.signal"
echo "start a server on $data; it stops at $time and then takes writes"
