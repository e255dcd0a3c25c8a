"""The drill "a database restored to a time", with a base backup and archived WAL, as docs/operations.md has it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from recsys.live.erasure import Erased
from recsys.live.postgres.address import Address
from recsys.live.postgres.log import PostgresLog
from recsys.live.postgres.migrations import migrate
from tests.live.postgres.test_crash import until_it_answers
from tests.live.test_log import RECEIVED, event, stored
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.servers.postgres import OWNER, PASSWORD, PostgresServer, give_away, owner, postgres_server, program, run
from tests.support.servers.running import ROOT

DEPLOY = ROOT / "deploy" / "postgres"


@pytest.fixture
def backups() -> Iterator[Path]:
    """A folder for a base backup and archived WAL, which the server may write."""
    with tempfile.TemporaryDirectory(prefix="pg-backups-") as made:
        (Path(made) / "wal").mkdir()
        for folder in (Path(made), Path(made) / "wal"):
            give_away(folder)
        yield Path(made)


@pytest.fixture
def server(backups: Path) -> Iterator[PostgresServer]:
    """A server that archives its WAL, as docs/operations.md sets it up."""
    archiving = f'''-c archive_mode=on -c archive_command='test ! -f "{backups}/wal/%f" && cp "%p" "{backups}/wal/%f"' '''
    with postgres_server(f"-c fsync=off {archiving}") as running:
        migrate(Address(running.url))
        yield running


def asked(url: str, query: str) -> str:
    """The one value of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return str(row[0]) if row else ""


def psql(server: PostgresServer, folder: Path, *arguments: str) -> None:
    """Run psql in a folder."""
    stated = {**os.environ, "PGPASSWORD": PASSWORD}
    command = [program("psql"), server.url, "--quiet", *arguments]
    done = subprocess.run(command, cwd=folder, env=stated, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_database_is_restored_to_a_time(server: PostgresServer, backups: Path, tmp_path: Path) -> None:
    """Everything accepted up to the time is there, nothing of what came after; writers go on; the erased stay erased."""
    with closing(PostgresLog(Address(server.url))) as log:
        log.add_events([event("before the backup")], RECEIVED)
        source = f"host={server.folder} user={OWNER} password={PASSWORD}"
        run([program("pg_basebackup"), "--pgdata", str(backups / "base"), "--dbname", source], owner())
        log.add_events([event("after the backup"), event("of ben", user="ben")], RECEIVED)
        time = asked(server.url, "SELECT clock_timestamp()")
        log.add_events([event("too late"), event("later"), event("last")], RECEIVED)
        log.forget([Erased("hash of ben", "ben")], RECEIVED)
        before = log.last()
    with psycopg.connect(server.url, autocommit=True) as mistake:
        mistake.execute("DELETE FROM recsys.events")
    psql(server, tmp_path, "-c", "\\copy recsys.tombstones TO 'tombstones.csv' csv")
    last = asked(server.url, "SELECT pg_walfile_name(pg_switch_wal())")
    end = monotonic() + PATIENCE_SECONDS
    while asked(server.url, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver") < last:
        assert monotonic() < end
    server.stop()

    archived = [str(DEPLOY / "restore_to.sh"), str(backups / "base"), str(backups / "wal"), str(backups / "data"), time]
    run(archived, owner())
    with_restored = replace(server, folder=backups, address=server.address.replace(str(server.folder), str(backups)))
    with_restored.start()
    try:
        with closing(PostgresLog(Address(with_restored.url))) as log:
            until_it_answers(log)
            ids = [each.event_id for each in stored(log).values()]
            assert ids == ["before the backup", "after the backup", "of ben"]
            assert log.tombstones() == []
            for _ in range(2):  # once more changes nothing
                psql(with_restored, tmp_path, "-f", str(DEPLOY / "erased_again.sql"))
            assert [each.subject for each in log.tombstones()] == ["hash of ben"]
            assert [news.seq for news in log.news(0).shared] == [before + 1], "above what snapshots may have of ben"
            assert log.add_events([event("new")], RECEIVED) == [True]
            assert log.last() == before + 2
    finally:
        with_restored.stop()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "usage:"),
        (("{tmp}", "wal", "data", "now"), "is no base backup"),
        (("{base}", "wal", "{tmp}", "now"), "is there already"),
    ],
)
def test_the_script_says_what_is_wrong(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """Nothing is copied over what is there."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "PG_VERSION").write_text("15\n")
    command = [str(DEPLOY / "restore_to.sh"), *(each.format(tmp=tmp_path, base=base) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, words in done.stderr) == (2, True)
    assert [each.name for each in tmp_path.iterdir()] == ["base"]
