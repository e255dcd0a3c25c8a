"""Two real PostgreSQL servers: one writes, the other follows it and takes its place when it is gone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.servers.postgres import (
    OWNER,
    PASSWORD,
    PostgresServer,
    control,
    give_away,
    owner,
    postgres_server,
    program,
    run,
)

_OPTIONS = "-c fsync=on -c wal_keep_size=256MB -c hot_standby=on -c wal_receiver_status_interval=1s -c wal_retrieve_retry_interval=1s"


class PostgresPair:
    """A primary and its synchronous standby: a commit returns once both have it."""

    def __init__(self, primary: PostgresServer, standby: PostgresServer, hosts: Sequence[str] = ()) -> None:
        """`hosts`: addresses at which they listen; without, a socket each."""
        self.primary, self.standby = primary, standby
        places = ",".join(hosts or map(str, (primary.folder, standby.folder)))
        self.url = f"postgresql://{OWNER}:{PASSWORD}@/postgres?host={places}"

    def follow(self) -> None:
        """Copy the primary to the standby's place, have it follow, and have commits wait for it."""
        data = self.standby.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        source = f"host={self.primary.folder} user={OWNER} password={PASSWORD} application_name=standby"
        run([program("pg_basebackup"), "--pgdata", str(data), "--dbname", source, "--write-recovery-conf"], owner())
        self.standby.start()
        self._wait_for("standby")

    def fail_over(self) -> None:
        """Kill the primary, as a machine that loses its power; the standby writes from now on, alone until `follow`."""
        self.primary.kill()
        self.promote()

    def promote(self) -> None:
        """Have the standby write, alone until `follow`; the primary is gone."""
        self.primary, self.standby = self.standby, self.primary
        control(self.primary.folder, "promote")
        self._wait_for("")

    def _wait_for(self, names: str) -> None:
        """Have commits of the primary wait for the standbys of these names."""
        self.primary.run(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.primary.run("SELECT pg_reload_conf()")


@contextmanager
def postgres_pair(hosts: Sequence[str] = (), subnet: str = "") -> Iterator[PostgresPair]:
    """Start both, each at one of two addresses for those of a subnet, if these are given; skips the test where PostgreSQL is not
    installed."""
    listening = [f"{_OPTIONS} -c listen_addresses={host}" for host in hosts] or [_OPTIONS] * 2
    with ExitStack() as stack:
        primary = stack.enter_context(postgres_server(listening[0]))
        if subnet:
            with (primary.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {subnet} scram-sha-256\n")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-")))
        give_away(folder)
        standby = PostgresServer(folder, f"postgresql://{OWNER}@/postgres?host={folder}", listening[1])
        pair = PostgresPair(primary, standby, hosts)
        stack.callback(standby.stop)
        pair.follow()
        yield pair
